"""A credential of which the holder can show each claim or keep it: SD-JWT (RFC 9901 §4) of type SD-JWT VC.

    <issuer's JWT>~<disclosure>~<disclosure>~

Each disclosable claim leaves the signed part for a disclosure [salt, name, value]; its digest stays, among decoys, in an order
that says nothing (§4.2.5, §9.7).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from secrets import token_bytes
from typing import Any

import msgspec

from egide.protocols.sdjwt.signing import Signer, compact, public_members
from egide.protocols.vapid import encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import FIXED, MAX_DISCLOSURES, RESERVED, TYPE
from egide.protocols.wallet.tokens import MAX_TOKEN, Jwk

SALT_BYTES = 16  # 128 bits, RFC 9901 §9.3
DIGEST_BYTES = 32
SET_HERE = frozenset({"_sd_alg", "cnf"})


def issue(
    visible: Mapping[str, Any],
    disclosable: Mapping[str, Any],
    holder: Jwk,
    signer: Signer,
    *,
    kid: str = "",
    decoys: int = 0,
    draw: Callable[[int], bytes] = token_bytes,
) -> str:
    """A credential for the holder's key. `visible` needs `vct` and `exp`; `decoys`: digests of nothing; `draw(n)`: n bytes.

    Raises `WalletError` (disclosure, too-large, malformed) for claims that no verifier would take.
    """
    names = disclosable.keys()
    if names & FIXED or names & visible.keys() or names & set(RESERVED) or visible.keys() & {*RESERVED, *SET_HERE}:
        raise WalletError("disclosure", "a claim that may not be left out, or stands twice")
    if len(disclosable) + decoys > MAX_DISCLOSURES:
        raise WalletError("too-large", f"more than {MAX_DISCLOSURES} disclosures")
    if not isinstance(visible.get("vct"), str) or "exp" not in visible:
        raise WalletError("malformed", "a credential without its kind or its end")
    disclosures = [
        encoded(msgspec.json.encode([encoded(draw(SALT_BYTES)), name, value])) for name, value in disclosable.items()
    ]
    digests = [encoded(sha256(each.encode("ascii")).digest()) for each in disclosures]
    digests += [encoded(draw(DIGEST_BYTES)) for _ in range(decoys)]
    body = {**visible, "cnf": {"jwk": public_members(holder)}, "_sd": sorted(digests), "_sd_alg": "sha-256"}
    head = {"typ": TYPE, "kid": kid} if kid else {"typ": TYPE}
    text = "~".join([compact(head, body, signer), *disclosures, ""])
    if len(text) > MAX_TOKEN:
        raise WalletError("too-large", f"a credential of more than {MAX_TOKEN} characters")
    return text
