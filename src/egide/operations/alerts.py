"""Alerts: somebody in distress writes, officers see it at once and answer; never refused because the ledger is down.

Emergency acts (kernel/emergency.py) see no store: they read the board in memory, make their ids from `ctx.seed`, and write in
`Effect.apply`. Everything an alert says is sealed with the alert's own key, in its rows and in the ledger's bodies, so that one
key destroyed erases all of it (GDPR 17); 30 days after it is closed that happens by itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.clock import iso
from egide.kernel.distress import id_of, limited, secret_of
from egide.kernel.errors import BadInput, NotFound, Text
from egide.kernel.forget import forget_acts
from egide.kernel.identity import digest
from egide.kernel.kernel import Kernel
from egide.kernel.retention import keep, trigger
from egide.operations import incident_tables, tables
from egide.operations.board import CHANGED, PURPOSE, Alert, AlertBody, AlertWord, board, owner

CATEGORY = "distress-alert"
MAX_TEXT = 4000  # characters
OFFICERS = ("officer", "command")


class NewAlert(Input):
    """A call for help: words; a place (WGS84 degrees) and a way to be reached where the person gives them."""

    text: str
    lat: float | None = None
    lon: float | None = None
    reach: str = ""
    lang: Literal["fr", "en"] = "fr"


class AlertSent(msgspec.Struct):
    """The alert's id, the secret with which its sender reads the answers, and when it was received."""

    id: str
    secret: str
    at: str


class AlertSaid(Input):
    """Something more to say: by the sender with the secret, or by an officer."""

    alert: str
    text: str
    secret: str = ""


class AlertRef(Input):
    """One alert."""

    alert: str


class AlertSecret(Input):
    """One alert, and its sender's secret."""

    alert: str
    secret: str


class AlertShown(msgspec.Struct):
    """One alert as it is now."""

    alert: dict[str, Any]


class AlertList(msgspec.Struct):
    """Every open alert, oldest first."""

    alerts: list[dict[str, Any]]


def _noticed(_ctx: Ctx, _given: Any) -> Facts:
    """The form itself says who reads it, why and how long (GDPR 13), in the resident's language."""
    return {"notice_shown": True}


def _words(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        raise BadInput(
            Text(
                f"Écrivez quelques mots, {MAX_TEXT} signes au plus.",
                f"Write a few words, {MAX_TEXT} characters at most.",
            )
        )
    return text


def _found(ctx: Ctx, alert: str) -> Alert:
    found = board(ctx.kernel).find(alert)
    if found is None:
        raise NotFound(
            Text("Cette alerte n’existe pas, ou elle est close.", "This alert does not exist, or it is closed.")
        )
    return found


def _sender(ctx: Ctx, alert: str, secret: str) -> Alert:
    found = board(ctx.kernel).find(alert)
    if found is None or not hmac.compare_digest(found.secret, digest(secret)):
        raise NotFound(
            Text(
                "Cette alerte n’existe pas, ou elle est close : appelez le 17 ou le 112, ou envoyez-en une autre.",
                "This alert does not exist, or it is closed: call 17 or 112, or send another one.",
            )
        )
    return found


def _event(ctx: Ctx, alert: str) -> list[tuple[str, dict[str, Any]]]:
    return [(CHANGED, {"alert": alert, "process": ctx.kernel.process})]


@act(
    "operations.alert.send", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=_noticed, duty=True,
    emergency=True, input=NewAlert, output=AlertSent, max_bytes=32 * 1024, fr="Appeler à l’aide", en="Call for help",
)  # fmt: skip
def send(ctx: Ctx, given: NewAlert) -> Effect:
    text = _words(given.text)
    there = given.lat is not None and given.lon is not None
    if len(given.reach) > 200 or (there and not (-90 <= (given.lat or 0) <= 90 and -180 <= (given.lon or 0) <= 180)):
        raise BadInput(
            Text("Lieu hors de la Terre, ou adresse trop longue.", "A place off the Earth, or too long a way.")
        )
    limited(ctx, board(ctx.kernel).buckets, ctx.principal.id or ctx.address)
    kernel = ctx.kernel
    id_ = id_of(ctx, b"alert", 16)
    secret = secret_of(ctx)
    body = AlertBody(text, given.lat if there else None, given.lon if there else None, given.reach.strip())
    alert = Alert(id_, digest(secret), ctx.now_us, given.lang, body)

    def apply(connection: Connection) -> None:
        sealed = kernel.vault.seal(owner(id_), PURPOSE, msgspec.json.encode(body), id_.encode())
        row = {
            "id": id_, "secret": alert.secret, "at": ctx.now_us, "lang": given.lang, "body": sealed, "taken": None, "closed": None,
        }  # fmt: skip
        connection.execute(insert(tables.alert), row)
        connection.execute(insert(kernel_tables.retained), keep(CATEGORY, id_))

    return Effect(
        AlertSent(id_, secret, iso(ctx.now_us)),
        apply=apply,
        events=[("alert.received", {"alert": id_}), *_event(ctx, id_)],
        after=lambda receipt: board(kernel).put(alert, receipt),
        actor=owner(id_),
    )


def _word(ctx: Ctx, alert: Alert, text: str, *, officer: bool) -> Effect:
    kernel = ctx.kernel
    word = AlertWord(id_of(ctx, b"word", 16), ctx.now_us, officer, text)

    def apply(connection: Connection) -> None:
        sealed = kernel.vault.seal(owner(alert.id), PURPOSE, text.encode(), word.id.encode())
        row = {"id": word.id, "alert": alert.id, "at": word.at, "officer": officer, "body": sealed}
        connection.execute(insert(tables.alert_word), row)

    return Effect(
        AlertShown(_public(alert)),
        apply=apply,
        events=_event(ctx, alert.id),
        after=lambda receipt: board(kernel).say(alert, word, receipt),
        actor=None if officer else owner(alert.id),
        concerns=(owner(alert.id),),
    )


@act(
    "operations.alert.say", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=_noticed, duty=True,
    emergency=True, input=AlertSaid, output=AlertShown, max_bytes=32 * 1024, fr="Écrire de nouveau à propos de son alerte",
    en="Write again about one’s alert",
)  # fmt: skip
def say(ctx: Ctx, given: AlertSaid) -> Effect:
    limited(ctx, board(ctx.kernel).buckets, ctx.principal.id or ctx.address)
    alert = _found(ctx, given.alert) if ctx.replayed else _sender(ctx, given.alert, given.secret)
    return _word(ctx, alert, _words(given.text), officer=False)


@act(
    "operations.alert.answer", verb="disclose", activity=PURPOSE, roles=OFFICERS, duty=True, emergency=True,
    input=AlertSaid, output=AlertShown, max_bytes=32 * 1024, fr="Répondre à une alerte", en="Answer an alert",
)  # fmt: skip
def answer(ctx: Ctx, given: AlertSaid) -> Effect:
    return _word(ctx, _found(ctx, given.alert), _words(given.text), officer=True)


@act(
    "operations.alert.follow", verb="view", activity=PURPOSE, roles=["anyone"], duty=True, emergency=True,
    input=AlertSecret, output=AlertShown, fr="Lire les réponses à son alerte", en="Read the answers to one’s alert",
)  # fmt: skip
def follow(ctx: Ctx, given: AlertSecret) -> Effect:
    alert = _found(ctx, given.alert) if ctx.replayed else _sender(ctx, given.alert, given.secret)
    return Effect(AlertShown(_public(alert)), actor=owner(alert.id))


@act(
    "operations.alert.list", verb="consult", activity=PURPOSE, roles=OFFICERS, duty=True, emergency=True,
    output=AlertList, fr="Voir les alertes", en="See the alerts",
)  # fmt: skip
def list_alerts(ctx: Ctx, _given: Nothing) -> Effect:
    channel, held = ctx.channel, board(ctx.kernel)
    if channel is None:
        return Effect(AlertList(held.shown()))
    return Effect(AlertList(held.shown()), started=lambda: held.join(channel), latest=lambda: AlertList(held.shown()))


@act(
    "operations.alert.read", verb="consult", activity=PURPOSE, roles=OFFICERS, duty=True, emergency=True,
    input=AlertRef, output=AlertShown, fr="Lire une alerte", en="Read an alert",
)  # fmt: skip
def read(ctx: Ctx, given: AlertRef) -> Effect:
    return Effect(AlertShown(board(ctx.kernel).show(_found(ctx, given.alert))), concerns=(owner(given.alert),))


@act(
    "operations.alert.take", verb="alter", activity=PURPOSE, roles=OFFICERS, duty=True, emergency=True,
    input=AlertRef, output=AlertShown, fr="Prendre une alerte en charge", en="Take charge of an alert",
)  # fmt: skip
def take(ctx: Ctx, given: AlertRef) -> Effect:
    kernel, person, name = ctx.kernel, ctx.principal.id, ctx.principal.name
    alert = _found(ctx, given.alert)

    def apply(connection: Connection) -> None:
        # A journalled act may be written after its officer was erased: nobody is named again then.
        known = kernel_tables.person.c
        there = select(known.id).where(known.id == person).scalar_subquery()
        connection.execute(update(tables.alert).where(tables.alert.c.id == alert.id).values(taken=there))

    return Effect(
        AlertShown(board(kernel).show(alert)),
        apply=apply,
        events=_event(ctx, alert.id),
        after=lambda receipt: board(kernel).take(alert, person, name, receipt),
        concerns=(owner(alert.id),),
    )


@act(
    "operations.alert.close", verb="alter", activity=PURPOSE, roles=OFFICERS, duty=True,
    input=AlertRef, output=Nothing, fr="Clore une alerte", en="Close an alert",
)  # fmt: skip
def close(ctx: Ctx, given: AlertRef) -> Effect:
    kernel, alert = ctx.kernel, _found(ctx, given.alert)

    def apply(connection: Connection) -> None:
        connection.execute(update(tables.alert).where(tables.alert.c.id == alert.id).values(closed=ctx.now_us))
        trigger(kernel, connection, CATEGORY, alert.id, ctx.now_us)

    return Effect(
        Nothing(),
        apply=apply,
        events=_event(ctx, alert.id),
        after=lambda receipt: board(kernel).close(alert, receipt),
        concerns=(owner(alert.id),),
    )


def _public(alert: Alert) -> dict[str, Any]:
    """What the sender sees: their words, the answers, that somebody is on it; not who."""
    return {
        "id": alert.id, "at": iso(alert.at), "text": alert.body.text, "lang": alert.lang, "taken": bool(alert.taken), "journal": bool(alert.waiting),
        "progress": alert.progress,
        "words": [{"at": iso(word.at), "officer": word.officer, "text": word.text} for word in alert.words],
    }  # fmt: skip


def erase(kernel: Kernel, alert: str) -> Callable[[Connection], None]:
    """What destroys an alert: its key, its rows, and the bodies and links of every act about it. An incident that came of it
    has its own key and its own term (activity `incidents`); it no longer says of whom.
    """

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(alert), PURPOSE)
        connection.execute(delete(tables.alert_word).where(tables.alert_word.c.alert == alert))
        connection.execute(delete(tables.alert).where(tables.alert.c.id == alert))
        connection.execute(
            delete(incident_tables.incident_alert).where(incident_tables.incident_alert.c.alert == alert)
        )
        forget_acts(connection, owner(alert))

    return destroy


ACTS: tuple[Act, ...] = (send, say, answer, follow, list_alerts, read, take, close)
