"""Electronic travel documents (ICAO Doc 9303 parts 9 to 12): files, passive authentication, access to the chip. Pure.

lds         the chip's files: EF.COM, DG1, DG2                              part 10
sod         the signed hashes of the groups                                 part 10 §4.6.2
passive     whether the data is what its state wrote: findings             part 11 §5.1
trust       authorities and their revocation lists                         part 12
masterlist  where they come from: master lists, LDIF                       part 12 §9
pki, cms    certificates, signatures, signed messages                      RFC 5280, 5652
curves      six elliptic curves, and the sum of points that PACE needs     FIPS 186-4, RFC 5639
access      what a chip says of how it may be opened                       part 11 §9.2
keys        keys from a password, checksums, session keys                  part 11 §9.7
bac, pace   how it is opened                                               part 11 §4.3, §4.4
secure      what is said afterwards, sealed                                part 11 §9.8
reader      the terminal's side, over any way to send an APDU              ISO/IEC 7816-4
chip        a chip in software, for tests and the exercise
tlv         tag, length, value                                             ISO/IEC 8825-1

Nothing here reads a file, a clock or a socket; every refusal is an `EmrtdError` with one word of `Why`.
"""
