"""A file: its number, its state, and the chain of what happened to it.

One act writes the file's row, the event and the number in its own transaction, so that none is ever seen without the others.
Each event is linked to the one before by SHA-256: one that is changed, added or taken out afterwards is found, and named. The
ledger's leaf of the act that wrote it holds its hash besides (`bulk`), over what lies in the store: a chain rewritten whole by
somebody who has the store and the keys is found as well (file_check.py). Of a file that was erased that hash says nothing.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, bindparam, insert, select, update

from egide.kernel import merkle
from egide.kernel.clock import from_us, to_us
from egide.kernel.errors import Conflict, EgideError, NotFound, Text
from egide.kernel.law import add_duration
from egide.kernel.randomness import draw
from egide.protocols.stepup import Evidence
from egide.services import tables
from egide.services.definition import Definition, catalogue

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

PURPOSE = "service-files"  # whose key seals a file's answers and words
START = "0" * 64  # the link before the first
SEEN = 5  # level: an officer saw the identity document
TAMPERED = "tampered"  # how the vault names bytes that are not those it sealed
ERASED = "erased"  # how it names those whose key was destroyed
FILED = "file"  # the step that opens a file
# Letters and figures that are not taken for one another, for a code that is read aloud or copied by hand (RFC 4648 base32).
CODE_BYTES = 15


class Who(msgspec.Struct, omit_defaults=True):
    """The person whose file it is, as the identity provider or the officer who saw the document says; sealed."""

    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""
    document: str = ""  # which one the officer saw
    method: str = ""  # "wallet": proved by a wallet; "": by an account, or by the document


class FileBody(msgspec.Struct, omit_defaults=True):
    """What a file says; sealed. `code`: kept only where it is printed later, on a notice that the person is sent."""

    answers: dict[str, Any]
    who: Who
    code: str = ""


class Where(msgspec.Struct, frozen=True):
    """Where an officer says that they were: degrees WGS84, accuracy in metres."""

    lat: float
    lon: float
    accuracy: float


class EventBody(msgspec.Struct, omit_defaults=True):
    """The words of one event; sealed. `made`: when it truly was, where that is not when it was written (without network, at
    a cut). `digest`: SHA-256 of what was read or confirmed. `proof`: the officer's passkey over what they signed; `card`: they
    signed with their card, in the document; `document`: which one. `answers`: to what the step asks.
    """  # fmt: skip

    text: str = ""
    made: str = ""
    digest: str = ""
    where: Where | None = None
    proof: Evidence | None = None
    card: bool = False
    document: str = ""
    answers: dict[str, Any] = {}


def happened(at: int, made: str) -> int:
    """When an event truly was (µs): by the clock of whoever made it, where that says a time before it was written."""
    try:
        found = datetime.fromisoformat(made)
        return min(at, to_us(found)) if found.tzinfo is not None else at
    except (ValueError, OverflowError):
        return at


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


def lateness(definition: Definition, events: Iterable[Any]) -> list[bool]:
    """Of each event whether it is a step taken after the time for the state that it left."""
    steps = {step.id for step in definition.transitions}
    state, since, found = definition.initial, 0, []
    for event in events:
        due = due_at(definition, state, since) if event.step in steps else None
        found.append(due is not None and event.at > due)
        if event.step in steps or event.step == FILED:
            state, since = event.state, event.at
    return found


_FILE = select(tables.file).where(tables.file.c.id == bindparam("id"))
_NEXT = (
    update(tables.count)
    .where(tables.count.c.series == bindparam("of"))
    .values(last=tables.count.c.last + bindparam("more"))
    .returning(tables.count.c.last)
)


def series_of(code: str, day: datetime) -> str:
    """A service's series of a year: PL-2026."""
    return f"{code}-{day.year}"


def number(series: str, place: int) -> str:
    """A number of a series: PL-2026-000123."""
    return f"{series}-{place:06}"


def places(connection: Connection, series: str, count: int) -> int:
    """The first of the next places of a series, in the transaction that files in them."""
    last = connection.execute(_NEXT, {"of": series, "more": count}).scalar()
    if last is None:
        last = count
        connection.execute(insert(tables.count), {"series": series, "last": last})
    return int(last) - count + 1


def file_row(connection: Connection, file: str) -> Any:
    """A file's row. Raises `NotFound`."""
    row = connection.execute(_FILE, {"id": file}).first()
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


def event_hash(event: Mapping[str, Any]) -> bytes:
    """The hash of an event as it lies in the store, its words sealed as they are: what the act's leaf holds of it.

    Over the sealed words and not their text, so that nobody can try texts on the leaf of a file that was erased.
    """
    sealed = hashlib.sha256(event["body"]).hexdigest()
    said = [event["file"], event["seq"], event["at"], event["step"], event["state"], event["link"], sealed]
    return merkle.leaf_hash(msgspec.json.encode(said))


def bound(hashes: Sequence[bytes]) -> tuple[int, bytes]:
    """What an act's effect tells the ledger of the events that it wrote (`Effect.bulk`): how many, and their Merkle root."""
    tree = merkle.Frontier()
    tree.extend(list(hashes))
    return len(hashes), tree.root()


class Written(NamedTuple):
    """An event that was added to a file: its number, from 1, and its hash, for the leaf of the act."""

    number: int
    hash: bytes


def add_event(
    kernel: Kernel,
    connection: Connection,
    row: Any,
    at: int,
    step: str,
    state: str,
    officer: str | None,
    body: EventBody,
) -> dict[str, Any]:
    """Writes the file's next event and returns it. `row`: the file as it stands in this transaction."""
    words = msgspec.json.encode(body)
    made = link(row.head, row.id, row.events, at, step, state, words)
    sealed = kernel.vault.seal(file_owner(row.id), PURPOSE, words, f"{row.id}.{row.events}".encode())
    values = {
        "file": row.id, "seq": row.events, "at": at, "step": step, "state": state, "officer": officer, "link": made, "body": sealed,
    }  # fmt: skip
    connection.execute(insert(tables.event), values)
    return values


def move(
    kernel: Kernel, connection: Connection, file: str, expected: str, step: str, at: int, by: str | None, body: EventBody,
    *, seen: str = "", **values: Any,
) -> Written:  # fmt: skip
    """Takes a file from the state it was seen in to the step's. Raises `Conflict` where somebody was first.

    `seen`: the last link that it was seen with, where nothing at all may have been added since.
    """
    row = file_row(connection, file)
    if row.state != expected or (seen and row.head != seen):
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
        "state": transition.to, "since": at, "due": due_at(definition, transition.to, at), "events": row.events + 1, "head": made["link"],
    }  # fmt: skip
    table = tables.file
    connection.execute(update(table).where(table.c.id == file).values(**changed, **ended, **values))
    return Written(int(row.events) + 1, event_hash(made))


def note(
    kernel: Kernel, connection: Connection, file: str, step: str, at: int, body: EventBody, by: str | None = None,
    **values: Any,
) -> Written:  # fmt: skip
    """Adds an event that takes no step: something happened, or was said. `by`: the officer. Raises `NotFound`."""
    row = file_row(connection, file)
    made = add_event(kernel, connection, row, at, step, row.state, by, body)
    table = tables.file
    changed = {"events": row.events + 1, "head": made["link"]} | values
    connection.execute(update(table).where(table.c.id == file).values(**changed))
    return Written(int(row.events) + 1, event_hash(made))


Channel = Literal["remote", "counter", "mobile"]
