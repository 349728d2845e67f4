"""Certificates, keys and signatures of travel documents (ICAO Doc 9303 part 12), and which of them are accepted.

Read with asn1crypto, for issuing states write what `cryptography` does not take: curves with explicit parameters, DER that is
nearly right. Verified with `cryptography`. Accepted: SHA-256, 384, 512; ECDSA over six curves, named or spelt out in full and
equal to them; RSA of 2048 to 8192 bits, PKCS #1 v1.5 or PSS. SHA-1, SHA-224 and the rest are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import msgspec
from asn1crypto import algos, crl, x509
from asn1crypto import keys as asn1_keys
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from egide.protocols.emrtd import tlv
from egide.protocols.emrtd.curves import BY_OID, CURVES, Curve
from egide.protocols.emrtd.errors import EmrtdError

MAX_CERTIFICATE = 16 * 1024  # bytes
MAX_CRL = 4 << 20  # bytes: some 100,000 revoked certificates
MAX_NAMES = 32  # parts of a distinguished name
RSA_BITS = range(2048, 8193)
HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "sha256": hashes.SHA256,
    "sha384": hashes.SHA384,
    "sha512": hashes.SHA512,
}
DOCUMENT_TYPES = "2.23.136.1.1.6.2"  # extension of part 12 §7.1.1.6
COUNTRY = "2.5.4.6"
# Extensions that may be critical: they are looked at, or ask nothing of us (policies: part 12 names none that must be met).
UNDERSTOOD = frozenset({"key_usage", "basic_constraints", "extended_key_usage", "certificate_policies", DOCUMENT_TYPES})

Scheme = Literal["ecdsa", "rsa-pkcs1", "rsa-pss"]
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Name = tuple[tuple[str, str], ...]  # (attribute, its text folded)


class Algorithm(msgspec.Struct, frozen=True):
    """A way to sign: the scheme, its hash and, for PSS, the hash of the mask and the bytes of salt."""

    scheme: Scheme
    hash: str
    mask: str = ""
    salt: int = 0


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at of a certificate. Times in s since 1970."""

    der: bytes
    serial: int
    issuer: Name
    subject: Name
    country: str  # two letters, upper case; "" where the subject says none
    key: PublicKey
    explicit: bool  # the curve was spelt out
    not_before: int
    not_after: int
    subject_key: bytes = b""
    authority_key: bytes = b""
    usage: frozenset[str] | None = None  # None: no such extension
    authority: bool = False  # basic constraints: may sign certificates
    purposes: frozenset[str] = frozenset()
    document_types: tuple[str, ...] = ()  # that it may sign; (): it does not say
    signed: bytes
    algorithm: Algorithm | None  # None: one that is not accepted
    signature: bytes


class Crl(msgspec.Struct, frozen=True, kw_only=True):
    """A list of revoked certificates. Times in s since 1970; None where it says none."""

    issuer: Name
    country: str
    number: int | None
    this_update: int
    next_update: int | None
    revoked: frozenset[int]
    authority_key: bytes
    signed: bytes
    algorithm: Algorithm | None
    signature: bytes


@contextmanager
def reading(what: str) -> Iterator[None]:
    """What asn1crypto says of wrong bytes, in many classes, becomes an `EmrtdError`."""
    try:
        yield
    except EmrtdError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError) as error:
        raise EmrtdError("malformed", f"{what} that cannot be read") from error


def certificate(der: bytes) -> Certificate:
    """Reads a certificate; believes nothing of it yet. Raises `EmrtdError`."""
    if len(der) > MAX_CERTIFICATE:
        raise EmrtdError("too-large", f"a certificate of more than {MAX_CERTIFICATE} bytes")
    with reading("a certificate"):
        found = x509.Certificate.load(der, strict=True)
        body = found["tbs_certificate"]
        if body["signature"].dump() != found["signature_algorithm"].dump():
            raise EmrtdError("malformed", "a certificate that names two ways to sign")  # RFC 5280 §4.1.1.2
        key, explicit = public_key(body["subject_public_key_info"])
        subject = name(body["subject"])
        return Certificate(
            der=der,
            serial=body["serial_number"].native,
            issuer=name(body["issuer"]),
            subject=subject,
            country=_country(subject),
            key=key,
            explicit=explicit,
            not_before=_seconds(body["validity"]["not_before"]),
            not_after=_seconds(body["validity"]["not_after"]),
            signed=body.dump(),
            algorithm=algorithm(found["signature_algorithm"]),
            signature=found["signature_value"].native,
            **_extensions(body["extensions"]),
        )


def revocations(der: bytes) -> Crl:
    """Reads a list of revoked certificates; believes nothing of it yet. Raises `EmrtdError`."""
    if len(der) > MAX_CRL:
        raise EmrtdError("too-large", f"a revocation list of more than {MAX_CRL} bytes")
    with reading("a revocation list"):
        found = crl.CertificateList.load(der, strict=True)
        body = found["tbs_cert_list"]
        issuer = name(body["issuer"])
        said = {each["extn_id"].native: each["extn_value"].parsed for each in body["crl_extensions"]}
        if any(each["critical"].native for each in body["crl_extensions"]):
            # A part of a list, or a change to one (RFC 5280 §5.2.4, §5.2.5): what it leaves out would pass as not revoked.
            raise EmrtdError("unsupported", "a revocation list that is not whole")
        until = body["next_update"]
        return Crl(
            issuer=issuer,
            country=_country(issuer),
            number=said["crl_number"].native if "crl_number" in said else None,
            this_update=_seconds(body["this_update"]),
            next_update=None if until.native is None else _seconds(until),
            revoked=frozenset(each["user_certificate"].native for each in body["revoked_certificates"]),
            authority_key=_authority_key(said.get("authority_key_identifier")),
            signed=body.dump(),
            algorithm=algorithm(found["signature_algorithm"]),
            signature=found["signature"].native,
        )


def public_key(info: asn1_keys.PublicKeyInfo) -> tuple[PublicKey, bool]:
    """(the key, whether its curve was spelt out). Raises `EmrtdError`: a kind, size or curve that is not accepted."""
    kind = info["algorithm"]["algorithm"].native
    try:
        if kind == "ec":
            curve, explicit = _curve(info["algorithm"]["parameters"])
            point = info["public_key"].native
            return ec.EllipticCurvePublicKey.from_encoded_point(curve.kind(), point), explicit
        if kind in {"rsa", "rsassa_pss"}:
            numbers = info["public_key"].parsed
            modulus, exponent = numbers["modulus"].native, numbers["public_exponent"].native
            if modulus.bit_length() in RSA_BITS and exponent.bit_length() <= 32:
                return rsa.RSAPublicNumbers(exponent, modulus).public_key(), False
    except (ValueError, UnsupportedAlgorithm) as error:
        raise EmrtdError("unsupported", "a key that is none") from error
    raise EmrtdError("unsupported", "a kind or size of key that is not accepted")


def algorithm(said: Any) -> Algorithm | None:
    """The way to sign that an AlgorithmIdentifier (asn1crypto) names; None where it is not accepted, or names no hash."""
    name = said["algorithm"].native
    if name == "rsassa_pss":
        told = said["parameters"]
        hash_, mask = told["hash_algorithm"]["algorithm"].native, told["mask_gen_algorithm"]
        inner = mask["parameters"]["algorithm"].native
        salt = told["salt_length"].native
        if mask["algorithm"].native != "mgf1" or hash_ not in HASHES or inner not in HASHES or not 0 <= salt <= 64:
            return None
        return Algorithm("rsa-pss", hash_, inner, salt)
    hash_, _, kind = name.partition("_")
    schemes: dict[str, Scheme] = {"ecdsa": "ecdsa", "rsa": "rsa-pkcs1"}
    return Algorithm(schemes[kind], hash_) if hash_ in HASHES and kind in schemes else None


def digest_name(said: algos.DigestAlgorithm) -> str:
    """The hash that is named, "" where it is not accepted."""
    name = said["algorithm"].native
    return name if name in HASHES else ""


def digest(name: str, data: bytes) -> bytes:
    """A hash by its name, which must be one of `HASHES`."""
    hashed = hashes.Hash(HASHES[name]())
    hashed.update(data)
    return hashed.finalize()


def verifies(key: PublicKey, how: Algorithm | None, signature: bytes, data: bytes) -> bool:
    """Whether a signature holds; False where the way to sign is not accepted, or is not the key's."""
    if how is None:
        return False
    hashed = HASHES[how.hash]()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if how.scheme != "ecdsa":
                return False
            key.verify(signature, data, ec.ECDSA(hashed))
        elif how.scheme == "rsa-pkcs1":
            key.verify(signature, data, padding.PKCS1v15(), hashed)
        elif how.scheme == "rsa-pss":
            key.verify(signature, data, padding.PSS(padding.MGF1(HASHES[how.mask]()), how.salt), hashed)
        else:
            return False
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _curve(parameters: Any) -> tuple[Curve, bool]:
    """A named curve, or the known one that explicit parameters are equal to in all they say (BSI TR-03105 3.2 forbids others)."""
    if parameters.name == "named":
        found = BY_OID.get(parameters.chosen.dotted)
        if found is not None:
            return found, False
    elif parameters.name == "specified":
        for curve in CURVES:
            if _same(parameters.chosen, curve):
                return curve, True
    raise EmrtdError("unsupported", "a curve that is not accepted")


def _same(told: Any, curve: Curve) -> bool:
    if told["field_id"]["field_type"].native != "prime_field" or told["field_id"]["parameters"].native != curve.p:
        return False
    a, b = (int.from_bytes(bytes(told["curve"][each]), "big") for each in ("a", "b"))
    base, size = bytes(told["base"]), curve.size
    x, y = int.from_bytes(base[1 : 1 + size], "big"), int.from_bytes(base[1 + size :], "big")
    whole = base[:1] == b"\x04" and len(base) == 1 + 2 * size and y == curve.g[1]
    half = base[:1] == bytes([2 + curve.g[1] % 2]) and len(base) == 1 + size
    cofactor = told["cofactor"].native
    return (
        (a, b, x) == (curve.a, curve.b, curve.g[0])
        and (whole or half)
        and told["order"].native == curve.n
        and cofactor in {1, None}
    )


def name(given: x509.Name) -> Name:
    """A distinguished name as it is compared (RFC 5280 §7.1, simplified): letters folded, blanks one, whatever string type."""
    found = [
        (part["type"].dotted, " ".join(str(part["value"].native).casefold().split()))
        for sequence in given.chosen
        for part in sequence
    ]
    if len(found) > MAX_NAMES:
        raise EmrtdError("too-large", f"a name of more than {MAX_NAMES} parts")
    return tuple(found)


def _country(name: Name) -> str:
    return next((value.upper() for kind, value in name if kind == COUNTRY), "")


def _extensions(extensions: Any) -> dict[str, Any]:
    """The extensions that are looked at, by the names of `Certificate`."""
    found: dict[str, Any] = {}
    for each in extensions:
        kind = each["extn_id"].native
        if each["critical"].native and kind not in UNDERSTOOD:
            raise EmrtdError(
                "unsupported", "a certificate with a critical extension that we do not know"
            )  # RFC 5280 §4.2
        if kind == DOCUMENT_TYPES:
            found["document_types"] = _document_types(each["extn_value"].native)
            continue
        if kind not in {
            "key_identifier",
            "authority_key_identifier",
            "key_usage",
            "basic_constraints",
            "extended_key_usage",
        }:
            continue
        value = each["extn_value"].parsed
        if kind == "key_identifier":
            found["subject_key"] = value.native
        elif kind == "authority_key_identifier":
            found["authority_key"] = _authority_key(value)
        elif kind == "key_usage":
            found["usage"] = frozenset(value.native)
        elif kind == "basic_constraints":
            found["authority"] = bool(value["ca"].native)
        else:
            found["purposes"] = frozenset(part.dotted for part in value)
    return found


def _document_types(value: bytes) -> tuple[str, ...]:
    """SEQUENCE { version INTEGER, docTypeList SET OF PrintableString }."""
    return tuple(each.value.decode("ascii") for each in tlv.children(tlv.first(tlv.only(value, tlv.SEQUENCE), tlv.SET)))


def _authority_key(value: Any) -> bytes:
    found = None if value is None else value["key_identifier"].native
    return found if isinstance(found, bytes) else b""


def _seconds(time: Any) -> int:
    return int(time.native.timestamp())
