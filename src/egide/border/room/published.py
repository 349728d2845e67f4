"""What is published of a status list on the consortium's ledger: a digest of what the list says, and how a gate compares it.

Every process of a platform signs the list for itself, and no two signatures are alike; so the digest is of the content, which is
the same for all, and of the number under which it is published.
"""

from __future__ import annotations

from hashlib import sha256

from egide.protocols.wallet.statuslist import Opened

DOMAIN = b"egide-status-list-1\0"
WORD = 8  # bytes of a number, big-endian


def content_digest(bits: int, fields: bytes, sequence: int) -> bytes:
    """SHA-256 of the bits of each field, their count, the sequence (s since 1970), and the fields themselves; 32 bytes."""
    size = len(fields) * 8 // bits
    numbers = b"".join(each.to_bytes(WORD, "big") for each in (bits, size, sequence))
    return sha256(DOMAIN + numbers + fields).digest()


def superseded(found: Opened, digest: bytes, sequence: int) -> bool:
    """Whether a list was signed before the published one and says something else. One signed since may say more: it is newer."""
    return found.issued < sequence and content_digest(found.bits, found.fields, sequence) != digest
