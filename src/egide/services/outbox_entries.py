"""What an officer may do without network, as a device writes it down, and the act of the house that it asks for.

Four things and no other: taking down a service whose mobile channel works offline, a further report on a file, files for a file,
a round past a home under watch. A form comes as it was typed and is read by the same code as a page's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, select

from egide.kernel.clock import to_us
from egide.kernel.together import Call
from egide.services import outbox_tables, tables
from egide.services.answers import birthdate, clean, read, relevant
from egide.services.definition import Definition, catalogue
from egide.services.desk import FileRef, FileStep, Passage
from egide.services.filing import Taken, slug
from egide.services.model import Who, definition_of
from egide.services.signing import SignedStep

SLACK_US = 120_000_000  # µs a device's clock may be off
MAX_NAME = 120  # characters
COMPLETE = "complete"  # the step by which an officer adds a further report
ATTACH = "services.outbox.attach"
OF_ENTRY = "entry:"  # before the id of an entry of the same device: what it became


class Attached(msgspec.Struct, forbid_unknown_fields=True):
    """A file that was sent before the act that names it: its id on the device, its hash."""

    id: str
    sha256: str


class Take(msgspec.Struct, tag="take", tag_field="act", forbid_unknown_fields=True):
    """A service taken down: the version it was filled against, its file's fingerprint, the form as typed, who stands there."""

    service: str
    version: int
    digest: str
    form: dict[str, list[str]]
    made: str
    who: Who = msgspec.field(default_factory=Who)
    lang: Literal["fr", "en"] = "fr"
    files: list[Attached] = []


class Complement(msgspec.Struct, tag="complement", tag_field="act", forbid_unknown_fields=True):
    """A further report. `target`: a file's id, or `entry:<id>` of this device; `seen`: how many events it had, 0: not known."""

    target: str
    text: str
    made: str
    seen: int = 0
    files: list[Attached] = []


class Attach(msgspec.Struct, tag="attach", tag_field="act", forbid_unknown_fields=True):
    """Files for a file."""

    target: str
    files: list[Attached]
    made: str


class Pass(msgspec.Struct, tag="pass", tag_field="act", forbid_unknown_fields=True):
    """A patrol passed by. Where (degrees WGS84, metres): only if the officer gave it."""

    target: str
    made: str
    text: str = ""
    lat: float | None = None
    lon: float | None = None
    accuracy: float = 0.0
    files: list[Attached] = []


Entry = Take | Complement | Attach | Pass
Added = Complement | Attach | Pass
_decode: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class AttachTo(FileRef):
    """A file, and the entry whose files came before."""

    staged: str
    client_id: str = ""
    made_at: str = ""


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why there is nothing to perform; `review`: an officer looks at it."""

    reason: str
    review: bool = True


def decoded(body: str) -> Entry | None:
    """What an entry says; None where it cannot be read."""
    try:
        return _decode.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None


def made_at(entry: Entry) -> int | None:
    """When it was made by the device's clock, µs; None where that is no time."""
    try:
        found = datetime.fromisoformat(entry.made)
        return to_us(found) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def taken(entry: Take, id_: str, staged: str, definition: Definition) -> Call:
    """The act by which a service is taken down, for a version that is there."""
    who = Who(
        clean(entry.who.given_name)[:MAX_NAME], clean(entry.who.family_name)[:MAX_NAME], birthdate(clean(entry.who.birthdate))[:MAX_NAME],
        clean(entry.who.document)[:MAX_NAME],
    )  # fmt: skip
    answers = relevant(definition, read(definition.fields, entry.form))
    given = Taken(
        channel="mobile", version=definition.version, answers=answers, who=who, staged=staged if entry.files else "", lang=entry.lang,
        client_id=id_, made_at=entry.made,
    )  # fmt: skip
    return Call(f"services.{slug(definition.id)}.take", given)


def offered(entry: Take) -> Definition | Wrong:
    """The version a form was filled against, where the service is given without network and that version is still the same."""
    newest = catalogue().find(entry.service)
    way = newest.channels.get("mobile") if newest is not None else None
    if newest is None or way is None or not way.offline:
        return Wrong("offered", review=False)
    filled = catalogue().find(entry.service, entry.version)
    if filled is None or filled.digest != entry.digest:
        return Wrong("version")
    return filled


def about(connection: Connection, entry: Added, device: str, made: Mapping[str, str]) -> Any:
    """The row of the file that an entry is about; None where there is none. `made`: files that entries have just become."""
    target = entry.target
    if target.startswith(OF_ENTRY):
        table, id_ = outbox_tables.entry, target.removeprefix(OF_ENTRY)
        asked = select(table.c.file).where(table.c.device == device, table.c.id == id_)
        target = made.get(id_) or connection.execute(asked).scalar() or ""
    return connection.execute(select(tables.file).where(tables.file.c.id == target)).first()


def added(entry: Added, id_: str, staged: str, row: Any, *, ahead: int = 0, done: bool = False) -> Call | Wrong:
    """The act by which something is added to a file as it stands. `ahead`: how many events what goes before it in the same batch
    adds; `done`: it was done already and is only asked again.
    """  # fmt: skip
    if row is None or (row.closed is not None and not done):
        return Wrong("changed")
    if isinstance(entry, Attach):
        return Call(ATTACH, AttachTo(file=row.id, staged=staged, client_id=id_, made_at=entry.made))
    definition = definition_of(row)
    passes = isinstance(entry, Pass)
    steps = definition.transitions
    step = next((one for one in steps if (one.round is not None if passes else one.id == COMPLETE)), None)
    if step is None or not (done or row.state in step.origins):
        return Wrong("changed")
    name, files = f"services.{slug(definition.id)}.{slug(step.id)}", staged if entry.files else ""
    if isinstance(entry, Pass):
        return Call(
            name,
            Passage(
                file=row.id, text=entry.text, staged=files, client_id=id_, made_at=entry.made, lat=entry.lat, lon=entry.lon,
                accuracy=entry.accuracy,
            ),
        )  # fmt: skip
    if entry.seen and entry.seen != row.events + ahead and not done:
        return Wrong("changed")
    kind = SignedStep if step.signed else FileStep
    return Call(name, kind(file=row.id, text=entry.text, staged=files, client_id=id_, made_at=entry.made))
