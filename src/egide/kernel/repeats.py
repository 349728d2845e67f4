"""What a device asks twice is done once, and answered both times with the first receipt.

Why: a device without network keeps what its person does and sends it later; an answer may be lost, a tab killed, two tabs may
send at once. So an act whose input has a field `client_id` (drawn by the device) is written with a row that names it, in the
act's own transaction: the same id a second time collides there, whichever process got it, and the first result is told again.
A refusal leaves no row: nothing was done, and asked again it is decided again. The same id with other content is a mistake of
the device and is told as one.

The row keeps the result and a digest of what was asked, sealed with the person's key. After `KEEP_US` it goes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from egide.kernel import tables
from egide.kernel.act import Act, Effect, Receipt
from egide.kernel.errors import BadInput, Conflict, Text
from egide.kernel.vault import Erased

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

PURPOSE = "client-acts"  # whose key seals the answers
KEEP_US = 90 * 86_400_000_000  # µs; a device gives up sending after 60 days (web/terminal/outbox.svelte.ts)
CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
_TABLE = tables.client_act
_FOUND = select(_TABLE).where(_TABLE.c.person == bindparam("person"), _TABLE.c.client == bindparam("client"))
_KNOWN = select(_TABLE.c.client).where(
    _TABLE.c.person == bindparam("person"), _TABLE.c.client.in_(bindparam("clients", expanding=True))
)
_ANSWERED = (
    update(_TABLE)
    .where(_TABLE.c.person == bindparam("of"), _TABLE.c.client == bindparam("named"))
    .values(answer=bindparam("sealed"))
)
_PLACED = (
    update(_TABLE)
    .where(_TABLE.c.person == bindparam("of"), _TABLE.c.client == bindparam("named"))
    .values(idx=bindparam("at_index"))
)


def kept(given: Any) -> bytes:
    """What of an input may be kept, as JSON; of what is kept nowhere, not even a hash (a card's code has few digits)."""
    unkept = getattr(given, "unkept", None)
    if not unkept:
        return msgspec.json.encode(given)
    return msgspec.json.encode(
        {name: value for name, value in msgspec.to_builtins(given).items() if name not in unkept}
    )


class Answer(msgspec.Struct, array_like=True):
    """What is sealed: SHA-256 of what was asked, and the act's result."""

    asked: bytes
    result: msgspec.Raw


@dataclass(frozen=True, slots=True)
class Asked:
    """An act that a device may ask again."""

    person: str
    client: str
    act: str
    digest: bytes


class Repeats:
    """Looks for what was done already, and writes down what is being done."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def asked(self, act: Act, principal: Principal, given: Any) -> Asked | None:
        """What makes this request the same as another; None where its device gave it no id. Raises `BadInput`."""
        client = getattr(given, "client_id", "")
        if not client or not principal.id or act.emergency:
            return None
        if not CLIENT_ID.fullmatch(client):
            raise BadInput(
                Text(
                    "client_id a de 8 à 64 lettres, chiffres, - ou _.", "client_id has 8 to 64 letters, digits, - or _."
                )
            )
        return Asked(principal.id, client, act.name, hashlib.sha256(kept(given)).digest())

    def known(self, person: str, clients: Sequence[str]) -> set[str]:
        """Which of these ids were used already, asked for at once: of most in a batch nothing more needs to be asked."""
        found = self._kernel.store.reader().execute(_KNOWN, {"person": person, "clients": clients})
        return {str(row.client) for row in found}

    def done(self, asked: Asked) -> tuple[Any, Receipt] | None:
        """The first result and receipt; None where it was not done yet. Raises `Conflict` for an id used for another act."""
        kernel = self._kernel
        row = kernel.store.reader().execute(_FOUND, {"person": asked.person, "client": asked.client}).first()
        if row is None:
            return None
        result: Any = None
        try:
            opened = kernel.vault.open_(asked.person, PURPOSE, bytes(row.answer), asked.client.encode())
        except Erased:  # that it was done still holds; what came of it is nobody's any more
            opened = None
        if opened is not None:
            answer = msgspec.json.decode(opened, type=Answer)
            if row.act != asked.act or answer.asked != asked.digest:
                raise Conflict(
                    Text(
                        "Ce numéro d’envoi a déjà servi à un autre acte.",
                        "This sending number was used for another act.",
                    ),
                    Text("Refaites l’acte : il prendra un autre numéro.", "Do it again: it will take another number."),
                )
            result = msgspec.json.decode(answer.result)
        return result, Receipt(kernel.settings.realm, int(row.idx), row.entry)

    def row(self, asked: Asked, entry: str, at: int, effect: Effect | None = None) -> dict[str, Any]:
        """What the writer inserts with the act; an `IntegrityError` says that it was done already.

        `effect`: where its result is known by then; otherwise `answer` follows.
        """
        return {
            "person": asked.person, "client": asked.client, "act": asked.act, "at": at, "entry": entry, "idx": None,
            "answer": b"" if effect is None else self._sealed(asked, effect),
        }  # fmt: skip

    def answer(self, connection: Connection, asked: Asked, effect: Effect) -> None:
        """By the writer, last in the savepoint: a number that the act draws while it is written is part of what is told again."""
        connection.execute(
            _ANSWERED, {"of": asked.person, "named": asked.client, "sealed": self._sealed(asked, effect)}
        )

    def _sealed(self, asked: Asked, effect: Effect) -> bytes:
        answer = msgspec.json.encode(Answer(asked.digest, msgspec.Raw(msgspec.json.encode(effect.result))))
        return self._kernel.vault.seal(asked.person, PURPOSE, answer, asked.client.encode())

    @staticmethod
    def place(connection: Connection, written: list[tuple[Asked, int]]) -> None:
        """By the writer, in the same transaction: where in the ledger they came to stand."""
        rows = [{"of": asked.person, "named": asked.client, "at_index": index} for asked, index in written]
        if rows:
            connection.execute(_PLACED, rows)
