"""The issuer's certificate: a chain (`x5c`, RFC 7515 §4.1.6) to one of the operator's trust anchors (RFC 5280 §6).

The path is built and judged by the library `cryptography`: signatures, validity, basic constraints, key usage, path length.
What the Web adds for servers (host names, TLS purposes) is not asked of an issuer's own certificate; the anchors are the
operator's alone, and no list of the machine's counts. Revocation of certificates is not looked up: who no longer trusts an
issuer takes its anchor out.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError

from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.tokens import ALGORITHMS, MAX_CHAIN, Key

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def leaf(x5c: Sequence[str], anchors: Sequence[x509.Certificate], now: int) -> tuple[Key, x509.Certificate]:
    """(the key, its certificate) of a chain that leads to an anchor; `now` in s since 1970. Raises `WalletError`."""
    if not 0 < len(x5c) <= MAX_CHAIN:
        raise WalletError("certificate", f"a chain of one to {MAX_CHAIN} certificates")
    try:
        chain = [x509.load_der_x509_certificate(b64decode(each, validate=True)) for each in x5c]
    except ValueError as error:
        raise WalletError("certificate", "a certificate that cannot be read") from error
    policy = (
        PolicyBuilder().store(Store(list(anchors))).time(datetime.fromtimestamp(now, UTC)).max_chain_depth(MAX_CHAIN)
        .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all())
    )  # fmt: skip
    try:
        policy.build_client_verifier().verify(chain[0], chain[1:])
        usage = chain[0].extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    except (VerificationError, ValueError) as error:
        raise WalletError("certificate", "a chain that leads to no trust anchor, or has ended") from error
    if usage is not None and not usage.digital_signature:
        raise WalletError("certificate", "a certificate that is not for signing")
    return _key(chain[0]), chain[0]


def _key(certificate: x509.Certificate) -> Key:
    public = certificate.public_key()
    curve = CURVES.get(public.curve.name) if isinstance(public, EllipticCurvePublicKey) else None
    if curve is None or not isinstance(public, EllipticCurvePublicKey):
        raise WalletError("algorithm", "a certificate with a key that signs nothing here")
    return Key("", ALGORITHMS[curve], public)
