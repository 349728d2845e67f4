"""The officers' terminals: registered by their person, given a key for a day at each contact, ended when lost.

A terminal keeps its last picture and what was done without network, encrypted. What opens that store is half on the device, half
here: at each contact the terminal is given its lease key for `led.terminal_lease`; once the person or an administrator revokes
it, the key is destroyed (vault.shred), its session ends and its sockets close. What this does and does not guarantee of a seized
device: docs/decisions/0046. Source: directive 2016/680, articles 20 and 29.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
from sqlalchemy import Row, delete

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.devices import MAX_LABEL, DeviceKind
from egide.kernel.errors import BadInput, Text
from egide.operations.terminal_tables import push_subscription, terminal

TERMINALS, LEASE = "terminals", "terminal-lease"
UNKNOWN = (
    Text("Ce terminal n’existe pas, ou n’est pas le vôtre.", "This terminal does not exist, or is not yours."),
    Text("Enregistrez-le de nouveau.", "Register it again."),
)
KIND = DeviceKind(terminal, "terminal", TERMINALS, LEASE, "led.terminal_lease", UNKNOWN)


class NewTerminal(Input):
    """This device; the label is what its person calls it."""

    label: str


class TerminalRef(Input):
    """One terminal."""

    terminal: str


class PersonRef(Input):
    """Whose terminals."""

    person: str


class Revocation(Input):
    """A terminal that is lost, stolen or given back, and why."""

    terminal: str
    reason: str


class Lease(msgspec.Struct):
    """`key` (base64, 32 bytes) opens the terminal's store for `seconds` from now; no key where the terminal is revoked."""

    terminal: str
    state: Literal["active", "revoked"]
    key: str = ""
    until: str = ""
    seconds: int = 0


class TerminalState(msgspec.Struct):
    """Whether a terminal may go on keeping anything."""

    state: Literal["active", "revoked", "unknown"]


class TerminalList(msgspec.Struct):
    """Terminals, newest contact first."""

    terminals: list[dict[str, Any]]


@act(
    "operations.terminal.register", verb="collect", activity=TERMINALS, roles=["self"], duty=True, input=NewTerminal, output=Lease,
    fr="Enregistrer ce terminal", en="Register this terminal",
)  # fmt: skip
def register(ctx: Ctx, given: NewTerminal) -> Effect:
    label = " ".join(given.label.split())
    if not 1 <= len(label) <= MAX_LABEL:
        raise BadInput(
            Text(
                f"Le nom du terminal a de 1 à {MAX_LABEL} signes.",
                f"A terminal’s name has 1 to {MAX_LABEL} characters.",
            )
        )
    row, lent = KIND.new(ctx, label)
    return Effect(Lease(row["id"], *lent), rows=[(terminal, row | {"registered": ctx.now_us})])


@act(
    "operations.terminal.lease", verb="view", activity="picture", roles=["officer", "command", "pilot"], duty=True, input=TerminalRef, output=Lease,
    fr="Renouveler le bail de ce terminal", en="Renew this terminal’s lease",
)  # fmt: skip
def lease(ctx: Ctx, given: TerminalRef) -> Effect:
    row = KIND.one(ctx, given.terminal, ctx.principal.id)
    lent, apply = KIND.renewed(ctx, row)
    return Effect(Lease(row.id, *lent), apply=apply)


@act(
    "operations.terminal.state", verb="view", activity=TERMINALS, open=True, roles=["anyone"], input=TerminalRef, output=TerminalState,
    fr="Savoir si un terminal est révoqué", en="Know whether a terminal is revoked",
)  # fmt: skip
def state(ctx: Ctx, given: TerminalRef) -> Effect:
    """For a device whose session is over: a drawn number in, one word out, so that a lost one wipes itself when it can."""
    return Effect(TerminalState(KIND.state(ctx, given.terminal)))


@act(
    "operations.terminal.mine", verb="view", activity=TERMINALS, roles=["self"], duty=True, output=TerminalList,
    fr="Voir ses terminaux", en="See one’s terminals",
)  # fmt: skip
def mine(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(TerminalList(_of(ctx, ctx.principal.id)))


@act(
    "operations.terminal.of", verb="consult", activity=TERMINALS, roles=["administrator"], duty=True, input=PersonRef, output=TerminalList,
    fr="Consulter les terminaux d’un agent", en="Consult an officer’s terminals",
)  # fmt: skip
def of_person(ctx: Ctx, given: PersonRef) -> Effect:
    return Effect(TerminalList(_of(ctx, given.person)), concerns=(given.person,))


@act(
    "operations.terminal.revoke", verb="administer", activity=TERMINALS, roles=["self"], duty=True, input=Revocation,
    fr="Révoquer un de ses terminaux", en="Revoke one of one’s terminals",
)  # fmt: skip
def revoke(ctx: Ctx, given: Revocation) -> Effect:
    return _revoked(ctx, KIND.one(ctx, given.terminal, ctx.principal.id))


@act(
    "operations.terminal.block", verb="administer", activity=TERMINALS, roles=["administrator"], input=Revocation,
    fr="Révoquer le terminal d’un agent", en="Revoke an officer’s terminal",
)  # fmt: skip
def block(ctx: Ctx, given: Revocation) -> Effect:
    row = KIND.one(ctx, given.terminal)
    effect = _revoked(ctx, row)
    effect.concerns = (row.person,)
    return effect


def _revoked(ctx: Ctx, row: Row[Any]) -> Effect:
    """It is woken no more, either."""
    woken = delete(push_subscription).where(push_subscription.c.terminal == row.id)
    return KIND.revoked(ctx, row, lambda connection: connection.execute(woken))


def _of(ctx: Ctx, person: str) -> list[dict[str, Any]]:
    when: Callable[[int | None], str | None] = lambda at: iso(at) if at is not None else None  # noqa: E731 — three words, four uses
    return [
        {
            "id": row.id, "label": label, "here": here, "registered": when(row.registered),
            "seen": when(row.seen), "until": when(row.until), "revoked": when(row.revoked),
        }
        for row, label, here in KIND.of(ctx, person)
    ]  # fmt: skip


ACTS: tuple[Act, ...] = (register, lease, state, mine, of_person, revoke, block)
