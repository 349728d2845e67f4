"""A control: the gate asks, the traveller's wallet answers, a room looks, and a word comes out.

    open      the law is asked, then a warm room is taken; the gate shows its signed request and its picture
    watch     the token is admitted, then frames of the movements go to the room as they are taken: it says which movement is
              asked for now, and when nothing more needs to be seen. Whose face it is, nobody asks yet
    present   the sealed answer and frames go to the room. First the token alone; then the law, which knows whether it was
              revoked; then the face, where a text asks for it at this point
    reject    the traveller or the gate wants a person, or walks away

    pass      the gate opens; a receipt that only the wallet keeps
    unsure    once more, with a word of guidance; movements are drawn anew, and a recording of the first look is worth nothing
    refused   the token does not count; the equal lane is beside it. At the border no machine says this: the officer is called
    officer   after two tries, or where nothing could be known (a status list too old): a human decides (officers.py)

Nothing of it is kept but one more in a count.

Sources: GDPR 5(1)(c), 9, 22; EDPB Opinion 11/2024; Schengen Borders Code 8, 8a, 14(2).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from egide.border import keys, presence, statuses
from egide.border.basis import BasisTold, identifier, in_words
from egide.border.control_points import Basis
from egide.border.holding import CASE_S, CONTROL_S, Held, holding
from egide.border.judging import Result, before_faces, judged, moving, point_of, spend
from egide.border.realm import BOTH, Of, control_facts, count
from egide.border.room.messages import Admit, Admitted, ChipRead, IssuerKey, Kind, ReadChip, StatusToken, Watch, Watched
from egide.border.token import question
from egide.border.token.claims import controls
from egide.border.token.profile import QUERY, VCT
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.capability import Words
from egide.kernel.errors import BadInput, Conflict, Text
from egide.protocols.sdjwt.signing import Signer, compact, public_of
from egide.protocols.vapid import decoded, encoded
from egide.protocols.wallet.openid4vp import REQUEST_TYPE, Request, request_claims
from egide.protocols.wallet.tokens import Jwk

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from egide.kernel.kernel import Kernel

GATES = ("gate", "officer")  # roles: a gate's own account, or the officer who holds it
TRIES = 2  # then the officer
MAX_WATCHED = 8 * 1024 * 1024  # bytes: a sealed answer, the frames of two seconds
MAX_PRESENTED = 20 * 1024 * 1024  # bytes: a sealed answer, six seconds of frames, a chip's files
COUNTRIES = "border-countries"  # among the kernel's things: the States' certificates (`Countries`)
RECEIPT_TYPE = "egide-border-receipt+jwt"


class Countries(msgspec.Struct, frozen=True):
    """The certificates of the States' passport authorities and their revocation lists (DER), from a verified master list."""

    csca: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()


class Asking(Input):
    """Which gate asks, at which point; `external`: the journey leaves the Schengen area."""

    point: str
    gate: str  # kid
    external: bool


class Opened(msgspec.Struct):
    """What the gate shows and needs: the request for a wallet with a network, the picture for one without, the key for frames.

    `face`: whether frames are asked for, how many; `challenge`: the first movement and when it is asked for
    (ms); the room asks for the other (`watch`). `life_s`: s.
    """  # fmt: skip

    control: str
    request: str
    picture: str  # base64url
    key: dict[str, str]
    title: Words
    purpose: Words
    claims: list[str]
    legal_basis: str
    basis: BasisTold | None
    equal: Words
    face: bool
    document: bool
    frames: int
    challenge: list[tuple[str, int]]
    life_s: int


class Shown(Input):
    """What came, sealed to the room: the wallet's answer, the gate's frames. None is kept, not even sealed."""

    held: ClassVar[str] = "control"
    unkept: ClassVar[frozenset[str]] = frozenset({"answer", "frames"})

    control: str
    answer: str
    offline: bool = False  # the answer is what the wallet's picture held, in base64url
    frames: list[str] = []


class Answer(Shown):
    """The whole of it, with the chip's files; frames where no movements are asked for, else they were watched."""

    unkept: ClassVar[frozenset[str]] = frozenset({"answer", "frames", "chip"})

    chip: str = ""


class Asked(msgspec.Struct):
    """The movement that is asked for, from when on (ms since the challenge was shown); `over`: present what there is."""

    move: str
    at_ms: int
    over: bool


class Presented(msgspec.Struct):
    """The word, in one more why, what would help; `receipt`: for the wallet alone, "" where nobody passed.

    `challenge`: of the next attempt, as `Opened` has it; none where none is left, or no movements are asked for.
    """

    result: Result
    why: str
    guidance: list[str]
    receipt: str
    tries_left: int
    challenge: list[tuple[str, int]]


class Leaving(Input):
    """Which control, and why; `officer`: a person is wanted, else it is over."""

    held: ClassVar[str] = "control"

    control: str
    officer: bool
    why: Literal["asked", "camera", "refused", "left"] = "asked"


class NoInput(Input):
    """Nothing to say."""


# -- open ------------------------------------------------------------------------------------------------------------------


def _open_facts(of: Of, ctx: Ctx, given: Asking) -> Facts:
    point = of.point(ctx.kernel, given.point)
    return control_facts(of, ctx, point, external=given.external, registered=keys.registered(of, ctx, given.gate))


def _open(of: Of, ctx: Ctx, given: Asking) -> Effect:
    """The room is taken once the act is recorded: for one that was refused as it was written there is none."""
    point = of.point(ctx.kernel, given.point)
    kind: Kind = "face" if point.looks(external=given.external) or point.document else "token"
    about = {"point": point, "external": given.external, "kid": given.gate}
    sign, gate = keys.signer(of, ctx.kernel, ctx.db, given.gate), keys.public(of, ctx.db, given.gate)
    presence.ready(ctx.kernel, point, external=given.external)
    holding(ctx.kernel).free()

    async def after(_receipt: Any) -> None:
        async with holding(ctx.kernel).opening(of, kind, CONTROL_S, **about) as held:
            effect.result = _opened(ctx, held, sign, gate)

    effect = Effect(after=after)
    return effect


def _opened(ctx: Ctx, held: Held, sign: Signer, key: IssuerKey) -> Opened:
    """What the gate shows. `key`: the gate's own."""
    kernel, point, ready = ctx.kernel, point_of(held), held.room.ready
    looks, claims = point.looks(external=held.external), point.asked(external=held.external)
    answer_key = public_of(Jwk("EC", "P-256", ready.key["x"], ready.key["y"]))
    held.question = question.ask(
        point.id, claims, public_of(Jwk("EC", "P-256", key.x, key.y)), sign, answer_key, _now(ctx),
        decoded(ready.nonce),
    )  # fmt: skip
    held.request, held.channel = _request(kernel, held, claims, sign, _now(ctx)), ctx.channel
    face = point.face if looks else None
    return Opened(
        control=held.id, request=held.request, picture=encoded(held.question),
        key=ready.key, title=point.title, purpose=point.purpose, claims=list(claims), legal_basis=identifier(_basis(held)),
        basis=in_words(kernel.book, _basis(held)), equal=point.lanes.equal, face=looks, document=point.document, frames=face.frames if face else 0,
        challenge=_first(held), life_s=int(CONTROL_S),
    )  # fmt: skip


def _first(held: Held) -> list[tuple[str, int]]:
    """The first movement of the attempt to come; the second is nobody's to know before the room asks for it."""
    return list(held.challenge[:1]) if moving(held) else []


def _now(ctx: Ctx) -> int:
    return ctx.now_us // 1_000_000


def response_uri(kernel: Kernel, held: Held) -> str:
    """Where the wallet posts its answer: the gateway hands it to the gate's connection."""
    return f"{kernel.settings.origin}/border/answers/{held.id}"


def _basis(held: Held) -> Basis | None:
    point = point_of(held)
    return point.legal_basis if point.checks_identity(external=held.external) else None


def _request(kernel: Kernel, held: Held, claims: tuple[str, ...], sign: Signer, now: int) -> str:
    """The signed request (OpenID4VP 1.0): who asks, for what, on which basis, and that nothing is kept."""
    point, ready = point_of(held), held.room.ready
    request = Request(
        client=held.kid, name=point.title.en, response_uri=response_uri(kernel, held), nonce=ready.nonce, state=ready.state,
        vct=(VCT,), claims=claims, control=controls(point.id), query=QUERY, encryption=ready.key,
    )  # fmt: skip
    told = {
        "point": point.id, "purpose": {"fr": point.purpose.fr, "en": point.purpose.en}, "legal_basis": identifier(_basis(held)),
        "retention_s": point.retention_s, "realm": held.of.realm,
    }  # fmt: skip
    body = request_claims(request, now) | {"exp": now + int(CONTROL_S), "egide_border": told}
    return compact({"typ": REQUEST_TYPE, "kid": held.kid}, body, sign)


# -- present ---------------------------------------------------------------------------------------------------------------


async def _admit(of: Of, ctx: Ctx, given: Shown) -> None:
    """Before the law is asked: is the token one that counts, and the document the State's? No face is looked at here."""
    held = holding(ctx.kernel).find(of, given.control)
    if held.case_at or held.busy.locked():
        raise _busy()
    async with held.busy:
        if isinstance(given, Answer) and given.chip and held.chip is None and point_of(held).document:
            countries: Countries = ctx.kernel.things.get(COUNTRIES, Countries())
            answer = await held.room.ask(ReadChip(given.chip, countries.csca, countries.crls, _now(ctx)))
            held.chip = answer if isinstance(answer, ChipRead) else None
            held.admitted = None  # whether the token is this document's could not be asked before
        lists = statuses.for_rooms(ctx)  # whoever withdrew meanwhile is on the newest
        if held.admitted is None or held.admitted.why or held.lists != lists:
            found = await held.room.ask(_question(of, ctx, held, given, lists))
            held.lists = lists
            held.admitted = found if isinstance(found, Admitted) else None
            held.why = "" if held.admitted is None else held.admitted.why


def _question(of: Of, ctx: Ctx, held: Held, given: Shown, lists: tuple[StatusToken, ...]) -> Admit:
    try:
        answer = decoded(given.answer) if given.offline else given.answer.encode("ascii")
    except ValueError as error:
        raise BadInput(Text("Cette réponse n’est pas lisible.", "This answer cannot be read.")) from error
    gate = keys.public(of, ctx.db, held.kid)
    return Admit(
        answer=answer, realm=of.realm, client=held.kid, gate=IssuerKey(gate.kid, gate.x, gate.y),
        response_uri=response_uri(ctx.kernel, held), question=held.question if given.offline else b"",
        control=point_of(held).id, claims=point_of(held).asked(external=held.external), issuers=keys.issuers(ctx),
        lists=lists, grace_s=statuses.GRACE_S, now=_now(ctx),
    )  # fmt: skip


def _watch_facts(of: Of, ctx: Ctx, given: Shown) -> Facts:
    """Of the document nothing is said: whether somebody is there is no check of who it is, and that is asked at `present`."""
    held = holding(ctx.kernel).find(of, given.control)
    registered = keys.registered(of, ctx, held.kid)
    found = control_facts(of, ctx, point_of(held), external=held.external, registered=registered)
    revoked = held.admitted is not None and held.admitted.why == "revoked"
    return found | {"consent_state": "withdrawn" if revoked else "given"}


def _present_facts(of: Of, ctx: Ctx, given: Shown) -> Facts:
    held = holding(ctx.kernel).find(of, given.control)
    return _watch_facts(of, ctx, given) | {"document_checked": held.chip is not None}


def _volatile(gather: Callable[[Of, Ctx, Shown], Facts], of: Of, ctx: Ctx, given: Shown) -> Facts:
    """What another act may change meanwhile: the lanes, the gate's key."""
    asked = ctx.kernel.guard.required_facts(ctx.act.name)
    return {name: value for name, value in gather(of, ctx, given).items() if name in asked}


async def _watch(of: Of, ctx: Ctx, given: Shown) -> Effect:
    held = holding(ctx.kernel).find(of, given.control)
    over = Effect(Asked("", 0, over=True))
    async with held.busy:
        if not moving(held) or before_faces(of, ctx, held) is not None:
            return over
        answer = await held.room.ask(Watch(tuple(given.frames)))
    return Effect(Asked(answer.move, answer.at_ms, answer.over)) if isinstance(answer, Watched) else over


async def _present(of: Of, ctx: Ctx, given: Answer) -> Effect:
    held = holding(ctx.kernel).find(of, given.control)
    async with held.busy:
        word = await judged(of, ctx, held, tuple(given.frames))
    if word.result == "pass":
        return _passed(of, ctx, held)
    held.attempts += 1
    held.why = word.why
    wanted = (
        word.result == "officer" or held.attempts >= TRIES or (of.realm == "border-police" and word.result == "refused")
    )
    result: Result = "officer" if wanted else word.result
    point = point_of(held).id

    def apply(connection: Connection) -> None:
        count(of, connection, point, ctx.now_us, result)

    def after(_receipt: Any) -> None:
        if wanted:
            call_officer(ctx.kernel, held, ctx.now_us)

    left, challenge = (0, []) if wanted else (TRIES - held.attempts, _first(held))
    presented = Presented(result, word.why, list(word.guidance), "", left, challenge)
    events = [("border.officer.wanted", {"point": point})] if wanted else []
    return Effect(presented, apply=apply, events=events, after=after)


def _passed(of: Of, ctx: Ctx, held: Held) -> Effect:
    point, admitted = point_of(held), held.admitted
    assert admitted is not None  # noqa: S101 — `judged` passes nobody else, for the type checker
    stream = "face" if point.looks(external=held.external) else "token"

    def apply(connection: Connection) -> None:
        if held.case_at:  # somebody wanted a person meanwhile: no machine answers them
            raise _busy()
        if not spend(of, connection, admitted, ctx.now_us):
            raise Conflict(Text("Ce jeton vient de servir.", "This token was used a moment ago."))
        count(of, connection, point.id, ctx.now_us, "pass")

    def after(_receipt: Any) -> None:
        holding(ctx.kernel).settle(held)

    receipt = receipt_of(of, ctx, held, "pass")
    return Effect(
        Presented("pass", "", [], receipt, 0, []), apply=apply, events=[passed(point.id, stream, ctx.now_us)], after=after
    )  # fmt: skip


def passed(point: str, stream: str, now_us: int) -> tuple[str, dict[str, Any]]:
    """The event of a passage: point, class of stream, second; nothing else."""
    return "gate.passed", {"point": point, "stream": stream, "second": now_us // 1_000_000}


def receipt_of(of: Of, ctx: Ctx, held: Held, outcome: str) -> str:
    """What the wallet keeps and nobody else: that this gate let somebody through, then; bound to the control by its nonce."""
    sign = keys.signer(of, ctx.kernel, ctx.db, held.kid)
    body = {"point": point_of(held).id, "at": _now(ctx), "outcome": outcome, "nonce": held.room.ready.nonce}
    return compact({"typ": RECEIPT_TYPE, "kid": held.kid}, body, sign)


# -- reject ----------------------------------------------------------------------------------------------------------------


def call_officer(kernel: Kernel, held: Held, now_us: int) -> None:
    """An officer is wanted: the room stays for the minutes of the case."""
    if not held.case_at:
        held.case_at = now_us
        holding(kernel).keep(held, CASE_S)
        holding(kernel).changed(held.of)


def _reject(of: Of, ctx: Ctx, given: Leaving) -> Effect:
    held = holding(ctx.kernel).find(of, given.control)

    def after(_receipt: Any) -> None:
        if given.officer:
            held.why = held.why or given.why
            call_officer(ctx.kernel, held, ctx.now_us)
        else:
            holding(ctx.kernel).end(held)

    events = [("border.officer.wanted", {"point": point_of(held).id})] if given.officer else []
    return Effect(NoInput(), events=events, after=after)


def _busy() -> Conflict:
    return Conflict(
        Text("Ce contrôle attend un agent, ou est en cours.", "This control waits for an officer, or is going on."),
        Text("Attendez un instant.", "Wait a moment."),
    )


def acts(of: Of) -> tuple[Act, ...]:
    """The acts of this realm's gates."""
    common: dict[str, Any] = {"activity": of.activity, "roles": GATES, "duty": True}
    looking: dict[str, Any] = {"verb": "consult", "groups": of.groups, "prepare": partial(_admit, of)}
    return (
        act(
            of.name("control.open"), verb="collect", groups=(*of.groups, "collection"), input=Asking, output=Opened, **common,
            gather=lambda ctx, given: {**_open_facts(of, ctx, given), "notice_shown": True},
            fr="Ouvrir un contrôle à une porte", en="Open a control at a gate",
        )(partial(_open, of)),
        act(
            of.name("control.watch"), input=Shown, output=Asked, **common, **looking,
            gather=partial(_watch_facts, of), recheck=partial(_volatile, _watch_facts, of),
            max_bytes=MAX_WATCHED, fr="Regarder des mouvements à une porte", en="Watch movements at a gate",
        )(partial(_watch, of)),
        act(
            of.name("control.present"), input=Answer, output=Presented, **common, **looking,
            gather=partial(_present_facts, of), recheck=partial(_volatile, _present_facts, of),
            max_bytes=MAX_PRESENTED, fr="Présenter un jeton à une porte", en="Present a token at a gate",
        )(partial(_present, of)),
        act(
            of.name("control.reject"), verb="administer", input=Leaving, output=NoInput, **common,
            fr="Demander une personne, ou quitter la porte", en="Ask for a person, or leave the gate",
        )(partial(_reject, of)),
    )  # fmt: skip


ACTS: tuple[Act, ...] = tuple(each for of in BOTH for each in acts(of))
