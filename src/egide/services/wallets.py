"""Proof of identity by wallet: a request that lives five minutes, is answered once, and is collected by the browser that
asked.

The gateway that spoke with the wallet (gateways/wallet.py) performs these acts as the platform's own activity, with what it
verified; nobody else can. What comes of it is an identity like that of any provider (identities.py), for an hour.

    begin    a browser asks         → nonces, a key for this answer alone, a short code; sealed
    look     what the request says  → for the request object, for decrypting the answer, for the page; never who it is
    answer   a wallet answered      → who was proved, or in one word why not; a second answer finds it answered
    collect  the browser comes back → the identity; the request and its key are destroyed

Whoever answers on the same device is sent back with a word (`back`) that the wallet was given; only the browser that asked and
comes with that word collects. An answer from another device needs no such word: there, the code on both screens tells the
person that they answer what they began (OpenID4VP 1.0 §14, session fixation).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Input, act
from egide.kernel.errors import BadInput, Conflict, NotFound, Text
from egide.kernel.forget import forget_acts
from egide.kernel.identity import digest, new_secret
from egide.kernel.kernel import Kernel
from egide.kernel.randomness import draw
from egide.kernel.retention import keep, trigger
from egide.services import identities, wallet_tables
from egide.services.identities import ACTIVITY, IdentityId, Vouched

CATEGORY = "wallet-request"
LIFE_US = 300_000_000  # µs
ASKED, PROVED = "asked", "proved"
CODE = 10**6  # codes there are: six figures, read at a glance

Way = Literal["here", "there"]  # on the same device, or on another


class Level(Input):
    """The least level that the service asks for, and the key that the answer must be encrypted to (a private JWK)."""

    unkept: ClassVar[frozenset[str]] = frozenset({"key"})

    level: int
    key: dict[str, Any]


class RequestId(msgspec.Struct):
    """A request's id, the secret of the browser that asked, and how long it lives (s)."""

    id: str
    secret: str
    life_s: int


class RequestRef(Input):
    """A request."""

    request: str


class Secrets(msgspec.Struct):
    """What an answer must know, by the way it comes; sealed."""

    code: str
    back: str
    nonces: dict[Way, str]
    states: dict[Way, str]
    key: dict[str, Any]


class Request(msgspec.Struct):
    """A request as the gateway sees it; `secrets` until it is answered, `until` in µs since 1970."""

    id: str
    level: int
    until: int
    state: str
    secrets: Secrets | None


class Answer(Input):
    """What came of a wallet's answer: who was proved, or in one word why nobody was."""

    unkept: ClassVar[frozenset[str]] = frozenset({"given_name", "family_name", "birthdate"})

    request: str
    way: Way
    failed: str = ""
    level: int = 0
    given_name: str = ""
    family_name: str = ""
    birthdate: str = ""


class Proof(msgspec.Struct):
    """Who was proved, until the browser collects it; sealed. `back`: the word to come back with, "" where none is needed."""

    vouched: Vouched
    back: str


class Answered(msgspec.Struct):
    """How the request stands, and the word with which the person comes back from a wallet on the same device."""

    state: str
    back: str


class Collected(Input):
    """The browser that asked, and the word it came back with."""

    unkept: ClassVar[frozenset[str]] = frozenset({"secret", "back"})

    request: str
    secret: str
    back: str = ""


def owner(request: str) -> str:
    """Whose key seals it: its own."""
    return f"wallet:{request}"


def _row(connection: Connection, request: str, now_us: int) -> Any:
    """A request that still lives. Raises `NotFound`."""
    table = wallet_tables.request
    row = connection.execute(select(table).where(table.c.id == request)).first()
    if row is None or row.until <= now_us:
        raise NotFound(
            Text("Cette demande a expiré, ou a déjà servi.", "This request has expired, or was already used."),
            Text("Recommencez depuis la page de votre démarche.", "Start again from the page of your service."),
        )
    return row


def _opened(ctx: Ctx, row: Any, shape: Any) -> Any:
    return msgspec.json.decode(
        ctx.kernel.vault.open_(owner(row.id), ACTIVITY, row.body, row.id.encode()), type=shape
    )  # fmt: skip


@act(
    "services.wallet.begin", verb="administer", activity=ACTIVITY, roles=["system"], system=True, duty=True, input=Level, output=RequestId,
    fr="Demander une preuve d’identité à un portefeuille", en="Ask a wallet for a proof of identity",
)  # fmt: skip
def begin(ctx: Ctx, given: Level) -> Effect:
    kernel = ctx.kernel
    id_, secret = draw(16).hex(), new_secret()
    number = f"{int.from_bytes(draw(8), 'big') % CODE:06}"
    ways: tuple[Way, Way] = ("here", "there")
    secrets = Secrets(
        code=f"{number[:3]} {number[3:]}", back=new_secret(), nonces={way: new_secret() for way in ways},
        states={way: new_secret() for way in ways}, key=given.key,
    )  # fmt: skip

    def apply(connection: Connection) -> None:
        row: dict[str, Any] = {
            "id": id_, "secret": digest(secret), "level": given.level, "until": ctx.now_us + LIFE_US, "state": ASKED,
            "body": kernel.vault.seal(owner(id_), ACTIVITY, msgspec.json.encode(secrets), id_.encode()),
        }  # fmt: skip
        connection.execute(insert(wallet_tables.request), row)
        connection.execute(insert(kernel_tables.retained), keep(CATEGORY, id_))
        trigger(kernel, connection, CATEGORY, id_, ctx.now_us)

    return Effect(RequestId(id_, secret, LIFE_US // 1_000_000), apply=apply, concerns=(owner(id_),))


@act(
    "services.wallet.look", verb="view", activity=ACTIVITY, roles=["system"], system=True, open=True, input=RequestRef, output=Request,
    fr="Voir où en est une demande à un portefeuille", en="See how a request to a wallet stands",
)  # fmt: skip
def look(ctx: Ctx, given: RequestRef) -> Effect:
    row = _row(ctx.db, given.request, ctx.now_us)
    secrets = _opened(ctx, row, Secrets) if row.state == ASKED else None
    return Effect(Request(row.id, row.level, row.until, row.state, secrets))


@act(
    "services.wallet.answer", verb="collect", activity=ACTIVITY, roles=["system"], system=True, duty=True, groups=["collection"],
    gather=lambda _ctx, _given: {"notice_shown": True}, input=Answer, output=Answered,
    fr="Recevoir la réponse d’un portefeuille, une fois", en="Take a wallet’s answer, once",
)  # fmt: skip
def answer(ctx: Ctx, given: Answer) -> Effect:
    kernel, row = ctx.kernel, _row(ctx.db, given.request, ctx.now_us)
    if row.state != ASKED:
        raise _answered()
    secrets: Secrets = _opened(ctx, row, Secrets)
    back = secrets.back if given.way == "here" else ""
    vouched = Vouched(
        level=given.level, given_name=given.given_name, family_name=given.family_name, birthdate=given.birthdate, method="wallet"
    )  # fmt: skip
    state, proof = given.failed or PROVED, msgspec.json.encode(Proof(vouched, back))

    def apply(connection: Connection) -> None:
        table = wallet_tables.request
        values = {
            "state": state, "until": ctx.now_us + LIFE_US,  # from now on, for the browser to come back
            "body": kernel.vault.seal(owner(row.id), ACTIVITY, proof, row.id.encode()),
        }  # fmt: skip
        first = update(table).where(table.c.id == row.id, table.c.state == ASKED)
        if connection.execute(first.values(**values)).rowcount != 1:
            raise _answered()
        trigger(kernel, connection, CATEGORY, row.id, ctx.now_us)

    return Effect(Answered(state, back), apply=apply, concerns=(owner(row.id),))


@act(
    "services.wallet.collect", verb="collect", activity=ACTIVITY, roles=["system"], system=True, duty=True, groups=["collection"],
    gather=lambda _ctx, _given: {"notice_shown": True}, input=Collected, output=IdentityId,
    fr="Retenir qui s’est identifié par portefeuille, pour une heure", en="Remember who was identified by wallet, for an hour",
)  # fmt: skip
def collect(ctx: Ctx, given: Collected) -> Effect:
    kernel, row = ctx.kernel, _row(ctx.db, given.request, ctx.now_us)
    if not hmac.compare_digest(row.secret, digest(given.secret)) or row.state != PROVED:
        raise BadInput(
            Text("Rien n’est arrivé pour ce navigateur.", "Nothing has come for this browser."),
            Text("Présentez votre identité, puis revenez sur cette page.", "Present your identity, then come back to this page."),
        )  # fmt: skip
    proof: Proof = _opened(ctx, row, Proof)
    if not hmac.compare_digest(proof.back.encode(), given.back.encode()):
        raise BadInput(
            Text("Le portefeuille vous a renvoyé dans un autre navigateur.", "The wallet sent you back to another browser."),
            Text("Continuez dans celui-là, ou recommencez ici.", "Go on in that one, or start again here."),
        )  # fmt: skip
    effect = identities.opened(ctx, proof.vouched)

    def apply(connection: Connection) -> None:
        table = wallet_tables.request
        mine = delete(table).where(table.c.id == row.id, table.c.state == PROVED)
        if connection.execute(mine).rowcount != 1:
            raise _answered()
        erase(kernel, row.id)(connection)

    effect.apply = apply
    return effect


def _answered() -> Conflict:
    return Conflict(
        Text("Cette demande a déjà reçu une réponse.", "This request has been answered already."),
        Text("Recommencez depuis la page de votre démarche.", "Start again from the page of your service."),
    )


def erase(kernel: Kernel, request: str) -> Callable[[Connection], None]:
    """What destroys it: its key, its row, and what the ledger said of it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(request), ACTIVITY)
        connection.execute(delete(wallet_tables.request).where(wallet_tables.request.c.id == request))
        retained = kernel_tables.retained
        connection.execute(delete(retained).where(retained.c.id == f"{CATEGORY}/{request}"))
        forget_acts(connection, owner(request))

    return destroy


ACTS: tuple[Act, ...] = (begin, look, answer, collect)
