"""Demonstration personas: one click takes a role. This module is only ever registered in demo mode, and the banner says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from egide.administration.people import person_row
from egide.administration.sign_in import PersonShown, SignedIn
from egide.kernel import tables
from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.errors import NotFound, Text
from egide.kernel.identity import SESSION_S, new_secret

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from egide.kernel.kernel import Kernel

SEED = "administration.demo.seed"
FOREVER_US = 253_402_300_799_000_000  # µs: the last second of year 9999

PERSONAS: tuple[dict[str, Any], ...] = (
    {"id": "officer", "name": "Camille Aubert", "roles": ["officer"], "unit": "brigade",
     "about": {"fr": "Policière sur le terrain, inscrite à la mission", "en": "Officer in the field, on the mission’s roster"}},
    {"id": "other-officer", "name": "Noé Lambert", "roles": ["officer"], "unit": "brigade",
     "about": {"fr": "Policier d’une autre équipe, non inscrit à la mission", "en": "Officer of another team, not on the roster"}},
    {"id": "command", "name": "Inès Moreau", "roles": ["command", "officer"], "unit": "command",
     "about": {"fr": "Cheffe de salle : ouvre les missions, lance les caméras", "en": "Duty commander: opens missions, starts cameras"}},
    {"id": "prefect", "name": "Hélène Roussel", "roles": ["prefect"], "unit": "prefecture",
     "about": {"fr": "Préfète : signe, prolonge et met fin aux arrêtés", "en": "Prefect: signs, extends and ends orders"}},
    {"id": "dpo", "name": "Samir Haddad", "roles": ["dpo", "inspector"], "unit": "prefecture",
     "about": {"fr": "Délégué à la protection des données : voit qui a fait quoi, et pourquoi", "en": "Data protection officer: sees who did what, and why"}},
    {"id": "magistrate", "name": "Louise Garnier", "roles": ["magistrate"], "unit": "court",
     "about": {"fr": "Magistrate : peut requérir un enregistrement scellé", "en": "Magistrate: may request a sealed recording"}},
    {"id": "administrator", "name": "Paul Girard", "roles": ["administrator"], "unit": "command",
     "about": {"fr": "Administrateur : agents, unités, habilitations", "en": "Administrator: officers, units, habilitations"}},
)  # fmt: skip
UNITS = {
    "brigade": "Brigade de voie publique (exercice)",
    "command": "Salle de commandement (exercice)",
    "prefecture": "Préfecture (exercice)",
    "court": "Tribunal judiciaire (exercice)",
}


class PersonaRef(Input):
    """A persona of the demonstration."""

    persona: str


class NoInput(Input):
    """Nothing to say."""


@act(
    SEED, verb="administer", activity="access", roles=["system"], system=True, duty=True, input=NoInput,
    fr="Créer les personnages de la démonstration", en="Create the demonstration’s personas",
)  # fmt: skip
def seed(ctx: Ctx, _given: NoInput) -> Effect:
    """Once in a store's life: whoever was erased since, or withdrawn, does not come back at the next start."""
    table = tables.entry
    before = select(table.c.idx).where(
        table.c.realm == ctx.kernel.settings.realm, table.c.act == SEED, table.c.outcome == "allowed"
    )
    if ctx.db.execute(before.limit(1)).first() is not None:
        return Effect(NoInput())
    rows: list[tuple[Any, dict[str, Any]]] = [(tables.unit, {"id": id_, "name": name}) for id_, name in UNITS.items()]
    for persona in PERSONAS:
        id_ = persona["id"]
        rows.append((tables.person, person_row(ctx, id_, persona["name"], persona["unit"], persona["roles"])))
        right = {"id": f"demo-{id_}", "person": id_, "scope": "*", "until": FOREVER_US, "withdrawn": None}
        rows.append((tables.habilitation, right))
    return Effect(NoInput(), rows=rows)


@act(
    "administration.demo.enter", verb="administer", activity="access", roles=["anyone"], duty=True, input=PersonaRef, output=SignedIn,
    fr="Entrer comme un personnage de la démonstration", en="Enter as a persona of the demonstration",
)  # fmt: skip
def enter(ctx: Ctx, given: PersonaRef) -> Effect:
    persona = next((p for p in PERSONAS if p["id"] == given.persona), None)
    if persona is None or persona["id"] not in _present(ctx.db):
        raise NotFound(Text("Ce personnage n’existe pas.", "This persona does not exist."))
    secret = new_secret()
    row = ctx.kernel.identity.session_row(persona["id"], secret, "demo")
    shown = PersonShown(persona["id"], persona["name"], sorted(persona["roles"]), UNITS[persona["unit"]])
    return Effect(SignedIn(shown), rows=[(tables.session, row)], set_cookie=(secret, SESSION_S), actor=persona["id"])


def announce(kernel: Kernel) -> None:
    """Puts the personas who are there on the sign-in page."""
    present = _present(kernel.store.reader())
    kernel.things["personas"] = [
        {key: p[key] for key in ("id", "name", "roles", "about")} for p in PERSONAS if p["id"] in present
    ]


def _present(db: Connection) -> set[str]:
    return {row[0] for row in db.execute(select(tables.person.c.id))}


ACTS: tuple[Act, ...] = (seed, enter)
