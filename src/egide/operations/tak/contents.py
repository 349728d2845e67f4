"""What a TAK mission holds: files by hash, objects of the map by id with their last event; and who is invited to it."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.store import put
from egide.operations.tak import mission_store as store
from egide.operations.tak import packages, tables
from egide.operations.tak.events import MAX_EVENT, Head, read_head
from egide.operations.tak.groups import groups_of
from egide.operations.tak.identity import devices, name_on_the_wire, own_device
from egide.operations.tak.mission_store import ADDED, HASH, REMOVED, UID, MissionShown
from egide.operations.tak.missions import CHANGED, OFFICERS, MissionRef

MAX_AT_ONCE = 100  # files and objects of one act
MAX_UID = 120  # characters
_TABLE = tables.content


class Contents(Input):
    """Files by hash and objects by id: put into a mission, or taken out of it."""

    mission: str
    device: str
    hashes: list[str] = []
    uids: list[str] = []


class Placed(Input):
    """An object's event, sent to a mission over the stream."""

    mission: str
    device: str
    event: bytes


class Events(msgspec.Struct):
    """The last event of each object that a mission holds."""

    events: list[bytes]


class Invite(Input):
    """A device, by the id its application gives itself, that is to follow a mission."""

    mission: str
    device: str
    invited: str


class Invitation(msgspec.Struct):
    """To which mission a device was invited, by whom."""

    mission: str
    invited: str
    creator: str
    at_us: int


class Invitations(msgspec.Struct):
    """Invitations of one's own devices."""

    invitations: list[Invitation]


@act(
    "operations.tak.mission.put", verb="alter", activity="tak-data", roles=OFFICERS, duty=True, input=Contents, output=MissionShown,
    fr="Mettre des éléments dans une mission TAK", en="Put things into a TAK mission",
)  # fmt: skip
def put_contents(ctx: Ctx, given: Contents) -> Effect:
    """A file goes in only if the one who puts it may have it: a hash alone opens nothing."""
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    files = [packages.one(ctx, packages.PackageRef(hash=hash_)) for hash_ in dict.fromkeys(_few(given).hashes)]
    uids = [_uid(uid) for uid in dict.fromkeys(given.uids)]
    refs = [*((HASH + file.hash, file.id) for file in files), *((UID + uid, None) for uid in uids)]
    rows = [(tables.change, store.change_row(row.id, ctx.now_us, ADDED, ref, device)) for ref, _package in refs]

    def apply(connection: Connection) -> None:
        for ref, package in refs:
            key = {"mission": row.id, "ref": ref}
            put(connection, _TABLE, key, {"at": ctx.now_us, "device": device, "package": package})
            if package is not None:
                packages.hold(connection, package)

    (told,) = store.show(ctx, [row], whole=True)
    known = devices(ctx.kernel, ctx.db, [device])
    creator = name_on_the_wire(known, device)
    there = {held.resource.hash for held in told.contents}
    told.contents += [store.Held(file, ctx.now_us, creator) for file in files if file.hash not in there]
    placed = {each.uid for each in told.objects}
    told.objects += [store.MapObject(uid, ctx.now_us, creator) for uid in uids if uid not in placed]
    return Effect(told, rows=rows, apply=apply, events=[(CHANGED, {"change": each["id"]}) for _table, each in rows])


@act(
    "operations.tak.mission.take", verb="alter", activity="tak-data", roles=OFFICERS, duty=True, input=Contents, output=MissionShown,
    fr="Retirer des éléments d’une mission TAK", en="Take things out of a TAK mission",
)  # fmt: skip
def take_contents(ctx: Ctx, given: Contents) -> Effect:
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    wanted = [*(HASH + hash_.lower() for hash_ in _few(given).hashes), *(UID + uid for uid in given.uids)]
    held = ctx.db.execute(
        select(_TABLE.c.ref, _TABLE.c.package).where(_TABLE.c.mission == row.id, _TABLE.c.ref.in_(wanted))
    ).all()
    if not held:
        raise NotFound(Text("La mission ne contient pas cela.", "The mission does not hold that."))
    rows = [(tables.change, store.change_row(row.id, ctx.now_us, REMOVED, each.ref, device)) for each in held]

    def apply(connection: Connection) -> None:
        for each in held:
            connection.execute(delete(_TABLE).where(_TABLE.c.mission == row.id, _TABLE.c.ref == each.ref))
            if each.package:
                packages.release(ctx.kernel, connection, each.package, ctx.now_us)

    (told,) = store.show(ctx, [row], whole=True)
    gone = {each.ref for each in held}
    told.contents = [each for each in told.contents if HASH + each.resource.hash not in gone]
    told.objects = [each for each in told.objects if UID + each.uid not in gone]
    return Effect(told, rows=rows, apply=apply, events=[(CHANGED, {"change": each["id"]}) for _table, each in rows])


@act(
    "operations.tak.mission.place", verb="alter", activity="tak-data", roles=OFFICERS, duty=True, input=Placed, output=Nothing,
    fr="Placer un objet sur la carte d’une mission TAK", en="Place an object on a TAK mission’s map",
)  # fmt: skip
def place(ctx: Ctx, given: Placed) -> Effect:
    """The event's bytes are kept as they came; a change is told only where the object is new to the mission."""
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    head = _head(given.event)
    ref = UID + _uid(head.uid)
    sealed = store.seal(ctx.kernel, row.id, given.event, ref)
    known = ctx.db.execute(select(_TABLE.c.ref).where(_TABLE.c.mission == row.id, _TABLE.c.ref == ref)).first()
    change = store.change_row(row.id, ctx.now_us, ADDED, ref, device)

    def apply(connection: Connection) -> None:
        key = {"mission": row.id, "ref": ref}
        put(connection, _TABLE, key, {"at": ctx.now_us, "device": device, "package": None, "body": sealed})

    rows: list[tuple[Any, dict[str, Any]]] = [] if known else [(tables.change, change)]
    return Effect(
        Nothing(), rows=rows, apply=apply, events=[(CHANGED, {"change": each["id"]}) for _table, each in rows]
    )


@act(
    "operations.tak.mission.map", verb="consult", activity="tak-data", roles=OFFICERS, duty=True, input=MissionRef, output=Events,
    fr="Voir la carte d’une mission TAK", en="See a TAK mission’s map",
)  # fmt: skip
def read_map(ctx: Ctx, given: MissionRef) -> Effect:
    (told,) = store.show(ctx, [store.named(ctx, given.mission)], whole=True)
    return Effect(Events([each.event for each in told.objects if each.event]))


@act(
    "operations.tak.mission.invite", verb="disclose", activity="tak-data", roles=OFFICERS, duty=True, input=Invite,
    fr="Inviter un appareil à une mission TAK", en="Invite a device to a TAK mission",
)  # fmt: skip
def invite(ctx: Ctx, given: Invite) -> Effect:
    """An invitation shows the mission's name to those who could find it anyway: it opens nothing."""
    row, device = store.named(ctx, given.mission), own_device(ctx, given.device)
    shared = store.groups_in(ctx.db, row.id)
    invited = _device_called(ctx, given.invited, shared)

    def apply(connection: Connection) -> None:
        key = {"mission": row.id, "invited": invited}
        put(connection, tables.invitation, key, {"device": device, "at": ctx.now_us})

    return Effect(Nothing(), apply=apply)


@act(
    "operations.tak.mission.invitations", verb="view", activity="tak-data", roles=OFFICERS, duty=True, output=Invitations,
    fr="Voir à quelles missions TAK on est invité", en="See to which TAK missions one is invited",
)  # fmt: skip
def list_invitations(ctx: Ctx, _given: Nothing) -> Effect:
    own = select(tables.device.c.id).where(tables.device.c.person == ctx.principal.id)
    table, seen = tables.invitation, {row.id: row for row in store.visible(ctx)}
    rows = ctx.db.execute(select(table).where(table.c.invited.in_(own)).order_by(table.c.at)).all()
    known = devices(ctx.kernel, ctx.db, [each for row in rows for each in (row.device, row.invited)])
    told = [
        Invitation(seen[row.mission].name, name_on_the_wire(known, row.invited), name_on_the_wire(known, row.device), row.at)
        for row in rows if row.mission in seen
    ]  # fmt: skip
    return Effect(Invitations(told))


def _device_called(ctx: Ctx, uid: str, groups: frozenset[str]) -> str:
    """The device that calls itself so and whose person shares one of these groups. Raises `NotFound`."""
    table = tables.device
    ids = [row.id for row in ctx.db.execute(select(table.c.id).where(table.c.revoked.is_(None)).limit(10_000))]
    for id_, device in devices(ctx.kernel, ctx.db, ids).items():
        if uid in (device.uid, id_):
            person = ctx.kernel.identity.person(device.person, ctx.db)
            if person is not None and groups & set(groups_of(ctx.db, person)):
                return id_
    raise NotFound(
        Text(
            "Cet appareil n’existe pas, ou n’est pas du groupe.", "This device does not exist, or is not of the group."
        ),
        Text("Inscrivez d’abord son porteur à la mission.", "Put its bearer on the mission’s roster first."),
    )


def _few(given: Contents) -> Contents:
    if not 1 <= len(given.hashes) + len(given.uids) <= MAX_AT_ONCE:
        raise BadInput(Text(f"De 1 à {MAX_AT_ONCE} éléments à la fois.", f"1 to {MAX_AT_ONCE} things at once."))
    return given


def _uid(uid: str) -> str:
    if not 1 <= len(uid) <= MAX_UID or not uid.isprintable():
        raise BadInput(Text("Identifiant d’objet impossible.", "Impossible object id."))
    return uid


def _head(event: bytes) -> Head:
    if len(event) > MAX_EVENT:
        raise BadInput(Text(f"{MAX_EVENT} octets au plus.", f"{MAX_EVENT} bytes at most."))
    try:
        return read_head(event)
    except ValueError as error:
        raise BadInput(Text(f"Ce n’est pas du CoT : {error}.", f"This is not CoT: {error}.")) from error


ACTS: tuple[Act, ...] = (put_contents, take_contents, place, read_map, invite, list_invitations)
