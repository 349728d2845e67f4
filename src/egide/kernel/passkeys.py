"""Passkeys as every capability needs them: challenges under way, a person's keys, and the count that betrays a copied one.

A challenge lives two minutes and is answered once. Source: W3C WebAuthn Level 3, §6.1.1 (counters), §13.4.3 (challenges).
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, Table, or_, select, update

from egide.kernel import tables
from egide.kernel.errors import BadInput, EgideError, Text

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CEREMONY_US = 120_000_000  # µs a challenge may be answered
MAX_SEALED = 4096  # characters of a sealed challenge; that of a signature has about 1,800
MAX_KEYS = 20  # of one person that their browser is told of
OWNER, CEREMONY = "system:access", "ceremony"


class Ceremony(msgspec.Struct, array_like=True):
    """A challenge that waits for its answer. `about`: what its capability must know again when it is answered."""

    challenge: bytes
    until: int
    person: str = ""
    invitation: str = ""
    about: bytes = b""


class CeremonyShown(msgspec.Struct):
    """What the browser hands to its authenticator."""

    ceremony: str
    options: dict[str, Any]


class Ceremonies:
    """Challenges under way. The browser keeps each one sealed, so that any process can take its answer.

    That it is answered once is written with the act that takes it (`once`), in whichever process.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._vault = kernel.vault

    def open(self, ceremony: Ceremony) -> str:
        """The sealed ceremony, to be given back with the answer."""
        sealed = self._vault.seal(OWNER, CEREMONY, msgspec.json.encode(ceremony), b"")
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def take(self, sealed: str, now_us: int, db: Connection) -> Ceremony:
        """The ceremony; raises `BadInput` when it is unknown, answered or over."""
        try:
            raw = base64.urlsafe_b64decode(sealed[:MAX_SEALED] + "=" * (-len(sealed) % 4))
            ceremony = msgspec.json.decode(self._vault.open_(OWNER, CEREMONY, raw, b""), type=Ceremony)
        except (EgideError, ValueError, msgspec.DecodeError):
            ceremony = None
        if ceremony is None or ceremony.until < now_us or self._answered(ceremony, db):
            raise BadInput(
                Text(
                    "La demande de clé d’accès a expiré ou a déjà servi.",
                    "The passkey request has expired or was used.",
                ),
                Text("Recommencez : rien n’est perdu.", "Begin again: nothing is lost."),
            )
        return ceremony

    def _answered(self, ceremony: Ceremony, db: Connection) -> bool:
        table, row = self.once(ceremony)
        return (
            db.execute(select(table).where(*(table.c[name] == value for name, value in row.items()))).first()
            is not None
        )

    @staticmethod
    def once(ceremony: Ceremony) -> tuple[Table, dict[str, Any]]:
        """The row that a second answer would collide with; its number begins with the time, so that old ones can be removed."""
        drawn = int.from_bytes(hashlib.sha256(ceremony.challenge).digest()[:4], "big")
        return tables.handled, {"consumer": CEREMONY, "seq": (ceremony.until // 1_000_000 << 32) | drawn}


def keys_of(db: Connection, person: str) -> list[Any]:
    """The rows of a person's keys that were not revoked, the newest first."""
    held = tables.passkey
    mine = select(held).where(held.c.person == person, held.c.revoked.is_(None)).order_by(held.c.added.desc())
    return list(db.execute(mine.limit(MAX_KEYS)).all()) if person else []


def counted(connection: Connection, key: str, count: int) -> bool:
    """Notes a key's count in the writer's transaction; False where it was revoked, or used elsewhere, meanwhile (§6.1.1)."""
    held = tables.passkey
    grown = or_(held.c.sign_count < count, held.c.sign_count == 0) if count else held.c.sign_count == 0
    done = connection.execute(
        update(held).where(held.c.id == key, held.c.revoked.is_(None), grown).values(sign_count=count)
    )
    return done.rowcount == 1
