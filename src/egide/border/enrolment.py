"""Enrolment, once, at a kiosk: the chip is read and proved, the face is that of its portrait, and the wallet gets its tokens.

    open           a consent is shown; then a warm room is taken, the wallet gets an offer (OpenID4VCI 1.0, pre-authorised code)
    join           the wallet comes with the offer's code; from now on it speaks for itself
    document.zone  a photo of the zone goes to the room, sealed; what opens the chip comes back sealed to the kiosk's page
    document.read  the chip's files go to the room, sealed; out comes one answer for each question of passive authentication
    issue          frames, and the wallet's proofs and secrets, go to the room, sealed; tokens come out, sealed to the wallet

All are one room: what was read is compared with who stands there, and is gone with it. The issuer keeps, for each token,
its place in the status list and its end, and which consent they belong to; no name, no picture, no template, no number.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from egide.border import keys, statuses, tables
from egide.border.consents import ACTIVITY, ConsentRef, agreed_points, held, owner
from egide.border.control_points import CLAIMS, points
from egide.border.controls import COUNTRIES, Countries
from egide.border.holding import ENROLMENT_S, Held, holding
from egide.border.realm import FACILITATION
from egide.border.room.messages import ChipRead, Compare, Compared, Issue, Issued, Looked, ReadChip, ReadZone
from egide.border.token.claims import SPARE
from egide.border.token.profile import CONFIGURATION
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.protocols.openid4vci import Grants, Offer, PreAuthorized, invitation

KIOSKS = ("kiosk", "officer")
SPARES = 2  # tokens for a control that must be made again
THRESHOLD, FRAMES = 0.433, 3  # cosine, pictures: as at a gate that looks at faces
MOVING = True  # the movements must be seen: a photograph held before the phone gets no token
MAX_SENT = 20 * 1024 * 1024  # bytes: frames and a chip's files, sealed
HOUR_S = 3600  # the end of tokens is a full hour, so that it names no traveller


class Opened(msgspec.Struct):
    """What the kiosk shows: the wallet's offer as a link, the room's key to seal to, the nonce that proofs must answer.

    `challenge`: movements and when they are asked for (ms). `tokens`: how many proofs and secrets are wanted; `life_s`: s.
    """

    enrolment: str
    offer: str
    key: dict[str, str]
    nonce: str
    issuer: str
    challenge: list[tuple[str, int]]
    tokens: int
    life_s: int


class EnrolmentRef(Input):
    """An enrolment, by the code of its offer: who has it joins it."""

    held: ClassVar[str] = "enrolment"

    enrolment: str


class ZonePicture(Input):
    """A picture of the document's zone, sealed to the room, and the page's key (a JWK) to which the answer is sealed."""

    held: ClassVar[str] = "enrolment"
    unkept: ClassVar[frozenset[str]] = frozenset({"picture"})

    enrolment: str
    picture: str
    reply: dict[str, str]


class ZoneRead(msgspec.Struct):
    """What was read, for the page alone: the lines that open the chip hold the document's number."""

    sealed: str


class ChipGiven(Input):
    """The files of a chip, sealed to the room."""

    held: ClassVar[str] = "enrolment"
    unkept: ClassVar[frozenset[str]] = frozenset({"chip"})

    enrolment: str
    chip: str


class Found(msgspec.Struct):
    """What one question of passive authentication found: ok, failed, not-checkable."""

    question: str
    state: str


class DocumentRead(msgspec.Struct):
    """The outcome, and nothing of what the document says."""

    verdict: str
    findings: list[Found]


class Wanted(Input):
    """Frames of who stands there, and what the wallet sealed for the room (room/issuing.py `Asking`)."""

    held: ClassVar[str] = "enrolment"
    unkept: ClassVar[frozenset[str]] = frozenset({"sealed", "frames"})

    enrolment: str
    sealed: str
    frames: list[str]


class Tokens(msgspec.Struct):
    """The tokens, sealed to the wallet; or in one word why there are none, and what would help.

    `challenge`: the movements of the next attempt, as `Opened` has them; none where none is left.
    """

    sealed: str
    why: str
    guidance: list[str]
    challenge: list[tuple[str, int]]


def _consent_facts(ctx: Ctx, given: ConsentRef) -> Facts:
    return _facts("given" if held(ctx, given) is not None else "none")


def _facts(state: str) -> Facts:
    """All of which the acts of an enrolment need: they are gathered again as they are."""
    return {"consent_state": state, "consent_explicit": True, "equal_way_open": True, "notice_shown": True}


def _still(ctx: Ctx, given: Any) -> Facts:
    """A consent that was withdrawn meanwhile stops the enrolment at once."""
    going = holding(ctx.kernel).find(FACILITATION, given.enrolment)
    row = _row(ctx, going)
    return _facts("given" if row is not None and row.until > ctx.now_us else "withdrawn")


def _row(ctx: Ctx, going: Held) -> Any:
    return ctx.db.execute(tables.consent.select().where(tables.consent.c.id == going.consent)).first()


@act(
    "border.enrol.open", verb="collect", activity=ACTIVITY, roles=KIOSKS, duty=True, input=ConsentRef, output=Opened,
    groups=["collection", "explicit-consent"], gather=_consent_facts, recheck=_consent_facts,
    fr="Ouvrir un enrôlement", en="Open an enrolment",
)  # fmt: skip
def open_(ctx: Ctx, given: ConsentRef) -> Effect:
    """The room is taken once the act is recorded: for one that was refused as it was written there is none."""
    holding(ctx.kernel).free()

    async def after(_receipt: Any) -> None:
        async with holding(ctx.kernel).opening(FACILITATION, "kiosk", ENROLMENT_S, consent=given.consent) as going:
            effect.result = _opened(ctx, going, _offer(ctx, going))

    effect = Effect(after=after, concerns=(owner(given.consent),))
    return effect


def _offer(ctx: Ctx, going: Held) -> str:
    issuer, grants = ctx.kernel.settings.origin, Grants(PreAuthorized(code=going.id))
    return invitation(Offer(credential_issuer=issuer, credential_configuration_ids=(CONFIGURATION,), grants=grants))


def _opened(ctx: Ctx, going: Held, offer: str) -> Opened:
    ready, row = going.room.ready, _row(ctx, going)
    if row is None:  # it ended while the room came, and nobody told this enrolment, which was not there yet
        raise _again()
    return Opened(
        enrolment=going.id, offer=offer, key=ready.key, nonce=ready.nonce, issuer=ctx.kernel.settings.origin,
        challenge=list(going.challenge), tokens=len(_controls(agreed_points(ctx, row))), life_s=int(ENROLMENT_S),
    )  # fmt: skip


@act(
    "border.enrol.join", verb="collect", activity=ACTIVITY, roles=["anyone"], duty=True, input=EnrolmentRef, output=Opened,
    groups=["collection", "explicit-consent"], gather=_still, recheck=_still,
    fr="Rejoindre un enrôlement depuis le portefeuille", en="Join an enrolment from the wallet",
)  # fmt: skip
def join(ctx: Ctx, given: EnrolmentRef) -> Effect:
    """The wallet brings the code of the offer, and goes on over its own connection."""
    going = holding(ctx.kernel).find(FACILITATION, given.enrolment)
    return Effect(_opened(ctx, going, ""), concerns=(owner(going.consent),))


@act(
    "border.document.zone", verb="collect", activity=ACTIVITY, roles=KIOSKS, duty=True, input=ZonePicture, output=ZoneRead,
    groups=["collection", "explicit-consent"], gather=_still, recheck=_still, max_bytes=MAX_SENT,
    fr="Lire la zone d’un document dans une photo", en="Read a document’s zone in a picture",
)  # fmt: skip
async def zone(ctx: Ctx, given: ZonePicture) -> Effect:
    going = holding(ctx.kernel).find(FACILITATION, given.enrolment)
    answer = await going.room.ask(ReadZone(given.picture, given.reply, ctx.now_us // 1_000_000))
    if not isinstance(answer, Looked):
        raise _again()
    return Effect(ZoneRead(answer.sealed))


@act(
    "border.document.read", verb="collect", activity=ACTIVITY, roles=KIOSKS, duty=True, input=ChipGiven, output=DocumentRead,
    groups=["collection", "explicit-consent"], gather=_still, recheck=_still, max_bytes=MAX_SENT,
    fr="Lire la puce d’un document de voyage", en="Read the chip of a travel document",
)  # fmt: skip
async def read(ctx: Ctx, given: ChipGiven) -> Effect:
    going = holding(ctx.kernel).find(FACILITATION, given.enrolment)
    countries: Countries = ctx.kernel.things.get(COUNTRIES, Countries())
    answer = await going.room.ask(ReadChip(given.chip, countries.csca, countries.crls, ctx.now_us // 1_000_000))
    if not isinstance(answer, ChipRead):
        raise _again()
    going.chip = answer
    return Effect(DocumentRead(answer.verdict, [Found(*each) for each in answer.findings]))


@act(
    "border.enrol.issue", verb="collect", activity=ACTIVITY, roles=["anyone"], duty=True, input=Wanted, output=Tokens,
    groups=["collection", "explicit-consent"], gather=_still, recheck=_still, max_bytes=MAX_SENT,
    fr="Émettre les jetons d’un voyage", en="Issue the tokens of a journey",
)  # fmt: skip
async def issue(ctx: Ctx, given: Wanted) -> Effect:
    going = holding(ctx.kernel).find(FACILITATION, given.enrolment)
    if going.chip is None or going.chip.verdict != "proved":
        raise Conflict(
            Text("Le document n’a pas été reconnu.", "The document was not recognised."),
            Text("Un agent le regarde avec vous ; ou prenez la voie égale.", "An officer looks at it with you; or take the equal lane."),
        )  # fmt: skip
    face = await going.room.ask(Compare(tuple(given.frames), THRESHOLD, FRAMES, challenge=MOVING))
    if not isinstance(face, Compared):
        raise _again()
    if face.band != "match":
        going.challenge = face.challenge
        return Effect(Tokens("", face.why or face.band, list(face.guidance), list(face.challenge)))
    return await _issued(ctx, given, going)


async def _issued(ctx: Ctx, given: Wanted, going: Held) -> Effect:
    row = _row(ctx, going)
    if row is None:
        raise _again()
    controls = _controls(agreed_points(ctx, row))
    places, until = statuses.draw(ctx, len(controls)), row.until // 1_000_000 // HOUR_S * HOUR_S
    kid = keys.current_issuer(ctx.db, ctx.now_us)
    message = Issue(
        sealed=given.sealed, controls=controls, issuer=ctx.kernel.settings.origin, kid=kid, uri=statuses.uri(ctx.kernel),
        places=places, until=until, now=ctx.now_us // 1_000_000,
    )  # fmt: skip
    answer = await going.room.ask(message, keys.digest_signer(FACILITATION, ctx.kernel, ctx.db, kid))
    if not isinstance(answer, Issued):
        raise _again()
    if answer.why:
        raise BadInput(
            Text(f"Les jetons n’ont pas été émis ({answer.why}).", f"The tokens were not issued ({answer.why})."),
            Text("Recommencez l’enrôlement.", "Start the enrolment again."),
        )
    rows = statuses.given(going.consent, places, until * 1_000_000)

    def after(_receipt: Any) -> None:
        holding(ctx.kernel).end(going)

    return Effect(Tokens(answer.sealed, "", [], []), rows=rows, after=after, concerns=(owner(going.consent),))


def _controls(agreed: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """One token for each point that was agreed to, with the claims that it may ask for; and the spares, for any of them."""
    known = [points()[name] for name in agreed if name in points()]
    spare = tuple(name for name in CLAIMS if any(name in point.claims for point in known))
    return (*((point.id, point.claims) for point in known), *((SPARE, spare) for _ in range(SPARES)))


def _again() -> Conflict:
    return Conflict(
        Text("L’enrôlement n’a pas abouti ; rien n’a été gardé.", "The enrolment did not succeed; nothing was kept."),
        Text("Recommencez, ou prenez la voie égale.", "Start again, or take the equal lane."),
    )


ACTS: tuple[Act, ...] = (open_, join, zone, read, issue)
