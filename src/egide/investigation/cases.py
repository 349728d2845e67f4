"""Cases: opened by what a service hands over, added to by what follows from the same file, read for one's work on them.

The event says only that there is something; the fields come by an act of the service (`services.export.give`), which gives what
its definition lists for an investigation and no more. Source: code de procédure pénale, 15-3, 19, 40.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from egide.investigation import tables
from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, Rows, act
from egide.kernel.clock import iso
from egide.kernel.errors import NotFound, Text
from egide.kernel.forget import forget_acts
from egide.kernel.identity import new_id
from egide.kernel.listeners import Keyed
from egide.kernel.retention import keep

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ACTIVITY = "cases"
CATEGORY = "case"
OFFICERS = ("officer", "command")
LISTED = 500  # cases shown at once; the newest
FILE_NUMBER = "file_number"  # the field that names an earlier file
_OF = select(tables.piece.c.case_id).where(tables.piece.c.number == bindparam("number"))


class Received(Input):
    """What a service hands over: JSON of the fields as it gives them."""

    number: str
    service: str
    fields: list[dict[str, Any]]
    about: str = ""  # number of the file that this completes


class CaseId(msgspec.Struct):
    """The case it went to."""

    id: str


class CaseRef(Input):
    """One case."""

    case: str


class CaseLine(msgspec.Struct):
    """A case in the list: nothing in it says whom it is about."""

    id: str
    number: str
    service: str
    opened: str
    closed: bool
    pieces: int


class Cases(msgspec.Struct):
    """The newest cases."""

    cases: list[CaseLine]


class Piece(msgspec.Struct):
    """What was handed over, as it was."""

    id: str
    number: str
    service: str
    at: str
    fields: list[dict[str, Any]]


class CaseShown(msgspec.Struct):
    """A case with its pieces, oldest first."""

    id: str
    number: str
    opened: str
    pieces: list[Piece]


def owner(case: str) -> str:
    """Whose key seals a case: its own."""
    return f"case:{case}"


def _known(db: Connection, *of: str) -> Any:
    """The case that began with, or was added to by, one of these files; None where there is none."""
    for number in of:
        found = db.execute(_OF, {"number": number}).first()
        if found is not None:
            return found.case_id
    return None


@act(
    "investigation.case.receive", verb="collect", activity=ACTIVITY, roles=["system"], system=True, duty=True, input=Received,
    output=CaseId, fr="Recevoir ce qu’une démarche transmet à l’enquête", en="Receive what a request hands to the investigation",
)  # fmt: skip
def receive(ctx: Ctx, given: Received) -> Effect:
    known, id_ = _known(ctx.db, *numbers(given)), new_id()
    case, body = known or new_id(), msgspec.json.encode(given.fields)

    def sealed() -> Rows:
        piece = {
            "id": id_, "case_id": case, "number": given.number, "service": given.service, "at": ctx.now_us,
            "body": ctx.kernel.vault.seal(owner(case), ACTIVITY, body, id_.encode()),
        }  # fmt: skip
        opened = {"id": case, "number": given.number, "service": given.service, "opened": ctx.now_us, "closed": None}
        rows: Rows = [(tables.piece, piece)]
        if known is None:
            rows += [(tables.case, opened), (kernel_tables.retained, keep(CATEGORY, case))]
        return rows

    told = [("case.changed", {"case": case})]
    return Effect(CaseId(case), sealed=sealed, keys=((owner(case), ACTIVITY),), events=told, concerns=(owner(case),))


@act(
    "investigation.case.list", verb="consult", activity=ACTIVITY, roles=OFFICERS, duty=True, output=Cases,
    fr="Voir les enquêtes ouvertes", en="See the open cases",
)  # fmt: skip
def list_cases(ctx: Ctx, _given: Nothing) -> Effect:
    case, piece = tables.case, tables.piece
    rows = ctx.db.execute(select(case).order_by(case.c.opened.desc()).limit(LISTED)).all()
    count: dict[str, int] = {}
    for row in ctx.db.execute(select(piece.c.case_id).where(piece.c.case_id.in_([row.id for row in rows]))).all():
        count[row.case_id] = count.get(row.case_id, 0) + 1
    lines = [
        CaseLine(row.id, row.number, row.service, iso(row.opened), row.closed is not None, count.get(row.id, 0))
        for row in rows
    ]
    return Effect(Cases(lines))


def _facts(ctx: Ctx, given: CaseRef) -> Facts:
    there = ctx.db.execute(select(tables.case.c.id).where(tables.case.c.id == given.case)).first()
    return {"concerned": there is not None and not ctx.principal.roles.isdisjoint(OFFICERS)}


@act(
    "investigation.case.read", verb="consult", activity=ACTIVITY, roles=OFFICERS, groups=["need-to-know"], gather=_facts, duty=True,
    input=CaseRef, output=CaseShown, fr="Lire une enquête", en="Read a case",
)  # fmt: skip
def read(ctx: Ctx, given: CaseRef) -> Effect:
    row = ctx.db.execute(select(tables.case).where(tables.case.c.id == given.case)).first()
    if row is None:
        raise NotFound(Text("Cette enquête n’existe pas.", "There is no such case."))
    piece, vault = tables.piece, ctx.kernel.vault
    pieces = [
        Piece(
            one.id, one.number, one.service, iso(one.at),
            msgspec.json.decode(vault.open_(owner(row.id), ACTIVITY, one.body, one.id.encode())),
        )
        for one in ctx.db.execute(select(piece).where(piece.c.case_id == row.id).order_by(piece.c.at)).all()
    ]  # fmt: skip
    return Effect(CaseShown(row.id, row.number, iso(row.opened), pieces), concerns=(owner(row.id),))


def erase(kernel: Kernel, case: str) -> Callable[[Connection], None]:
    """What destroys a case: its key, its rows, and what the ledger said of it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(case), ACTIVITY)
        connection.execute(delete(tables.piece).where(tables.piece.c.case_id == case))
        connection.execute(delete(tables.case).where(tables.case.c.id == case))
        forget_acts(connection, owner(case))

    return destroy


async def handed(kernel: Kernel, payload: dict[str, Any]) -> Received | None:
    """What a file has for the investigation; None where it was erased meanwhile."""
    given = {"file": payload["file"], "target": "investigation", "event": payload["event"]}
    try:
        outcome = await kernel.perform(
            "services.export.give", msgspec.json.encode(given), kernel.system(ACTIVITY), cause=payload["cause"]
        )
    except NotFound:
        return None
    told = msgspec.to_builtins(outcome.result)
    about = next((str(one["value"]) for one in told["fields"] if one["id"] == FILE_NUMBER), "")
    return Received(number=told["number"], service=told["service"], fields=told["fields"], about=about)


def numbers(given: Received) -> tuple[str, ...]:
    """The files by which it finds its case."""
    return tuple(filter(None, (given.number, given.about)))


async def heard(kernel: Kernel, payload: dict[str, Any], given: Received) -> None:
    """It goes to the case of its file."""
    await kernel.perform(
        "investigation.case.receive", given, kernel.system(ACTIVITY), cause=payload["cause"], once=payload["once"]
    )


ACTS: tuple[Act, ...] = (receive, list_cases, read)
LISTENERS = {"service.to_investigation": Keyed(handed, numbers, heard)}
