"""A file: its number, its state, and the chain of what happened to it.

One act writes the file's row, the event and the number in its own transaction, so that none is ever seen without the others.
Each event is linked to the one before by SHA-256: one that is changed, added or taken out afterwards is found, and named.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import Connection, insert, select, update

from egide.kernel.clock import from_us, to_us
from egide.kernel.errors import Conflict, EgideError, NotFound, Text
from egide.kernel.law import add_duration
from egide.kernel.randomness import draw
from egide.services import tables
from egide.services.definition import Definition, catalogue

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

PURPOSE = "service-files"  # whose key seals a file's answers and words
START = "0" * 64  # the link before the first
SEEN = 5  # level: an officer saw the identity document
TAMPERED = "tampered"  # how the vault names bytes that are not those it sealed
FILED = "file"  # the step that opens a file
# Letters and figures that are not taken for one another, for a code that is read aloud or copied by hand (RFC 4648 base32).
CODE_BYTES = 15


class Who(msgspec.Struct, omit_defaults=True):
    """The person whose file it is, as the identity provider or the officer who saw the document says; sealed."""

    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""
    document: str = ""  # which one the officer saw


class FileBody(msgspec.Struct):
    """What a file says; sealed."""

    answers: dict[str, Any]
    who: Who


class EventBody(msgspec.Struct, omit_defaults=True):
    """The words of one event; sealed. `made`: the device's own time, of what was done without network."""

    text: str = ""
    made: str = ""


def file_owner(file: str) -> str:
    """Whose key seals a file: its own."""
    return f"file:{file}"


def new_code() -> str:
    """The secret of a file's receipt: 120 bits, in groups of four that can be read aloud."""
    letters = b32encode(draw(CODE_BYTES)).decode()
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def said_code(text: str) -> str:
    """A code as people type it: without the dashes they forget, in capitals, 0 and 1 for the letters they are taken for."""
    letters = (
        "".join(one for one in text.upper() if one.isalnum()).replace("0", "O").replace("1", "I").replace("8", "B")
    )
    return "-".join(letters[at : at + 4] for at in range(0, len(letters), 4))


def link(before: str, file: str, seq: int, at: int, step: str, state: str, body: bytes) -> str:
    """The chain's next link: SHA-256 over the one before and all that this event says."""
    content = msgspec.json.encode([before, file, seq, at, step, state, hashlib.sha256(body).hexdigest()])
    return hashlib.sha256(content).hexdigest()


def broken(file: str, events: Iterable[Any], bodies: Sequence[bytes], head: str) -> Text | None:
    """The first event that is not what was written, in words; None where the chain holds up to its head."""
    before, links = START, []
    for seq, (row, body) in enumerate(zip(events, bodies, strict=True)):
        before = link(before, file, seq, row.at, row.step, row.state, body)
        links.append(before)
        if row.seq != seq or row.link != before:
            return Text(
                f"L’événement n° {seq + 1} du dossier a été modifié.", f"Event {seq + 1} of the file was changed."
            )
    if head in links[:-1]:
        added = links.index(head) + 2
        return Text(f"L’événement n° {added} du dossier a été ajouté.", f"Event {added} of the file was added.")
    if before != head:
        return Text("Un événement du dossier a été retiré.", "An event of the file was taken out.")
    return None


def definition_of(row: Any) -> Definition:
    """The version a file or a draft was begun with. Raises `NotFound`."""
    found = catalogue().find(row.service, row.version)
    if found is None:
        raise NotFound(
            Text(
                "Cette version du service n’est plus installée.", "This version of the service is no longer installed."
            ),
            Text(
                "Demandez à l’administrateur de la remettre : rien n’est perdu.",
                "Ask the administrator to bring it back: nothing is lost.",
            ),
        )
    return found


def due_at(definition: Definition, state: str, since_us: int) -> int | None:
    """When a file is late in this state (µs); None where there is no deadline."""
    within = definition.state(state).within
    return to_us(add_duration(from_us(since_us), within)) if within else None


def number_in(connection: Connection, code: str, day: datetime) -> str:
    """The next number of a series, in the transaction that files it: PL-2026-000123."""
    table, series = tables.count, f"{code}-{day.year}"
    grown = update(table).where(table.c.series == series).values(last=table.c.last + 1)
    if connection.execute(grown).rowcount == 0:
        connection.execute(insert(table), {"series": series, "last": 1})
    last = int(connection.execute(select(table.c.last).where(table.c.series == series)).scalar_one())
    return f"{series}-{last:06}"


def file_row(connection: Connection, file: str) -> Any:
    """A file's row. Raises `NotFound`."""
    row = connection.execute(select(tables.file).where(tables.file.c.id == file)).first()
    if row is None:
        raise no_file()
    return row


def no_file() -> NotFound:
    """The same words whether a file never was, or is somebody else's: nothing is learnt by trying."""
    return NotFound(
        Text("Aucun dossier ne répond à ce numéro et à ce code.", "No file answers to this number and code."),
        Text(
            "Vérifiez-les sur votre récépissé, ou demandez au guichet.",
            "Check them on your receipt, or ask at the counter.",
        ),
    )


def body_of(kernel: Kernel, row: Any) -> FileBody:
    """A file's answers, opened."""
    return msgspec.json.decode(
        kernel.vault.open_(file_owner(row.id), PURPOSE, row.body, row.id.encode()), type=FileBody
    )


def events_of(kernel: Kernel, connection: Connection, file: str) -> tuple[list[Any], list[bytes]]:
    """(rows, their words opened), in order; words changed where they lie sealed are b"", which breaks the chain there."""
    table = tables.event
    rows = list(connection.execute(select(table).where(table.c.file == file).order_by(table.c.seq)).all())

    def opened(row: Any) -> bytes:
        try:
            return kernel.vault.open_(file_owner(file), PURPOSE, row.body, f"{file}.{row.seq}".encode())
        except EgideError as error:
            if error.code != TAMPERED:
                raise
            return b""

    return rows, [opened(row) for row in rows]


def add_event(
    kernel: Kernel,
    connection: Connection,
    row: Any,
    at: int,
    step: str,
    state: str,
    officer: str | None,
    body: EventBody,
) -> str:
    """Writes the file's next event and returns its link. `row`: the file as it stands in this transaction."""
    words = msgspec.json.encode(body)
    made = link(row.head, row.id, row.events, at, step, state, words)
    sealed = kernel.vault.seal(file_owner(row.id), PURPOSE, words, f"{row.id}.{row.events}".encode())
    values = {
        "file": row.id, "seq": row.events, "at": at, "step": step, "state": state, "officer": officer, "link": made, "body": sealed,
    }  # fmt: skip
    connection.execute(insert(tables.event), values)
    return made


def move(
    kernel: Kernel, connection: Connection, file: str, expected: str, step: str, at: int, by: str | None, body: EventBody,
    **values: Any,
) -> None:  # fmt: skip
    """Takes a file from the state it was seen in to the step's. Raises `Conflict` where somebody was first."""
    row = file_row(connection, file)
    if row.state != expected:
        raise Conflict(
            Text("Ce dossier vient de changer.", "This file has just changed."),
            Text(
                "Relisez-le, puis recommencez si c’est encore utile.",
                "Read it again, then do it again if it is still needed.",
            ),
        )
    definition = definition_of(row)
    transition = next(one for one in definition.transitions if one.id == step)
    made = add_event(kernel, connection, row, at, step, transition.to, by, body)
    ended = {"closed": at} if definition.state(transition.to).ends else {}
    changed = {
        "state": transition.to, "since": at, "due": due_at(definition, transition.to, at), "events": row.events + 1, "head": made,
    }  # fmt: skip
    table = tables.file
    connection.execute(update(table).where(table.c.id == file).values(**changed, **ended, **values))


Channel = Literal["remote", "counter", "mobile"]
