"""Enrolment, once, at a kiosk: the chip is read and proved, the face is that of its portrait, and the wallet gets its tokens.

    open           a consent is shown; a warm room is taken, the wallet gets an offer (OpenID4VCI 1.0, pre-authorised code)
    document.read  the chip's files go to the room, sealed; out comes one answer for each question of passive authentication
    issue          frames, and the wallet's proofs and secrets, go to the room, sealed; tokens come out, sealed to the wallet

All three are one room: what was read is compared with who stands there, and is gone with it. The issuer keeps, for each token,
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
from egide.border.room.messages import ChipRead, Compare, Compared, Issue, Issued, ReadChip
from egide.border.token.profile import CONFIGURATION
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.errors import BadInput, Conflict, Text
from egide.protocols.openid4vci import Grants, Offer, PreAuthorized, invitation

KIOSKS = ("kiosk", "officer")
SPARES = 2  # tokens for a control that must be made again
THRESHOLD, FRAMES = 0.433, 3  # cosine, pictures: as at a gate that looks at faces
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


class ChipGiven(Input):
    """The files of a chip, sealed to the room."""

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

    unkept: ClassVar[frozenset[str]] = frozenset({"sealed", "frames"})

    enrolment: str
    sealed: str
    frames: list[str]


class Tokens(msgspec.Struct):
    """The tokens, sealed to the wallet; or in one word why there are none, and what would help."""

    sealed: str
    why: str
    guidance: list[str]


def _consent_facts(ctx: Ctx, given: ConsentRef) -> Facts:
    return _facts("given" if held(ctx, given) is not None else "none")


def _facts(state: str) -> Facts:
    """All of which the acts of an enrolment need: they are gathered again as they are."""
    return {"consent_state": state, "consent_explicit": True, "equal_way_open": True, "notice_shown": True}


def _still(ctx: Ctx, given: Any) -> Facts:
    """A consent that was withdrawn meanwhile stops the enrolment at once."""
    going = holding(ctx.kernel).find(FACILITATION, given.enrolment)
    row = ctx.db.execute(tables.consent.select().where(tables.consent.c.id == going.consent)).first()
    return _facts("given" if row is not None and row.until > ctx.now_us else "withdrawn")


@act(
    "border.enrol.open", verb="collect", activity=ACTIVITY, roles=KIOSKS, duty=True, input=ConsentRef, output=Opened,
    groups=["collection", "explicit-consent"], gather=_consent_facts, recheck=_consent_facts,
    fr="Ouvrir un enrôlement", en="Open an enrolment",
)  # fmt: skip
async def open_(ctx: Ctx, given: ConsentRef) -> Effect:
    going = await holding(ctx.kernel).open(FACILITATION, "face", ENROLMENT_S, consent=given.consent)
    ready, issuer = going.room.ready, ctx.kernel.settings.origin
    code = PreAuthorized(code=going.id)
    offer = Offer(credential_issuer=issuer, credential_configuration_ids=(CONFIGURATION,), grants=Grants(code))
    agreed = agreed_points(ctx, held(ctx, given))
    opened = Opened(
        enrolment=going.id, offer=invitation(offer), key=ready.key, nonce=ready.nonce, issuer=issuer,
        challenge=list(ready.challenge), tokens=len(_controls(agreed)), life_s=int(ENROLMENT_S),
    )  # fmt: skip
    return Effect(opened, concerns=(owner(given.consent),))


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
    "border.enrol.issue", verb="collect", activity=ACTIVITY, roles=KIOSKS, duty=True, input=Wanted, output=Tokens,
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
    face = await going.room.ask(Compare(tuple(given.frames), THRESHOLD, FRAMES, challenge=len(given.frames) > FRAMES))
    if not isinstance(face, Compared):
        raise _again()
    if face.band != "match":
        return Effect(Tokens("", face.why or face.band, list(face.guidance)))
    return await _issued(ctx, given, going)


async def _issued(ctx: Ctx, given: Wanted, going: Held) -> Effect:
    row = ctx.db.execute(tables.consent.select().where(tables.consent.c.id == going.consent)).first()
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

    return Effect(Tokens(answer.sealed, "", []), rows=rows, after=after, concerns=(owner(going.consent),))


def _controls(agreed: list[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """One token for each point that was agreed to, with the claims that it may ask for; and the spares, for any of them."""
    known = [points()[name] for name in agreed if name in points()]
    spare = tuple(name for name in CLAIMS if any(name in point.claims for point in known))
    return (*((point.id, point.claims) for point in known), *(("spare", spare) for _ in range(SPARES)))


def _again() -> Conflict:
    return Conflict(
        Text("L’enrôlement n’a pas abouti ; rien n’a été gardé.", "The enrolment did not succeed; nothing was kept."),
        Text("Recommencez, ou prenez la voie égale.", "Start again, or take the equal lane."),
    )


ACTS: tuple[Act, ...] = (open_, read, issue)
