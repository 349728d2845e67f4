"""Officers, units, habilitations and passkeys: who may do what, until when, and taking it back at once."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.identity import ROLES, digest, new_id, new_secret
from egide.kernel.times import parse

INVITATION_US = 7 * 86_400_000_000  # µs: a week to register the first passkey
ADMIN = ("administrator",)


class People(msgspec.Struct):
    """Everyone and every unit, as the administration page lists them."""

    people: list[dict[str, Any]]
    units: list[dict[str, str]]
    roles: list[str]
    scopes: list[dict[str, str]]


class NewUnit(Input):
    """A unit to add."""

    name: str


class Added(msgspec.Struct):
    """The id of what was added."""

    id: str


class NewPerson(Input):
    """An officer to add."""

    name: str
    unit: str
    roles: list[str]


class Invitation(msgspec.Struct):
    """Shown once: the code with which the first passkey is registered."""

    id: str
    invitation: str


class PersonRef(Input):
    """A person."""

    person: str


class NewHabilitation(Input):
    """The right to use one activity until a date; `*` for every activity of the realm."""

    person: str
    scope: str
    until: str


class Withdrawal(Input):
    """A habilitation taken back, and why."""

    habilitation: str
    reason: str


class PasskeyRevocation(Input):
    """A lost or stolen key, and why."""

    passkey: str
    reason: str


@act(
    "administration.people.list", verb="consult", activity="access", roles=ADMIN, duty=True, output=People,
    fr="Consulter les agents et leurs droits", en="Consult officers and their rights",
)  # fmt: skip
def list_people(ctx: Ctx, _given: Nothing) -> Effect:
    db, identity = ctx.db, ctx.kernel.identity
    rights: dict[str, list[dict[str, Any]]] = {}
    for row in db.execute(select(tables.habilitation).where(tables.habilitation.c.withdrawn.is_(None))):
        rights.setdefault(row.person, []).append({"id": row.id, "scope": row.scope, "until": iso(row.until)})
    keys: dict[str, list[dict[str, Any]]] = {}
    for row in db.execute(select(tables.passkey).where(tables.passkey.c.revoked.is_(None))):
        keys.setdefault(row.person, []).append({"id": row.id, "label": row.label, "added": iso(row.added)})
    units = [{"id": row.id, "name": row.name} for row in db.execute(select(tables.unit).order_by(tables.unit.c.name))]
    names = {unit["id"]: unit["name"] for unit in units}
    people = [
        {
            "id": row.id, "name": identity.open_name(row.id, row.name), "unit": names.get(row.unit, ""), "roles": row.roles.split(),
            "habilitations": rights.get(row.id, []), "passkeys": keys.get(row.id, []), "active": row.active,
        }
        for row in db.execute(select(tables.person).order_by(tables.person.c.added))
    ]  # fmt: skip
    scopes = [{"id": "*", "fr": "Tout le service", "en": "The whole service"}]
    scopes += [{"id": a.id, "fr": a.title.fr, "en": a.title.en} for a in ctx.kernel.activities.values()]
    return Effect(People(people, units, list(ROLES), scopes))


@act(
    "administration.unit.add", verb="administer", activity="access", roles=ADMIN, duty=True, input=NewUnit, output=Added,
    fr="Ajouter une unité", en="Add a unit",
)  # fmt: skip
def add_unit(_ctx: Ctx, given: NewUnit) -> Effect:
    id_ = new_id()
    return Effect(Added(id_), rows=[(tables.unit, {"id": id_, "name": _named(given.name)})])


@act(
    "administration.person.add", verb="administer", activity="access", roles=ADMIN, duty=True, input=NewPerson, output=Invitation,
    fr="Ajouter un agent", en="Add an officer",
)  # fmt: skip
def add_person(ctx: Ctx, given: NewPerson) -> Effect:
    unknown = [role for role in given.roles if role not in ROLES]
    if unknown or not given.roles:
        raise BadInput(
            Text(
                f"Rôle inconnu : {', '.join(unknown) or '(aucun)'}.", f"Unknown role: {', '.join(unknown) or '(none)'}."
            ),
            Text(f"Choisissez parmi : {', '.join(ROLES)}.", f"Choose among: {', '.join(ROLES)}."),
        )
    if ctx.db.execute(select(tables.unit.c.id).where(tables.unit.c.id == given.unit)).first() is None:
        raise NotFound(
            Text("Cette unité n’existe pas.", "This unit does not exist."), Text("Ajoutez-la d’abord.", "Add it first.")
        )
    id_ = new_id()
    code, invitation = _invitation(ctx, id_)
    row = person_row(ctx, id_, _named(given.name), given.unit, given.roles)
    return Effect(Invitation(id_, code), rows=[(tables.person, row), (tables.invitation, invitation)], concerns=(id_,))


@act(
    "administration.person.invite", verb="administer", activity="access", roles=ADMIN, duty=True, input=PersonRef, output=Invitation,
    fr="Inviter à enregistrer une clé d’accès", en="Invite to register a passkey",
)  # fmt: skip
def invite_person(ctx: Ctx, given: PersonRef) -> Effect:
    if ctx.kernel.identity.person(given.person, ctx.db) is None:
        raise NotFound(
            Text("Cet agent n’existe pas ou n’est plus actif.", "This officer does not exist or is no longer active.")
        )
    code, invitation = _invitation(ctx, given.person)
    return Effect(Invitation(given.person, code), rows=[(tables.invitation, invitation)], concerns=(given.person,))


@act(
    "administration.habilitation.grant", verb="administer", activity="access", roles=ADMIN, duty=True, input=NewHabilitation, output=Added,
    fr="Habiliter un agent", en="Grant a habilitation",
)  # fmt: skip
def grant(ctx: Ctx, given: NewHabilitation) -> Effect:
    if given.scope != "*" and given.scope not in ctx.kernel.activities:
        raise BadInput(Text(f"Traitement inconnu : {given.scope}.", f"Unknown activity: {given.scope}."))
    until = parse(given.until)
    if until <= ctx.now_us:
        raise BadInput(Text("La date de fin est déjà passée.", "The end date is in the past."))
    if ctx.kernel.identity.person(given.person, ctx.db) is None:
        raise NotFound(Text("Cet agent n’existe pas.", "This officer does not exist."))
    id_ = new_id()
    return Effect(
        Added(id_),
        rows=[
            (
                tables.habilitation,
                {"id": id_, "person": given.person, "scope": given.scope, "until": until, "withdrawn": None},
            )
        ],
        events=[("right.changed", {"person": given.person})],
        rights_changed=True,
        concerns=(given.person,),
    )


@act(
    "administration.habilitation.withdraw", verb="administer", activity="access", roles=ADMIN, input=Withdrawal,
    fr="Retirer une habilitation", en="Withdraw a habilitation",
)  # fmt: skip
def withdraw(ctx: Ctx, given: Withdrawal) -> Effect:
    person = ctx.db.execute(
        select(tables.habilitation.c.person).where(tables.habilitation.c.id == given.habilitation)
    ).scalar()
    if person is None:
        raise NotFound(Text("Cette habilitation n’existe pas.", "This habilitation does not exist."))

    def apply(connection: Connection) -> None:
        connection.execute(
            update(tables.habilitation)
            .where(tables.habilitation.c.id == given.habilitation)
            .values(withdrawn=ctx.now_us)
        )

    return Effect(
        Nothing(),
        apply=apply,
        events=[("right.changed", {"person": person})],
        rights_changed=True,
        concerns=(str(person),),
    )


@act(
    "administration.passkey.revoke", verb="administer", activity="access", roles=ADMIN, input=PasskeyRevocation,
    fr="Révoquer une clé d’accès et fermer les sessions", en="Revoke a passkey and end its sessions",
)  # fmt: skip
def revoke_passkey(ctx: Ctx, given: PasskeyRevocation) -> Effect:
    person = ctx.db.execute(select(tables.passkey.c.person).where(tables.passkey.c.id == given.passkey)).scalar()
    if person is None:
        raise NotFound(Text("Cette clé n’existe pas.", "This key does not exist."))

    def apply(connection: Connection) -> None:
        connection.execute(
            update(tables.passkey).where(tables.passkey.c.id == given.passkey).values(revoked=ctx.now_us)
        )
        connection.execute(
            update(tables.session)
            .where(tables.session.c.person == person, tables.session.c.ended.is_(None))
            .values(ended=ctx.now_us)
        )

    return Effect(
        Nothing(),
        apply=apply,
        events=[("right.changed", {"person": person})],
        rights_changed=True,
        concerns=(str(person),),
    )


def person_row(ctx: Ctx, id_: str, name: str, unit: str, roles: list[str]) -> dict[str, Any]:
    """The row of a new person; the name is sealed with their own key."""
    sealed = ctx.kernel.identity.seal_name(id_, name)
    return {"id": id_, "name": sealed, "unit": unit, "roles": " ".join(roles), "active": True, "added": ctx.now_us}


def _invitation(ctx: Ctx, person: str) -> tuple[str, dict[str, Any]]:
    code = new_secret()
    return code, {"hash": digest(code), "person": person, "until": ctx.now_us + INVITATION_US, "used": None}


def _named(name: str) -> str:
    found = " ".join(name.split())
    if not 1 <= len(found) <= 200:
        raise BadInput(Text("Le nom doit avoir de 1 à 200 caractères.", "The name must have 1 to 200 characters."))
    return found


ACTS: tuple[Act, ...] = (list_people, add_unit, add_person, invite_person, grant, withdraw, revoke_passkey)
