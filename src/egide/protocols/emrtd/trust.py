"""Whom we believe: the certificates of the states' authorities (CSCA) and their revocation lists, read once and kept.

A CSCA comes from a master list that was verified, or by diplomatic hand; whoever adds one here answers for that. Its own
signature is checked all the same, and a link certificate (Doc 9303 part 12 §4.2.2) must be signed by one that is here already.
A revocation list is taken only with the signature of a CSCA that is here, and never for an older one than is held.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from egide.protocols.emrtd import pki
from egide.protocols.emrtd.errors import EmrtdError

MAX_AUTHORITIES = 5000  # the largest master lists have some 600
# countryName (2.5.4.6), a UTF8String or PrintableString of two octets
COUNTRY_NAME = rb"\x06\x03\x55\x04\x06[\x0c\x13]\x02"


class Trust:
    """The trust store. Adding is for one thread; reading is for any."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, list[pki.Certificate]] = {}
        self._by_name: dict[pki.Name, list[pki.Certificate]] = {}
        self._known: set[bytes] = set()
        self._lists: dict[pki.Name, pki.Crl] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, der: bytes) -> pki.Certificate:
        """Takes a CSCA in. Raises `EmrtdError`: it is no authority, or its signature does not hold."""
        found = pki.certificate(der)
        if der in self._known:
            return found
        if len(self._known) >= MAX_AUTHORITIES:
            raise EmrtdError("too-large", f"more than {MAX_AUTHORITIES} authorities")
        if not found.authority or (found.usage is not None and "key_cert_sign" not in found.usage):
            raise EmrtdError("untrusted", "a certificate that may not sign others")
        own = found.issuer == found.subject and pki.verifies(found.key, found.algorithm, found.signature, found.signed)
        if not own and self.issuer_of(found) is None:
            raise EmrtdError("signature", "an authority that neither itself nor a known one signed")
        self._known.add(der)
        self._by_name.setdefault(found.subject, []).append(found)
        if found.subject_key:
            self._by_key.setdefault(found.subject_key, []).append(found)
        return found

    def add_all(self, certificates: Iterable[bytes]) -> tuple[bytes, ...]:
        """Takes in a whole master list; what was refused comes back.

        A list of all states has keys that are not accepted, and link certificates before what they link to: one that is
        refused for want of its authority is tried again while others come in.
        """
        waiting = list(certificates)
        while waiting:
            left = [each for each in waiting if not self._took(each)]
            if len(left) == len(waiting):
                break
            waiting = left
        return tuple(waiting)

    def _took(self, der: bytes) -> bool:
        try:
            self.add(der)
        except EmrtdError:
            return False
        return True

    def add_revocations(self, der: bytes) -> pki.Crl:
        """Takes a revocation list in. Raises `EmrtdError`: nobody here signed it, or it is older than the one held."""
        found = pki.revocations(der)
        signers = self._by_key.get(found.authority_key, []) + self._by_name.get(found.issuer, [])
        if not any(_signs_lists(each, found) for each in signers):
            raise EmrtdError("signature", "a revocation list that no known authority signed")
        held = self._lists.get(found.issuer)
        if held is not None and (found.number or 0, found.this_update) < (held.number or 0, held.this_update):
            raise EmrtdError("expired", "a revocation list older than the one held")
        self._lists[found.issuer] = found
        return found

    def candidates(self, certificate: pki.Certificate) -> list[pki.Certificate]:
        """The authorities that may have signed a certificate: by its authority's key, else by its issuer's name."""
        if certificate.authority_key and certificate.authority_key in self._by_key:
            return self._by_key[certificate.authority_key]
        return self._by_name.get(certificate.issuer, [])

    def issuer_of(self, certificate: pki.Certificate) -> pki.Certificate | None:
        """The authority that did sign a certificate; None where none here did."""
        for each in self.candidates(certificate):
            if pki.verifies(each.key, certificate.algorithm, certificate.signature, certificate.signed):
                return each
        return None

    def revocations(self, issuer: pki.Name) -> pki.Crl | None:
        """The newest list of an authority, by the name that its certificates say."""
        return self._lists.get(issuer)


def of_state(given: Iterable[bytes], country: str) -> tuple[bytes, ...]:
    """Certificates and lists (DER) in which a name is of this state (two letters): found by their bytes, without being read.

    A list of all states has six hundred, of which a document needs its own state's three: reading one takes 0.3 ms.
    """
    wanted = re.compile(COUNTRY_NAME + re.escape(country.encode("ascii", "replace")), re.IGNORECASE)
    return tuple(each for each in given if wanted.search(each))


def _signs_lists(authority: pki.Certificate, given: pki.Crl) -> bool:
    allowed = authority.usage is None or "crl_sign" in authority.usage
    same = authority.country == given.country
    return allowed and same and pki.verifies(authority.key, given.algorithm, given.signature, given.signed)
