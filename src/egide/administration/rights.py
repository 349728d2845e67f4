"""Officers, habilitations, sessions, lost keys, drafts and holds, compared with the acts that made them (rights_check.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from sqlalchemy import select

from egide.administration.orders import OrderDraft, drafted
from egide.administration.personas import FOREVER_US, PERSONAS
from egide.administration.retention import Due
from egide.kernel import tables
from egide.kernel.errors import EgideError
from egide.kernel.identity import SESSION_S
from egide.kernel.orders import OrderBody, canonical
from egide.kernel.retention import erase_at
from egide.kernel.rights_check import Acts, Fault, Told, about_then, fault, made
from egide.kernel.times import parse

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel


def check(acts: Acts) -> Iterator[Fault]:
    """All of them."""
    yield from _people(acts)
    yield from _habilitations(acts)
    yield from _passkeys(acts)
    yield from _holds(acts)
    yield from _kept(acts)
    yield from _sessions(acts)
    yield from _drafts(acts)


def _people(acts: Acts) -> Iterator[Fault]:
    """Roles and unit are those with which the officer was added; nobody is added without an act."""
    added = {person: act for act in acts.named("administration.person.add") for person in act.people}
    seeds = {each["id"]: each for each in PERSONAS} if acts.named("administration.demo.seed") else {}
    for row in acts.db.execute(select(tables.person)):
        acts.checked += 1
        where, act = f"person {row.id}", added.get(row.id)
        given: dict[str, Any] | None = seeds.get(row.id) or (act.given if act else None)
        if given is None:
            if act is None:
                yield fault(
                    where, "Aucun acte n’a ajouté cet agent, tel quel", "No act added this officer as they stand"
                )
            continue
        if (row.roles, row.unit, row.active) != (" ".join(given["roles"]), given["unit"], True):
            yield fault(
                where, "Les rôles ou l’unité ne sont pas ceux de l’acte", "Roles or unit are not those of the act",
                act.index if act else None,
            )  # fmt: skip


def _habilitations(acts: Acts) -> Iterator[Fault]:
    """Each was granted as it stands, and is withdrawn if and only if an act withdrew it."""
    granted: Counter[tuple[str, str, int]] = Counter()
    lost: set[str] = set()
    for act in acts.named("administration.habilitation.grant"):
        if act.given is None:
            lost.update(act.people)
        else:
            granted[act.given["person"], act.given["scope"], parse(act.given["until"])] += 1
    if acts.named("administration.demo.seed"):
        granted.update((each["id"], "*", FOREVER_US) for each in PERSONAS)
    ended = acts.named("administration.habilitation.withdraw")
    for row in acts.db.execute(select(tables.habilitation)):
        acts.checked += 1
        where = f"habilitation {row.id}"
        granted[row.person, row.scope, row.until] -= 1
        if granted[row.person, row.scope, row.until] < 0 and row.person not in lost:
            yield fault(
                where, "Aucun acte n’a accordé cette habilitation, telle quelle", "No act granted this habilitation as it stands"
            )  # fmt: skip
        yield from _ended(where, row.withdrawn, row.id, "habilitation", ended)


def _passkeys(acts: Acts) -> Iterator[Fault]:
    """A key is revoked if and only if an act revoked it."""
    ended = acts.named("administration.passkey.revoke")
    for row in acts.db.execute(select(tables.passkey.c.id, tables.passkey.c.revoked)):
        acts.checked += 1
        yield from _ended(f"passkey {row.id}", row.revoked, row.id, "passkey", ended)


def _ended(where: str, moment: int | None, id_: str, field: str, ended: list[Told]) -> Iterator[Fault]:
    """Whether a right's end is that of an act; one whose body was erased might have been this one's."""
    told = [act for act in ended if act.given is not None and act.given[field] == id_]
    unknown = any(act.given is None for act in ended)
    if told and not any(about_then(moment, act) for act in told):
        yield fault(
            where, "L’acte y a mis fin, la ligne dit autre chose", "The act ended it, the row says otherwise", told[-1].index
        )  # fmt: skip
    if not told and not unknown and moment is not None:
        yield fault(where, "Aucun acte n’y a mis fin", "No act ended it")


def _holds(acts: Acts) -> Iterator[Fault]:
    """What is held for a procedure is held as long as the act said."""
    told: Counter[tuple[str, int | None]] = Counter()
    unknown = False
    for act in acts.named("retention.hold"):
        if act.given is None:
            unknown = True
            continue
        until = act.given.get("until")
        told[f"{act.given['category']}/{act.given['object']}", parse(until) if until else None] += 1
    held: Counter[tuple[str, int | None]] = Counter()
    for row in acts.db.execute(select(tables.hold)):
        acts.checked += 1
        held[row.retained, row.until] += 1
        if held[row.retained, row.until] > told[row.retained, row.until] and not unknown:
            yield fault(f"hold {row.id}", "Aucun acte n’a conservé cela, tel quel", "No act holds this as it stands")


def _sessions(acts: Acts) -> Iterator[Fault]:
    """Somebody signed in as that person then, and the session lasts as long as all do."""
    entering = ("administration.sign_in.finish", "administration.passkey.finish", "administration.demo.enter")
    yield from made(
        acts, tables.session, entering, lambda row: (row.person, row.strength, row.until - row.started),
        lambda act: (act.actor, "demo" if act.act == entering[-1] else "passkey", SESSION_S * 1_000_000), "started",
    )  # fmt: skip


def _drafts(acts: Acts) -> Iterator[Fault]:
    """An order that nobody has signed yet is as it was drafted: a prefect signs what they read."""
    realm, told, unknown = acts.kernel.settings.realm, set(), False
    for act in acts.named("orders.draft"):
        if act.given is None:
            unknown = True
        else:
            told.add(canonical(drafted(msgspec.convert(act.given, OrderDraft), "", realm, act.actor)))
    table = tables.order
    for row in acts.db.execute(select(table.c.id, table.c.draft).where(table.c.signed.is_(None))):
        acts.checked += 1
        try:
            body = msgspec.json.decode(row.draft, type=OrderBody)
            same = body.id == row.id and canonical(body) == row.draft
            same = same and canonical(msgspec.structs.replace(body, id="")) in told
        except (msgspec.DecodeError, UnicodeDecodeError):
            same = False
        if not same and not unknown:
            yield fault(
                f"order {row.id}", "Aucun acte n’a rédigé ce projet, tel quel", "No act drafted this as it stands"
            )


def _kept(acts: Acts) -> Iterator[Fault]:
    """What is kept for a time is erased when the law's term, from its beginning, is over; where it may, sooner."""
    erased = {
        (act.given["category"], object_)
        for act in acts.named("retention.erase")
        if act.given is not None
        for object_ in msgspec.convert(act.given, Due).every
    }
    kept = [rule for activity in acts.kernel.activities.values() for rule in activity.retention]
    shorter = {rule.category for rule in kept if rule.sooner}
    for row in acts.db.execute(select(tables.retained)):
        acts.checked += 1
        expected = _due(acts.kernel, row.category, row.trigger)
        sooner = row.category in shorter and row.erase_at is not None and expected not in (None, False)
        early = sooner and row.trigger <= row.erase_at <= int(expected or 0)
        states = ("open",) if row.trigger is None else ("sealed", "erasing", "erased")
        gone = row.state in ("erasing", "erased") and (row.category, row.object) not in erased
        if (
            expected is False
            or (row.erase_at != expected and not early)
            or row.state not in states
            or gone
            or f"{row.category}/{row.object}" != row.id
        ):
            yield fault(
                f"retained {row.id}", "La date d’effacement n’est pas celle de la règle", "The date of erasure is not that of the rule"
            )  # fmt: skip


def _due(kernel: Kernel, category: str, trigger: int | None) -> int | Literal[False] | None:
    """When the law's term is over; None while it has not begun, False for what no rule knows."""
    if trigger is None:
        return None
    try:
        return erase_at(kernel, category, trigger)
    except (EgideError, OverflowError, ValueError):  # a category or a year that does not exist
        return False
