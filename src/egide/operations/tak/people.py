"""Who is there: one's groups, and the clients that stream in one of them now or did lately."""

from __future__ import annotations

import msgspec

from egide.kernel.act import Act, Ctx, Effect, Nothing, act
from egide.operations.tak.groups import groups_of
from egide.operations.tak.ports import router

OFFICERS = ("officer", "command", "pilot")


class GroupShown(msgspec.Struct):
    """A group one is of."""

    id: str
    name: str


class Groups(msgspec.Struct):
    """One's groups."""

    groups: list[GroupShown]


class ContactShown(msgspec.Struct):
    """A client, as others see it."""

    uid: str
    callsign: str
    team: str
    role: str
    takv: str
    heard_ms: int


class Contacts(msgspec.Struct):
    """Clients of one's groups."""

    contacts: list[ContactShown]


@act(
    "operations.tak.groups", verb="view", activity="tak-data", roles=OFFICERS, duty=True, output=Groups,
    fr="Voir ses groupes TAK", en="See one’s TAK groups",
)  # fmt: skip
def show_groups(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Groups([GroupShown(id_, name) for id_, name in groups_of(ctx.db, ctx.principal).items()]))


@act(
    "operations.tak.contacts", verb="view", activity="tak-data", roles=OFFICERS, duty=True, output=Contacts,
    fr="Voir qui est connecté sur TAK", en="See who is connected on TAK",
)  # fmt: skip
def show_contacts(ctx: Ctx, _given: Nothing) -> Effect:
    found, mine = router(ctx.kernel), set(groups_of(ctx.db, ctx.principal))
    told = [
        ContactShown(each.uid, each.callsign, each.team, each.role, each.takv, each.heard_ms)
        for each in (found.contacts() if found is not None else [])
        if mine & each.groups
    ]
    return Effect(Contacts(told))


ACTS: tuple[Act, ...] = (show_groups, show_contacts)
