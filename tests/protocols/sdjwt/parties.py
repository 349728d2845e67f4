"""An issuer, a holder and a thief, and what they make when all is right."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from egide.protocols.sdjwt.issue import issue
from egide.protocols.sdjwt.present import present
from egide.protocols.sdjwt.signing import jwk_of, kid_of, local, verifying
from egide.protocols.wallet.sdjwt import Asked, Issuer

AUTHORITY, OTHER, HOLDER, THIEF = (generate_private_key(SECP256R1()) for _ in range(4))
KID = kid_of(AUTHORITY.public_key())
VCT, ISS, URI = "urn:example:token:1", "https://issuer.example", "https://issuer.example/status/1"
NOW = 1_800_000_000
ASKED = Asked(nonce="n" * 43, audience="x509_hash:gate", claims=("flight",))
TRUSTED = Issuer(name="T", vct=(VCT,), level=4, issuer=ISS, keys=(verifying(AUTHORITY.public_key()),))
SAID = {"flight": "AF 1234", "name": "MARCHAND<<ALIX", "document": {"ok": True}}


def issued(**how: Any) -> str:
    """A credential, right unless told otherwise."""
    signer = how.pop("signer", local(AUTHORITY))
    kid, decoys = how.pop("kid", KID), how.pop("decoys", 3)
    visible = {"iss": ISS, "vct": VCT, "exp": NOW + 3600, "status": {"status_list": {"idx": 9, "uri": URI}}} | how
    return issue(visible, SAID, jwk_of(HOLDER.public_key()), signer, kid=kid, decoys=decoys)


def shown(credential: str | None = None, **how: Any) -> str:
    """A presentation of the flight, right unless told otherwise."""
    bound = {
        "shown": ("flight",), "nonce": ASKED.nonce, "audience": ASKED.audience, "signer": local(HOLDER), "now": NOW,
    } | how  # fmt: skip
    return present(credential or issued(), **bound)
