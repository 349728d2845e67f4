"""The officers' terminals: registered by their person, given a key for a day at each contact, ended when lost.

A terminal keeps its last picture and what was done without network, encrypted. What opens that store is half on the device, half
here: at each contact the terminal is given its lease key for `led.terminal_lease`; once the person or an administrator revokes
it, the key is destroyed (vault.shred), its session ends and its sockets close. What this does and does not guarantee of a seized
device: docs/decisions/0046. Source: directive 2016/680, articles 20 and 29.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, delete, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.clock import from_us, iso, to_us
from egide.kernel.duration import add_duration
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.randomness import draw
from egide.operations.terminal_tables import push_subscription, terminal

TERMINALS, LEASE = "terminals", "terminal-lease"
KEY_SIZE = 32  # bytes, AES-256
MAX_LABEL = 80  # characters
ENDED = "session.ended"  # the doors close the sockets of sessions that are over


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
    id_, person, vault = draw(16).hex(), ctx.principal.id, ctx.kernel.vault
    key, until = draw(KEY_SIZE), _until(ctx)
    row = {
        "id": id_, "person": person, "session": ctx.principal.session or None, "registered": ctx.now_us, "seen": ctx.now_us,
        "until": until, "revoked": None, "label": vault.seal(person, TERMINALS, label.encode(), id_.encode()),
        "key": vault.seal(_owner(id_), LEASE, key, id_.encode()),
    }  # fmt: skip
    return Effect(_lease(ctx, id_, key, until), rows=[(terminal, row)])


@act(
    "operations.terminal.lease", verb="view", activity="picture", roles=["officer", "command", "pilot"], duty=True, input=TerminalRef, output=Lease,
    fr="Renouveler le bail de ce terminal", en="Renew this terminal’s lease",
)  # fmt: skip
def lease(ctx: Ctx, given: TerminalRef) -> Effect:
    row = _row(ctx, given.terminal, ctx.principal.id)
    if row.revoked is not None or row.key is None:
        return Effect(Lease(row.id, "revoked"))
    key = ctx.kernel.vault.open_(_owner(row.id), LEASE, bytes(row.key), row.id.encode())
    until = _until(ctx)

    def apply(connection: Connection) -> None:
        values = {"seen": ctx.now_us, "until": until, "session": ctx.principal.session or None}
        kept = connection.execute(
            update(terminal).where(terminal.c.id == row.id, terminal.c.revoked.is_(None)).values(values)
        )
        if kept.rowcount != 1:  # revoked since it was read
            raise _unknown()

    return Effect(_lease(ctx, row.id, key, until), apply=apply)


@act(
    "operations.terminal.state", verb="view", activity=TERMINALS, open=True, roles=["anyone"], input=TerminalRef, output=TerminalState,
    fr="Savoir si un terminal est révoqué", en="Know whether a terminal is revoked",
)  # fmt: skip
def state(ctx: Ctx, given: TerminalRef) -> Effect:
    """For a device whose session is over: a drawn number in, one word out, so that a lost one wipes itself when it can."""
    row = ctx.db.execute(select(terminal.c.revoked).where(terminal.c.id == given.terminal)).first()
    return Effect(TerminalState("unknown" if row is None else "active" if row.revoked is None else "revoked"))


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
    return _revoked(ctx, _row(ctx, given.terminal, ctx.principal.id))


@act(
    "operations.terminal.block", verb="administer", activity=TERMINALS, roles=["administrator"], input=Revocation,
    fr="Révoquer le terminal d’un agent", en="Revoke an officer’s terminal",
)  # fmt: skip
def block(ctx: Ctx, given: Revocation) -> Effect:
    row = _row(ctx, given.terminal)
    effect = _revoked(ctx, row)
    effect.concerns = (row.person,)
    return effect


def _revoked(ctx: Ctx, row: Row[Any]) -> Effect:
    """The key first: whatever happens next, nobody opens that store any more. Then the session; its sockets follow."""
    kernel, session = ctx.kernel, kernel_tables.session

    def apply(connection: Connection) -> None:
        kernel.vault.shred(_owner(row.id), LEASE)
        connection.execute(
            update(terminal)
            .where(terminal.c.id == row.id, terminal.c.revoked.is_(None))
            .values(revoked=ctx.now_us, key=None)
        )
        connection.execute(delete(push_subscription).where(push_subscription.c.terminal == row.id))
        connection.execute(
            update(session).where(session.c.hash == row.session, session.c.ended.is_(None)).values(ended=ctx.now_us)
        )

    told = {"person": row.person}
    return Effect(Nothing(), apply=apply, events=[("right.changed", told), (ENDED, told)], rights_changed=True)


def _owner(terminal_id: str) -> str:
    return f"terminal:{terminal_id}"


def _until(ctx: Ctx) -> int:
    now = from_us(ctx.now_us)
    return to_us(add_duration(now, ctx.kernel.book.parameter("led.terminal_lease", now)))


def _lease(ctx: Ctx, id_: str, key: bytes, until: int) -> Lease:
    return Lease(id_, "active", b64encode(key).decode(), iso(until), (until - ctx.now_us) // 1_000_000)


def _unknown() -> NotFound:
    return NotFound(
        Text("Ce terminal n’existe pas, ou n’est pas le vôtre.", "This terminal does not exist, or is not yours."),
        Text("Enregistrez-le de nouveau.", "Register it again."),
    )


def _row(ctx: Ctx, id_: str, person: str | None = None) -> Row[Any]:
    row = ctx.db.execute(select(terminal).where(terminal.c.id == id_)).first()
    if row is None or (person is not None and row.person != person):
        raise _unknown()
    return row


def _of(ctx: Ctx, person: str) -> list[dict[str, Any]]:
    vault = ctx.kernel.vault
    rows = ctx.db.execute(select(terminal).where(terminal.c.person == person).order_by(terminal.c.seen.desc()))
    when: Callable[[int | None], str | None] = lambda at: iso(at) if at is not None else None  # noqa: E731 — three words, four uses
    return [
        {
            "id": row.id, "label": vault.open_(person, TERMINALS, bytes(row.label), row.id.encode()).decode(),
            "here": bool(row.session) and row.session == ctx.principal.session, "registered": when(row.registered),
            "seen": when(row.seen), "until": when(row.until), "revoked": when(row.revoked),
        }
        for row in rows
    ]  # fmt: skip


ACTS: tuple[Act, ...] = (register, lease, state, mine, of_person, revoke, block)
