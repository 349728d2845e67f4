"""Waking a terminal that sleeps: Web Push without content, off unless the operator names the push services it may ask.

A push service is somebody else's machine (the browser's maker): it is told nothing but the device's own address there, at the
moment when something happened; the message has no body. The setting `push` lists the hosts that may be asked, so that an address
from a browser cannot make the platform call anywhere. Source: RFC 8030, RFC 8292; docs/decisions/0046.
"""

from __future__ import annotations

import asyncio
import logging
from time import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from sqlalchemy import Connection, delete, insert, select

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, Receipt, act
from egide.kernel.errors import BadInput, Conflict, NotFound, Text, Unavailable
from egide.kernel.outward import Unreachable, post
from egide.operations import tables
from egide.operations.terminal_tables import push_key, push_subscription, terminal
from egide.operations.terminals import TERMINALS
from egide.protocols.vapid import authorization, encoded, public

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.push")

OWNER, KEY = "system:push", "vapid"
MAX_ENDPOINT = 1024  # characters
TTL_S = 3600  # s the push service may hold a wake-up; later it is no news
TOKEN_S = 12 * 3600  # s a token lives; at most 24 h (RFC 8292 §2)
GONE = (404, 410)  # the subscription is over (RFC 8030 §7.3)
AT_ONCE = 8  # push services asked at the same time


class Offer(msgspec.Struct):
    """The platform's public key for push services (base64url); none where wake-ups are off."""

    key: str | None


class Subscription(Input):
    """Where this terminal may be woken."""

    terminal: str
    endpoint: str


class TerminalRef(Input):
    """One terminal."""

    terminal: str


class MissionRef(Input):
    """Whose roster has changed."""

    mission: str


@act(
    "operations.push.offer", verb="view", activity=TERMINALS, roles=["self"], duty=True, output=Offer,
    fr="Savoir si un terminal peut être réveillé", en="Know whether a terminal may be woken",
)  # fmt: skip
def offer(ctx: Ctx, _given: Nothing) -> Effect:
    key = _key(ctx.kernel, ctx.db) if ctx.kernel.settings.push else None
    return Effect(Offer(encoded(public(key.public_key())) if key is not None else None))


@act(
    "operations.push.subscribe", verb="collect", activity=TERMINALS, roles=["self"], duty=True, input=Subscription,
    fr="Se faire réveiller sur ce terminal", en="Be woken on this terminal",
)  # fmt: skip
def subscribe(ctx: Ctx, given: Subscription) -> Effect:
    person, table = ctx.principal.id, push_subscription
    if not allowed(ctx.kernel, given.endpoint):
        raise BadInput(
            Text("Ce service de réveil n’est pas admis ici.", "This wake-up service is not admitted here."),
            Text(
                "Demandez à l’opérateur de l’ajouter au réglage « push ».",
                "Ask the operator to add it to the setting “push”.",
            ),
        )
    own = select(terminal.c.id).where(
        terminal.c.id == given.terminal, terminal.c.person == person, terminal.c.revoked.is_(None)
    )
    if ctx.db.execute(own).first() is None:
        raise NotFound(Text("Ce terminal n’est pas le vôtre.", "This terminal is not yours."))
    place = ctx.kernel.vault.seal(person, TERMINALS, given.endpoint.encode(), given.terminal.encode())
    row = {"terminal": given.terminal, "person": person, "place": place, "added": ctx.now_us}

    def apply(connection: Connection) -> None:
        connection.execute(delete(table).where(table.c.terminal == given.terminal))
        connection.execute(insert(table), row)

    return Effect(Nothing(), apply=apply)


@act(
    "operations.push.unsubscribe", verb="erase", activity=TERMINALS, roles=["self"], duty=True, input=TerminalRef,
    fr="Ne plus se faire réveiller sur ce terminal", en="No longer be woken on this terminal",
)  # fmt: skip
def unsubscribe(ctx: Ctx, given: TerminalRef) -> Effect:
    return Effect(Nothing(), apply=_without(given.terminal, ctx.principal.id))


@act(
    "operations.push.open", verb="administer", activity=TERMINALS, roles=["system"], system=True, duty=True,
    fr="Tirer la clé des réveils", en="Draw the key of wake-ups",
)  # fmt: skip
def draw_key(ctx: Ctx, _given: Nothing) -> Effect:
    drawn = generate_private_key(SECP256R1()).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    sealed = ctx.kernel.vault.seal(OWNER, TERMINALS, drawn, KEY.encode())
    return Effect(Nothing(), rows=[(push_key, {"id": KEY, "key": sealed})])


@act(
    "operations.push.wake", verb="administer", activity=TERMINALS, roles=["system"], system=True, duty=True, input=MissionRef,
    fr="Réveiller les terminaux d’une équipe", en="Wake a roster’s terminals",
)  # fmt: skip
def wake(ctx: Ctx, given: MissionRef) -> Effect:
    kernel, places = ctx.kernel, sleeping(ctx.kernel, ctx.db, given.mission)

    async def after(_receipt: Receipt) -> None:
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(id_: str, person: str, endpoint: str) -> None:
            async with limit:
                if await asyncio.to_thread(ask, kernel, endpoint):
                    return
            given = msgspec.json.encode({"terminal": id_, "person": person})
            await kernel.perform("operations.push.forget", given, kernel.system(TERMINALS))

        await asyncio.gather(*(one(*place) for place in places))

    return Effect(Nothing(), after=after)


class Forgotten(Input):
    """A terminal whose push service no longer knows it."""

    terminal: str
    person: str


@act(
    "operations.push.forget", verb="erase", activity=TERMINALS, roles=["system"], system=True, duty=True, input=Forgotten,
    fr="Oublier un réveil qui n’existe plus", en="Forget a wake-up that no longer exists",
)  # fmt: skip
def forget(_ctx: Ctx, given: Forgotten) -> Effect:
    return Effect(Nothing(), apply=_without(given.terminal, given.person), concerns=(given.person,))


def allowed(kernel: Kernel, endpoint: str) -> bool:
    """Whether the platform may ask that address: https and a host the operator named; loopback in a demonstration."""
    if len(endpoint) > MAX_ENDPOINT or not kernel.settings.push:
        return False
    try:
        where = urlsplit(endpoint)
        host, port = where.hostname, where.port
    except ValueError:
        return False
    if kernel.settings.demo and where.scheme == "http" and host == "127.0.0.1":
        return True
    return (
        where.scheme == "https" and port in (None, 443) and host in kernel.settings.push.split() and not where.username
    )


def sleeping(kernel: Kernel, db: Connection, mission: str) -> list[tuple[str, str, str]]:
    """(terminal, person, endpoint) of everyone on a mission's roster who asked to be woken."""
    subscription, roster = push_subscription, tables.roster
    rows = db.execute(
        select(subscription)
        .join(roster, roster.c.person == subscription.c.person)
        .where(roster.c.mission == mission, roster.c.gone.is_(None))
    ).all()
    vault = kernel.vault
    return [
        (row.terminal, row.person, vault.open_(row.person, TERMINALS, bytes(row.place), row.terminal.encode()).decode())
        for row in rows
    ]


def ask(kernel: Kernel, endpoint: str) -> bool:
    """Asks one push service; False when it no longer knows the device. What cannot be reached is let go: it is only a wake-up."""
    key = _key(kernel, kernel.store.reader())
    if key is None or not allowed(kernel, endpoint):
        return True
    subject = kernel.settings.origin if kernel.settings.tls else f"mailto:operator@{kernel.settings.public_name}"
    headers = {
        "authorization": authorization(key, endpoint, subject, int(time()) + TOKEN_S), "ttl": str(TTL_S), "urgency": "high",
        "topic": "egide",
    }  # fmt: skip
    try:
        reply = post(endpoint, b"", "application/octet-stream", 1024, headers)
    except Unreachable as error:
        log.warning("a push service does not answer: %s", error)
        return True
    return reply.status not in GONE


async def heard(kernel: Kernel, payload: dict[str, Any]) -> None:
    """A roster has changed: who is on it and asked for it is woken."""
    if not kernel.settings.push or not sleeping(kernel, kernel.store.reader(), payload["mission"]):
        return
    given = msgspec.json.encode({"mission": payload["mission"]})
    await kernel.perform(
        "operations.push.wake", given, kernel.system(TERMINALS), cause=payload["cause"], once=payload["once"]
    )


async def start(kernel: Kernel) -> None:
    """The first start with wake-ups on draws the platform's key."""
    if kernel.settings.push and _key(kernel, kernel.store.reader()) is None:
        try:
            await kernel.perform("operations.push.open", b"{}", kernel.system(TERMINALS))
        except (Conflict, Unavailable) as error:  # another process was faster; or the next start does it
            log.info("key of wake-ups: %s", error)


def _key(kernel: Kernel, db: Connection) -> EllipticCurvePrivateKey | None:
    row = db.execute(select(push_key.c.key).where(push_key.c.id == KEY)).first()
    if row is None:
        return None
    key = load_der_private_key(kernel.vault.open_(OWNER, TERMINALS, bytes(row.key), KEY.encode()), None)
    return key if isinstance(key, EllipticCurvePrivateKey) else None


def _without(terminal_id: str, person: str) -> Any:
    table = push_subscription

    def apply(connection: Connection) -> None:
        connection.execute(delete(table).where(table.c.terminal == terminal_id, table.c.person == person))

    return apply


ACTS: tuple[Act, ...] = (offer, subscribe, unsubscribe, draw_key, wake, forget)
LISTENERS = {"roster.changed": heard}
