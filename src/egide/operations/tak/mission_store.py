"""TAK missions as rows: who may see which, what they hold, what changed. Reading only; missions.py, contents.py change them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, select

from egide.kernel.act import Ctx
from egide.kernel.errors import NotFound, Text
from egide.kernel.identity import new_id
from egide.operations.tak import sealed as sealed_in
from egide.operations.tak import tables
from egide.operations.tak.groups import groups_of
from egide.operations.tak.identity import TakDevice, devices, name_on_the_wire
from egide.operations.tak.packages import Resource, resources

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CREATED, DELETED, ADDED, REMOVED = "CREATE_MISSION", "DELETE_MISSION", "ADD_CONTENT", "REMOVE_CONTENT"
SHOWN = 500  # missions, changes, entries of one answer
HASH, UID = "hash:", "uid:"
_TABLE = tables.mission


class Body(msgspec.Struct):
    """What is sealed of a mission."""

    description: str = ""
    keywords: list[str] = []


class MapObject(msgspec.Struct):
    """An object on the map that a mission holds: its id, and its last event where one came."""

    uid: str
    at_us: int
    creator: str
    event: bytes = b""


class Held(msgspec.Struct):
    """A file that a mission holds."""

    resource: Resource
    at_us: int
    creator: str


class MissionShown(msgspec.Struct):
    """A TAK mission as its members see it."""

    id: str
    name: str
    description: str
    keywords: list[str]
    tool: str
    created_us: int
    creator: str
    groups: list[str]
    contents: list[Held] = []
    objects: list[MapObject] = []


class ChangeShown(msgspec.Struct):
    """A change of a mission; of a file also what it is, where the one who asks may have it still."""

    id: str
    mission: str
    kind: str
    at_us: int
    creator: str
    hash: str = ""
    uid: str = ""
    resource: Resource | None = None


def owner(mission: str) -> str:
    """Whose key seals what is said in a mission."""
    return f"tak-mission:{mission}"


def seal(kernel: Kernel, mission: str, content: bytes, bound: str) -> bytes:
    """Seals under the mission's key."""
    return kernel.vault.seal(owner(mission), tables.PURPOSE, content, bound.encode())


def opened(kernel: Kernel, mission: str, sealed: bytes, bound: str) -> bytes | None:
    """The content; None where it was erased."""
    return sealed_in.opened(kernel, owner(mission), sealed, bound)


def visible(ctx: Ctx) -> list[Any]:
    """The missions that share a group with the one who asks, oldest first."""
    groups = list(groups_of(ctx.db, ctx.principal))
    ids = select(tables.mission_group.c.mission).where(tables.mission_group.c.shared.in_(groups))
    query = select(_TABLE).where(_TABLE.c.id.in_(ids), _TABLE.c.removed.is_(None))
    return list(ctx.db.execute(query.order_by(_TABLE.c.created).limit(SHOWN)).all())


def named(ctx: Ctx, name: str) -> Any:
    """The mission of this name, or id, that the one who asks may see. Raises `NotFound`."""
    for row in visible(ctx):
        if name in (row.name, row.id):
            return row
    raise NotFound(
        Text("Cette mission TAK n’existe pas, ou pas pour vous.", "This TAK mission does not exist, or not for you."),
        Text("Demandez à en être, ou créez-la.", "Ask to be on it, or create it."),
    )


def groups_in(db: Connection, mission: str) -> frozenset[str]:
    """The groups a mission is shared with."""
    table = tables.mission_group
    return frozenset(row.shared for row in db.execute(select(table.c.shared).where(table.c.mission == mission)))


def groups_named(db: Connection, name: str) -> frozenset[str]:
    """The groups with which missions of this name are shared."""
    table = tables.mission_group
    query = select(table.c.shared).join(_TABLE, _TABLE.c.id == table.c.mission)
    return frozenset(row.shared for row in db.execute(query.where(_TABLE.c.name == name, _TABLE.c.removed.is_(None))))


def show(ctx: Ctx, rows: Iterable[Any], *, whole: bool) -> list[MissionShown]:
    """Rows, opened; `whole` with what they hold."""
    rows = list(rows)
    names = groups_of(ctx.db, ctx.principal)
    known = devices(ctx.kernel, ctx.db, [row.device for row in rows])
    found = []
    for row in rows:
        sealed = opened(ctx.kernel, row.id, row.body, row.id)
        if sealed is None:
            continue
        body = msgspec.json.decode(sealed, type=Body)
        shared = [names[group] for group in sorted(groups_in(ctx.db, row.id)) if group in names]
        told = MissionShown(
            row.id, row.name, body.description, body.keywords, row.tool, row.created, name_on_the_wire(known, row.device), shared
        )  # fmt: skip
        if whole:
            _fill(ctx, told)
        found.append(told)
    return found


def _fill(ctx: Ctx, told: MissionShown) -> None:
    table = tables.content
    rows = ctx.db.execute(select(table).where(table.c.mission == told.id).order_by(table.c.at)).all()
    known = devices(ctx.kernel, ctx.db, [row.device for row in rows])
    files = _files(ctx, [row.package for row in rows if row.package])
    for row in rows:
        creator = name_on_the_wire(known, row.device)
        if row.package:
            if row.package in files:
                told.contents.append(Held(files[row.package], row.at, creator))
            continue
        event = opened(ctx.kernel, told.id, row.body, row.ref) if row.body is not None else None
        told.objects.append(MapObject(row.ref.removeprefix(UID), row.at, creator, event or b""))


def _files(ctx: Ctx, ids: list[str]) -> dict[str, Resource]:
    rows = ctx.db.execute(select(tables.package).where(tables.package.c.id.in_(ids))).all()
    return {each.id: each for each in resources(ctx, rows)}


def changes(ctx: Ctx, mission: Any, since_us: int) -> list[ChangeShown]:
    """What changed since then, oldest first."""
    table = tables.change
    query = select(table).where(table.c.mission == mission.id, table.c.at >= since_us).order_by(table.c.at.desc())
    rows = ctx.db.execute(query.limit(SHOWN)).all()
    known = devices(ctx.kernel, ctx.db, [row.device for row in rows])
    held = select(tables.content.c.package).where(tables.content.c.mission == mission.id)
    files = {
        each.hash: each for each in _files(ctx, [row.package for row in ctx.db.execute(held) if row.package]).values()
    }
    return [change_shown(row, mission.name, known, files) for row in reversed(rows)]


def change_shown(row: Any, mission: str, known: dict[str, TakDevice], files: dict[str, Resource]) -> ChangeShown:
    """One row, opened."""
    hash_ = row.ref.removeprefix(HASH) if row.ref.startswith(HASH) else ""
    uid = row.ref.removeprefix(UID) if row.ref.startswith(UID) else ""
    return ChangeShown(
        row.id, mission, row.kind, row.at, name_on_the_wire(known, row.device), hash_, uid, files.get(hash_) if hash_ else None
    )  # fmt: skip


def change_row(mission: str, now_us: int, kind: str, ref: str, device: str) -> dict[str, Any]:
    """The row of a change."""
    return {"id": new_id(), "mission": mission, "at": now_us, "kind": kind, "ref": ref, "device": device}
