"""What a holder shows: the claims chosen, and the key binding that answers one request (RFC 9901 §4.3)."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import sha256

import msgspec

from egide.protocols.sdjwt.signing import Signer, compact
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.errors import WalletError
from egide.protocols.wallet.sdjwt import BINDING, MAX_DISCLOSURES
from egide.protocols.wallet.tokens import MAX_TOKEN


def names(credential: str) -> dict[str, str]:
    """The disclosures of top-level claims that a credential came with, by claim. Raises `WalletError`."""
    if len(credential) > MAX_TOKEN or not credential.isascii():
        raise WalletError("too-large", f"a credential of more than {MAX_TOKEN} characters, or of odd ones")
    _token, *disclosures = credential.split("~")
    if not disclosures or disclosures.pop() or len(disclosures) > MAX_DISCLOSURES:
        raise WalletError("malformed", "not a credential as its issuer gave it")
    found: dict[str, str] = {}
    for each in disclosures:
        try:
            _salt, name, _value = msgspec.json.decode(decoded(each), type=tuple[str, str, msgspec.Raw])
        except (ValueError, RecursionError) as error:
            raise WalletError("disclosure", "a disclosure that is none of a claim") from error
        if name in found:
            raise WalletError("disclosure", "a claim disclosed twice")
        found[name] = each
    return found


def present(credential: str, shown: Collection[str], nonce: str, audience: str, signer: Signer, now: int) -> str:
    """A presentation of these claims and no other; `signer`: the holder's key, `now` in s since 1970. Raises `WalletError`."""
    given = names(credential)
    if missing := set(shown) - given.keys():
        raise WalletError("claim", f"not in the credential: {', '.join(sorted(missing))}")
    chosen = [text for name, text in given.items() if name in shown]
    text = "~".join([credential.partition("~")[0], *chosen, ""])
    digest = encoded(sha256(text.encode("ascii")).digest())
    return text + compact({"typ": BINDING}, {"iat": now, "aud": audience, "nonce": nonce, "sd_hash": digest}, signer)
