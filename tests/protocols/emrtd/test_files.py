"""The chip's files, certificates and lists: what they say, and bytes that nobody would send in good faith."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any

import pytest
from asn1crypto.keys import PublicKeyInfo
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.exercise.csca import Authority, spelt_out
from egide.exercise.travel_document import ERIKA, files
from egide.protocols import mrz
from egide.protocols.emrtd import cms, lds, masterlist, pki, sod, tlv
from egide.protocols.emrtd.countries import TWO_LETTERS, two_letters
from egide.protocols.emrtd.curves import CURVES, P256, decoded, encoded, multiply
from egide.protocols.emrtd.errors import EmrtdError
from egide.protocols.emrtd.passive import authenticate
from egide.protocols.emrtd.trust import Trust, of_state
from tests.protocols.emrtd.conftest import JPEG, NOW, Utopia

CASES = settings(max_examples=int(os.environ.get("EGIDE_FUZZ", "100")), deadline=None)


# ── The files ──


def test_the_files_say_what_was_written(utopia: Utopia) -> None:
    document = utopia.document()
    assert lds.zone(document["DG1"]) == mrz.render(ERIKA)
    assert lds.portrait(document["DG2"]) == lds.Portrait(JPEG, "jpeg", 413, 531)
    assert lds.common(document["COM"]) == lds.Common("0107", ("DG1", "DG2"))


def test_the_picture_says_its_own_coding(utopia: Utopia) -> None:
    codestream = b"\xff\x4f\xff\x51" + bytes(64)
    assert lds.portrait(lds.written_portrait(codestream, "jpeg", 2, 3)).format == "jpeg2000"
    with pytest.raises(EmrtdError) as caught:
        lds.portrait(lds.written_portrait(b"GIF89a" + bytes(64), "jpeg", 2, 3))
    assert caught.value.why == "unsupported"


def test_feature_points_are_passed_over() -> None:
    whole = lds.written_portrait(JPEG, "jpeg", 2, 3)
    at = whole.index(b"FAC\0")
    record = whole[at:]
    face = (20 + 16 + 12 + len(JPEG)).to_bytes(4, "big") + b"\0\2" + record[20:34] + bytes(16) + record[34:]
    longer = record[:8] + (14 + len(face)).to_bytes(4, "big") + record[12:14] + face
    group = tlv.encode(0x7F61, tlv.encode(2, b"\1"), tlv.encode(0x7F60, tlv.encode(0x7F2E, longer)))
    assert lds.portrait(tlv.encode(0x75, group)).image == JPEG


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x75",
        b"\x75\x80\0\0",
        b"\x75\x05abc",
        b"\x75\x84\x7f\xff\xff\xff",
        b"\x1f\x81\x81\1\0",
        b"\x75\x85\0\0\0\0\1a",
    ],
)
def test_bytes_that_are_cut_or_boundless_are_refused(data: bytes) -> None:
    with pytest.raises(EmrtdError):
        lds.portrait(data)


def test_a_file_of_a_megabyte_is_not_read() -> None:
    with pytest.raises(EmrtdError) as caught:
        lds.zone(tlv.encode(0x61, bytes(1 << 20)))
    assert caught.value.why == "too-large"


def test_lengths_and_object_identifiers_are_written_as_der() -> None:
    assert tlv.encode(0x7F61, b"a" * 200)[:4] == b"\x7f\x61\x81\xc8"
    assert tlv.encode(4, b"a" * 300)[:4] == b"\x04\x82\x01\x2c"
    assert tlv.oid("2.23.136.1.1.1").hex() == "678108010101"
    assert tlv.oid("1.2.840.113549.1.7.2").hex() == "2a864886f70d010702"


# ── Curves and keys ──


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_the_arithmetic_of_a_curve_is_the_librarys(curve: Any) -> None:
    private = ec.generate_private_key(curve.kind())
    scalar, numbers = private.private_numbers().private_value, private.public_key().public_numbers()
    assert multiply(curve, scalar, curve.g) == (numbers.x, numbers.y)
    assert multiply(curve, curve.n, curve.g) is None
    assert decoded(curve, encoded(curve, curve.g)) == curve.g


def test_a_point_off_the_curve_is_refused() -> None:
    wrong = encoded(P256, (P256.g[0], P256.g[1] + 1))
    for each in (wrong, b"", b"\4", encoded(P256, P256.g)[:-1], b"\2" + bytes(32)):
        with pytest.raises(EmrtdError):
            decoded(P256, each)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_a_spelt_out_curve_is_accepted_if_it_is_the_known_one_in_all_it_says(curve: Any) -> None:
    """CVE-2020-0601: a generator of the attacker's own makes any public key theirs."""
    private = ec.generate_private_key(curve.kind())
    point = private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    key, explicit = pki.public_key(PublicKeyInfo.load(spelt_out(curve.name, point)))
    assert explicit
    assert key == private.public_key()
    with pytest.raises(EmrtdError) as caught:
        pki.public_key(PublicKeyInfo.load(spelt_out(curve.name, point, generator=point)))
    assert caught.value.why == "unsupported"


def test_other_curves_and_kinds_of_key_are_refused() -> None:
    for key in (ec.generate_private_key(ec.SECP256K1()), ec.generate_private_key(ec.SECP224R1())):
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        with pytest.raises(EmrtdError):
            pki.public_key(PublicKeyInfo.load(der))


def test_the_states_of_the_zone_have_two_letters_each() -> None:
    assert (two_letters("D"), two_letters("FRA"), two_letters("UTO"), two_letters("QQQ")) == ("DE", "FR", "UT", None)
    assert all(len(three) in {1, 3} and len(two) == 2 for three, two in TWO_LETTERS.items())
    assert len(TWO_LETTERS) == 249 + 12


# ── The trust store ──


def test_only_authorities_come_into_the_trust_store(utopia: Utopia) -> None:
    trust = Trust()
    with pytest.raises(EmrtdError) as caught:
        trust.add(utopia.signer.certificate)
    assert caught.value.why == "untrusted"
    broken = utopia.authority.certificate[:-1] + bytes([utopia.authority.certificate[-1] ^ 1])
    with pytest.raises(EmrtdError) as caught:
        trust.add(broken)
    assert caught.value.why == "signature"
    assert len(trust) == 0


def test_a_link_certificate_needs_the_authority_before_it(utopia: Utopia) -> None:
    new = Authority(NOW)
    link = utopia.authority.link(new)
    with pytest.raises(EmrtdError):
        Trust().add(link)
    trust = Trust()
    trust.add(utopia.authority.certificate)
    trust.add_revocations(utopia.authority.revocations([]))
    trust.add(link)
    assert authenticate(files(new.signer(), NOW, JPEG), trust, NOW).verdict == "proved"


def test_a_whole_list_is_taken_in_whatever_its_order(utopia: Utopia) -> None:
    first, second, third = utopia.authority, Authority(NOW), Authority(NOW)
    links = [second.link(third), first.link(second)]
    trust = Trust()
    refused = trust.add_all([*links, utopia.signer.certificate, b"no certificate", first.certificate])
    assert set(refused) == {utopia.signer.certificate, b"no certificate"}
    assert len(trust) == 3


def test_what_is_of_one_state_is_found_without_being_read(utopia: Utopia) -> None:
    own, other = utopia.authority, Authority(NOW, country="XX")
    link = own.link(Authority(NOW))
    lists = [own.revocations([]), other.revocations([])]
    given = [other.certificate, link, b"no certificate", own.certificate]
    assert of_state(given, "UT") == of_state(given, "ut") == (link, own.certificate)
    assert of_state(lists, "UT") == (lists[0],)
    assert of_state(given, "ZZ") == of_state(given, "..") == ()
    assert of_state(given, "") == (other.certificate, link, own.certificate), "nobody says which: all"


def test_a_revocation_list_is_signed_and_never_older(utopia: Utopia) -> None:
    trust = Trust()
    with pytest.raises(EmrtdError) as caught:
        trust.add_revocations(utopia.authority.revocations([]))
    assert caught.value.why == "signature"
    trust.add(utopia.authority.certificate)
    trust.add_revocations(utopia.authority.revocations([7], number=5))
    with pytest.raises(EmrtdError) as caught:
        trust.add_revocations(utopia.authority.revocations([], number=4))
    assert caught.value.why == "expired"
    with pytest.raises(EmrtdError) as caught:
        trust.add_revocations(Authority(NOW).revocations([], number=9))
    assert caught.value.why == "signature"
    assert trust.revocations(pki.certificate(utopia.signer.certificate).issuer).revoked == {7}  # type: ignore[union-attr]


# ── Master lists and the directory ──


def test_a_master_list_gives_its_authorities(utopia: Utopia) -> None:
    others = [Authority(NOW, country=each).certificate for each in ("AA", "AB")]
    listed = [*others, utopia.authority.certificate]
    anchor = pki.certificate(utopia.authority.certificate)
    assert set(masterlist.authorities(utopia.authority.master_list(listed), [anchor], NOW)) == set(listed)


def test_a_master_list_of_somebody_else_is_refused(utopia: Utopia) -> None:
    anchor = pki.certificate(utopia.authority.certificate)
    cases = [
        (Authority(NOW).master_list([anchor.der]), NOW, "untrusted"),
        (utopia.authority.master_list([], signer=utopia.authority.list_signer(purpose=False)), NOW, "untrusted"),
        (utopia.authority.master_list([anchor.der]), NOW + 400 * 86400, "expired"),
        (utopia.document()["SOD"][4:], NOW, "malformed"),
    ]
    for data, at, why in cases:
        with pytest.raises(EmrtdError) as caught:
            masterlist.authorities(data, [anchor], at)
        assert caught.value.why == why
    for anchors in ([], [pki.certificate(Authority(NOW).certificate)]):
        with pytest.raises(EmrtdError):
            masterlist.authorities(utopia.authority.master_list([anchor.der]), anchors, NOW)


def test_an_altered_master_list_is_refused(utopia: Utopia) -> None:
    anchor = pki.certificate(utopia.authority.certificate)
    data = bytearray(utopia.authority.master_list([anchor.der, anchor.der]))
    data[data.index(b"Passport Office")] ^= 1
    with pytest.raises(EmrtdError) as caught:
        masterlist.authorities(bytes(data), [anchor], NOW)
    assert caught.value.why == "signature"


def test_the_directory_gives_its_entries_whatever_the_folding(utopia: Utopia) -> None:
    def folded(name: bytes, data: bytes, end: bytes = b"\n") -> bytes:
        text = name + b":: " + b64encode(data)
        return end.join([text[:76], *(b" " + text[at : at + 75] for at in range(76, len(text), 75))]) + end

    crl = utopia.authority.revocations([])
    ldif = b"version: 1\n# of nobody\ndn: cn=x,c=UT\n" + folded(b"pkdMasterListContent", b"list")
    ldif += folded(b"userCertificate;binary", utopia.signer.certificate, b"\r\n")
    ldif += folded(b"certificateRevocationList;binary", crl) + b"sn: 1\njpegPhoto:: AAAA\n"
    assert list(masterlist.entries(ldif)) == [
        masterlist.Entry("master-list", b"list"),
        masterlist.Entry("signer", utopia.signer.certificate),
        masterlist.Entry("revocations", crl),
    ]
    with pytest.raises(EmrtdError):
        list(masterlist.entries(b"userCertificate;binary:: ???\n"))


# ── Anything ──


def thrown(function: Any, data: bytes) -> None:
    try:
        function(data)
    except EmrtdError:
        return


@CASES
@given(st.binary(max_size=300))
def test_anything_is_read_or_refused_with_its_own_error(data: bytes) -> None:
    for function in (lds.common, lds.zone, lds.portrait, sod.read, pki.certificate, pki.revocations):
        thrown(function, data)
    thrown(lambda given: cms.read(given, 1000), data)
    thrown(lambda given: masterlist.authorities(given, [], NOW), data)
    thrown(lambda given: list(masterlist.entries(given)), data)
    authenticate({"SOD": data, "DG1": data, "DG2": data, "COM": data}, Trust(), NOW)


@CASES
@given(data=st.data())
def test_a_document_with_a_changed_byte_is_never_proved(
    utopia: Utopia, document: dict[str, bytes], data: st.DataObject
) -> None:
    """EF.COM is not signed: it can only be found to say too much."""
    document = dict(document)
    name = data.draw(st.sampled_from(["SOD", "DG1", "DG2"]))
    at = data.draw(st.integers(0, len(document[name]) - 1))
    changed = bytearray(document[name])
    changed[at] ^= data.draw(st.integers(1, 255))
    document[name] = bytes(changed)
    found = authenticate(document, utopia.trust, NOW)
    assert found.verdict != "proved" or _means_the_same(document["SOD"], name)
    thrown(pki.certificate, bytes(changed))


def _means_the_same(changed: bytes, name: str) -> bool:
    """Bytes of a SOD that nothing is read from: the version of the message, the algorithms named twice."""
    if name != "SOD":
        return False
    told = sod.read(changed)
    return told.signed.coherent() and told.signed.verified() and set(told.hashes) == {"DG1", "DG2"}
