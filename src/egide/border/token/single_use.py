"""A token is spent once in each realm: shown a second time, it is a copy, or was used already.

What is remembered is a mark: a digest of the token's own key and of the realm. Both forms of a token have one mark, a signature
written in another way gives no new one, two tokens of one traveller have nothing in common, and two realms remember nothing
that could be compared. After the token's end nobody need remember it.
"""

from __future__ import annotations

from hashlib import sha256

DOMAIN = b"EGIDE-BT-1 spent\0"


def mark(key: bytes, realm: str) -> bytes:
    """The mark of a token in a realm, 32 bytes; `key`: `Holder.key`."""
    return sha256(DOMAIN + realm.encode() + b"\0" + key).digest()
