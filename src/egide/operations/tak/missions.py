"""TAK missions (Data Sync): created, found, subscribed to, talked in, removed. What they hold: contents.py.

A TAK mission is shared with groups: the missions of operations on whose roster its creator is, or the unit. Whoever is of none of
them does not learn that it exists. It has a key of its own; thirty days after its removal the key is destroyed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.identity import new_id
from egide.kernel.retention import keep, trigger
from egide.kernel.store import put
from egide.kernel.tables import retained
from egide.operations.tak import mission_store as store
from egide.operations.tak import packages, tables
from egide.operations.tak.groups import chosen, groups_of
from egide.operations.tak.identity import devices, name_on_the_wire, own_device
from egide.operations.tak.mission_store import ChangeShown, MissionShown

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

CATEGORY = "tak-mission"
CHANGED = "tak.mission.changed"  # event: a change's id
OFFICERS = ("officer", "command", "pilot")
MAX_NAME, MAX_TEXT, MAX_KEYWORDS = 100, 10_000, 50
_TABLE = tables.mission


class MissionList(Input):
    """Missions of a kind (`public`), or all."""

    tool: str = ""


class Missions(msgspec.Struct):
    """Missions, without what they hold."""

    missions: list[MissionShown]


class MissionRef(Input):
    """A mission by its name or id."""

    mission: str


class NewMission(Input):
    """A mission to create; shared with these groups (none: one's missions, else one's unit)."""

    name: str
    device: str
    description: str = ""
    tool: str = "public"
    keywords: list[str] = []
    groups: list[str] = []


class DeviceIn(Input):
    """A mission, and the device that speaks."""

    mission: str
    device: str


class Keywords(Input):
    """A mission's keywords, all of them."""

    mission: str
    keywords: list[str]


class Since(Input):
    """A mission's changes since then (µs)."""

    mission: str
    since_us: int = 0


class Changes(msgspec.Struct):
    """Changes, oldest first."""

    changes: list[ChangeShown]


class SubscriberShown(msgspec.Struct):
    """A device that follows a mission."""

    uid: str
    callsign: str
    at_us: int
    device: str


class Subscribers(msgspec.Struct):
    """Who follows a mission."""

    subscribers: list[SubscriberShown]


class NewEntry(Input):
    """An entry of a mission's log."""

    mission: str
    device: str
    content: str
    keywords: list[str] = []


class EntryShown(msgspec.Struct):
    """An entry of a mission's log."""

    id: str
    mission: str
    at_us: int
    creator: str
    content: str
    keywords: list[str]


class Entries(msgspec.Struct):
    """A mission's log, oldest first."""

    entries: list[EntryShown]


class EntryRef(Input):
    """An entry of a log."""

    entry: str


class _Entry(msgspec.Struct):
    content: str
    keywords: list[str]


@act(
    "operations.tak.mission.list", verb="view", activity="tak-data", roles=OFFICERS, duty=True, input=MissionList, output=Missions,
    fr="Voir les missions TAK", en="See TAK missions",
)  # fmt: skip
def list_missions(ctx: Ctx, given: MissionList) -> Effect:
    rows = [row for row in store.visible(ctx) if given.tool in ("", row.tool)]
    return Effect(Missions(store.show(ctx, rows, whole=False)))


@act(
    "operations.tak.mission.read", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=MissionRef, output=MissionShown,
    fr="Consulter une mission TAK", en="Consult a TAK mission",
)  # fmt: skip
def read_mission(ctx: Ctx, given: MissionRef) -> Effect:
    return Effect(_whole(ctx, store.named(ctx, given.mission)))


@act(
    "operations.tak.mission.create", verb="collect", activity="tak-data", roles=OFFICERS, duty=True, input=NewMission, output=MissionShown,
    fr="Créer une mission TAK", en="Create a TAK mission",
)  # fmt: skip
def create_mission(ctx: Ctx, given: NewMission) -> Effect:
    kernel, device = ctx.kernel, own_device(ctx, given.device)
    name = given.name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable() or "/" in name:
        raise BadInput(
            Text(f"Un nom de mission a de 1 à {MAX_NAME} caractères, sans « / ».", f"A mission’s name has 1 to {MAX_NAME} characters, without “/”.")
        )  # fmt: skip
    groups = groups_of(ctx.db, ctx.principal)
    shared = chosen(groups, given.groups)
    if not shared:
        raise Conflict(
            Text(
                "Vous n’avez ni unité ni mission avec qui partager.", "You have neither unit nor mission to share with."
            ),
            Text("Demandez à être inscrit à une mission.", "Ask to be put on a mission’s roster."),
        )
    body = store.Body(_text(given.description), keywords(given.keywords))
    id_, tool = new_id(), _word(given.tool or "public")
    row = {
        "id": id_, "name": name, "tool": tool, "created": ctx.now_us, "removed": None, "person": ctx.principal.id,
        "device": device, "body": store.seal(kernel, id_, msgspec.json.encode(body), id_),
    }  # fmt: skip
    change = store.change_row(id_, ctx.now_us, store.CREATED, "", device)

    def apply(connection: Connection) -> None:
        table = tables.mission_group
        there = select(_TABLE.c.id).join(table, table.c.mission == _TABLE.c.id)
        same = there.where(
            _TABLE.c.name == name, _TABLE.c.removed.is_(None), _TABLE.c.id != id_, table.c.shared.in_(list(groups))
        )
        if connection.execute(same.limit(1)).first() is not None:
            raise Conflict(Text("Une mission TAK porte déjà ce nom.", "A TAK mission has this name already."))
        for group in sorted(shared):
            connection.execute(insert(table), {"mission": id_, "shared": group})
        connection.execute(insert(retained).values(**keep(CATEGORY, id_)))

    known = devices(kernel, ctx.db, [device])
    told = MissionShown(
        id_, name, body.description, body.keywords, tool, ctx.now_us, name_on_the_wire(known, device), [groups[g] for g in sorted(shared)]
    )  # fmt: skip
    return Effect(
        told, rows=[(_TABLE, row), (tables.change, change)], apply=apply, events=[(CHANGED, {"change": change["id"]})]
    )


@act(
    "operations.tak.mission.remove", verb="erase", activity="tak-data", roles=OFFICERS, duty=True, input=DeviceIn, output=MissionShown,
    fr="Supprimer une mission TAK", en="Remove a TAK mission",
)  # fmt: skip
def remove_mission(ctx: Ctx, given: DeviceIn) -> Effect:
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    if row.person != ctx.principal.id and "command" not in ctx.principal.roles:
        raise NotFound(
            Text("Seuls son auteur et le commandement la suppriment.", "Only its author and the command remove it."),
            Text("Demandez-le à l’un d’eux.", "Ask one of them."),
        )
    change = store.change_row(row.id, ctx.now_us, store.DELETED, "", device)
    (told,) = store.show(ctx, [row], whole=False)
    return Effect(
        told, rows=[(tables.change, change)], apply=lambda connection: end(ctx.kernel, connection, row.id, ctx.now_us),
        events=[(CHANGED, {"change": change["id"]})],
    )  # fmt: skip


@act(
    "operations.tak.mission.keywords", verb="alter", activity="tak-data", roles=OFFICERS, duty=True, input=Keywords, output=MissionShown,
    fr="Changer les mots-clés d’une mission TAK", en="Change a TAK mission’s keywords",
)  # fmt: skip
def set_keywords(ctx: Ctx, given: Keywords) -> Effect:
    row = store.named(ctx, given.mission)
    told = _whole(ctx, row)
    told.keywords = keywords(given.keywords)
    body = msgspec.json.encode(store.Body(told.description, told.keywords))
    sealed = store.seal(ctx.kernel, row.id, body, row.id)

    def apply(connection: Connection) -> None:
        connection.execute(update(_TABLE).where(_TABLE.c.id == row.id).values(body=sealed))

    return Effect(told, apply=apply)


@act(
    "operations.tak.mission.changes", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=Since, output=Changes,
    fr="Voir ce qui a changé dans une mission TAK", en="See what changed in a TAK mission",
)  # fmt: skip
def list_changes(ctx: Ctx, given: Since) -> Effect:
    return Effect(Changes(store.changes(ctx, store.named(ctx, given.mission), given.since_us)))


@act(
    "operations.tak.mission.subscribe", verb="view", activity="tak-data", roles=OFFICERS, duty=True, input=DeviceIn, output=SubscriberShown,
    fr="Suivre une mission TAK", en="Follow a TAK mission",
)  # fmt: skip
def subscribe(ctx: Ctx, given: DeviceIn) -> Effect:
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    known = devices(ctx.kernel, ctx.db, [device])
    told = SubscriberShown(name_on_the_wire(known, device), known[device].callsign, ctx.now_us, device)

    def apply(connection: Connection) -> None:
        key = {"mission": row.id, "device": device}
        put(connection, tables.subscriber, key, {"person": ctx.principal.id, "at": ctx.now_us})
        table = tables.invitation
        connection.execute(delete(table).where(table.c.mission == row.id, table.c.invited == device))

    return Effect(told, apply=apply)


@act(
    "operations.tak.mission.unsubscribe", verb="view", activity="tak-data", roles=OFFICERS, duty=True, input=DeviceIn,
    fr="Ne plus suivre une mission TAK", en="Follow a TAK mission no more",
)  # fmt: skip
def unsubscribe(ctx: Ctx, given: DeviceIn) -> Effect:
    row, device, table = store.named(ctx, given.mission), own_device(ctx, given.device), tables.subscriber

    def apply(connection: Connection) -> None:
        connection.execute(delete(table).where(table.c.mission == row.id, table.c.device == device))

    return Effect(Nothing(), apply=apply)


@act(
    "operations.tak.mission.subscribers", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=MissionRef, output=Subscribers,
    fr="Voir qui suit une mission TAK", en="See who follows a TAK mission",
)  # fmt: skip
def list_subscribers(ctx: Ctx, given: MissionRef) -> Effect:
    row, table = store.named(ctx, given.mission), tables.subscriber
    rows = ctx.db.execute(select(table).where(table.c.mission == row.id).order_by(table.c.at).limit(store.SHOWN)).all()
    known = devices(ctx.kernel, ctx.db, [each.device for each in rows])
    told = [
        SubscriberShown(name_on_the_wire(known, each.device), known[each.device].callsign, each.at, each.device)
        for each in rows if each.device in known
    ]  # fmt: skip
    return Effect(Subscribers(told))


@act(
    "operations.tak.mission.log", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=Since, output=Entries,
    fr="Lire le journal d’une mission TAK", en="Read a TAK mission’s log",
)  # fmt: skip
def read_log(ctx: Ctx, given: Since) -> Effect:
    row, table = store.named(ctx, given.mission), tables.log
    rows = ctx.db.execute(
        select(table)
        .where(table.c.mission == row.id, table.c.at >= given.since_us)
        .order_by(table.c.at)
        .limit(store.SHOWN)
    ).all()
    known = devices(ctx.kernel, ctx.db, [each.device for each in rows])
    told = []
    for each in rows:
        sealed = store.opened(ctx.kernel, row.id, each.body, each.id)
        if sealed is not None:
            entry = msgspec.json.decode(sealed, type=_Entry)
            told.append(
                EntryShown(
                    each.id, row.name, each.at, name_on_the_wire(known, each.device), entry.content, entry.keywords
                )
            )
    return Effect(Entries(told))


@act(
    "operations.tak.mission.write", verb="collect", activity="tak-data", roles=OFFICERS, duty=True, input=NewEntry, output=EntryShown,
    fr="Écrire dans le journal d’une mission TAK", en="Write in a TAK mission’s log",
)  # fmt: skip
def write_log(ctx: Ctx, given: NewEntry) -> Effect:
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    content = _text(given.content)
    if not content.strip():
        raise BadInput(Text("L’entrée du journal est vide.", "The log entry is empty."))
    id_, words = new_id(), keywords(given.keywords)
    sealed = store.seal(ctx.kernel, row.id, msgspec.json.encode(_Entry(content, words)), id_)
    entry = {
        "id": id_,
        "mission": row.id,
        "at": ctx.now_us,
        "person": ctx.principal.id,
        "device": device,
        "body": sealed,
    }
    known = devices(ctx.kernel, ctx.db, [device])
    told = EntryShown(id_, row.name, ctx.now_us, name_on_the_wire(known, device), content, words)
    return Effect(told, rows=[(tables.log, entry)])


@act(
    "operations.tak.mission.unwrite", verb="erase", activity="tak-data", roles=OFFICERS, duty=True, input=EntryRef,
    fr="Effacer son entrée du journal d’une mission TAK", en="Erase one’s entry of a TAK mission’s log",
)  # fmt: skip
def erase_entry(ctx: Ctx, given: EntryRef) -> Effect:
    table = tables.log
    row = ctx.db.execute(select(table.c.id, table.c.person).where(table.c.id == given.entry)).first()
    if row is None or row.person != ctx.principal.id:
        raise NotFound(
            Text("Cette entrée n’existe pas, ou n’est pas de vous.", "This entry does not exist, or is not yours.")
        )
    return Effect(Nothing(), apply=lambda connection: _gone(connection, given.entry))


def _gone(connection: Connection, entry: str) -> None:
    connection.execute(delete(tables.log).where(tables.log.c.id == entry))


def end(kernel: Kernel, connection: Connection, mission: str, now_us: int) -> None:
    """Nobody sees it any more; its clock starts, and that of the files that it alone held."""
    connection.execute(update(_TABLE).where(_TABLE.c.id == mission, _TABLE.c.removed.is_(None)).values(removed=now_us))
    trigger(kernel, connection, CATEGORY, mission, now_us)
    table = tables.content
    for row in connection.execute(select(table.c.package).where(table.c.mission == mission)).all():
        if row.package:
            packages.release(kernel, connection, row.package, now_us)


def erase(kernel: Kernel, mission: str) -> Callable[[Connection], None]:
    """What destroys a mission in the writer's transaction: its key, and its rows."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(store.owner(mission), tables.PURPOSE)
        for table in (
            tables.mission_group, tables.subscriber, tables.content, tables.change, tables.log, tables.invitation
        ):  # fmt: skip
            connection.execute(delete(table).where(table.c.mission == mission))
        connection.execute(delete(_TABLE).where(_TABLE.c.id == mission))

    return destroy


def keywords(words: list[str]) -> list[str]:
    """The same words, each once. Raises `BadInput`."""
    if len(words) > MAX_KEYWORDS:
        raise BadInput(Text(f"{MAX_KEYWORDS} mots-clés au plus.", f"{MAX_KEYWORDS} keywords at most."))
    return list(dict.fromkeys(_word(word) for word in words))


def _whole(ctx: Ctx, row: Any) -> MissionShown:
    (told,) = store.show(ctx, [row], whole=True)
    return told


def _word(word: str) -> str:
    if len(word) > MAX_NAME or not word.isprintable():
        raise BadInput(Text("Mot-clé impossible.", "Impossible keyword."))
    return word


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise BadInput(Text(f"{MAX_TEXT} caractères au plus.", f"{MAX_TEXT} characters at most."))
    return text


ACTS: tuple[Act, ...] = (
    list_missions, read_mission, create_mission, remove_mission, set_keywords, list_changes, subscribe, unsubscribe, list_subscribers,
    read_log, write_log, erase_entry,
)  # fmt: skip
