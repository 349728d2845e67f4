"""The officer's part: what the machine was unsure of, a human looks at and decides. There is no other end of a doubtful passage.

The pictures are in the room and on the officer's tablet, to whose key the room seals them: the platform relays ciphertext. At the
border the chip's portrait is beside the live face; elsewhere the officer has the document in hand, and says so. Each realm has
two words for the decision, and a reason from a list: nothing about a person is typed.

Sources: GDPR 22; directive 2016/680, 11; AI Act 14; Schengen Borders Code 14(2) (a refusal of entry is a procedure of its own).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from egide.border.controls import passed, receipt_of
from egide.border.holding import Held, holding
from egide.border.judging import spend
from egide.border.realm import BOTH, POLICE, Of, count
from egide.border.room.messages import Look, Looked
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, NotFound, Text, Unavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection

OFFICERS = ("officer", "command")
WORDS = {"facilitation": ("let-through", "to-the-desk"), "border-police": ("let-through", "second-line")}
Word = Literal["let-through", "to-the-desk", "second-line"]
Reason = Literal[
    "same-person", "other-person", "cannot-tell", "document-doubtful", "camera-or-light", "asked-for-a-person"
]


class Case(msgspec.Struct):
    """One passage that waits for an officer: where, since when, and in one word why; never who."""

    case: str
    point: str
    since: str
    why: str


class Cases(msgspec.Struct):
    """The passages that wait, the longest waiting first."""

    cases: list[Case]


class Looking(Input):
    """Which case, the tablet's public key (a JWK, drawn for it), and whether the officer has the document in hand."""

    held: ClassVar[str] = "case"

    case: str
    tablet: dict[str, str]
    document_in_hand: bool


class Shown(msgspec.Struct):
    """What only the tablet opens: the pictures, and what the token disclosed."""

    sealed: str


class Deciding(Input):
    """The decision in one of two words, and why; whether the officer has the document in hand."""

    held: ClassVar[str] = "case"

    case: str
    word: Word
    reason: Reason
    document_in_hand: bool = False


class Decided(msgspec.Struct):
    """The decision, and the receipt for the wallet where the traveller goes through."""

    word: Word
    receipt: str


class NoInput(Input):
    """Nothing to say."""


def _list(of: Of, ctx: Ctx, _given: NoInput) -> Effect:
    waiting = [Case(each.id, each.point, iso(each.at), each.why) for each in holding(ctx.kernel).waiting(of)]

    def after(_receipt: Any) -> None:
        if ctx.channel is not None:
            holding(ctx.kernel).follow(of, ctx.channel)

    return Effect(Cases(waiting), after=after)


def _case(of: Of, ctx: Ctx, id_: str) -> Held:
    held = holding(ctx.kernel).find(of, id_)
    if not held.case_at:
        raise NotFound(Text("Ce passage n’attend pas d’agent.", "This passage waits for no officer."))
    return held


async def _look(of: Of, ctx: Ctx, given: Looking) -> Effect:
    held = _case(of, ctx, given.case)
    if of is not POLICE and not given.document_in_hand:
        raise BadInput(
            Text("Ici, l’image se compare au document que vous avez en main.", "Here the picture is compared with the document in your hand."),
            Text("Demandez le document au voyageur, puis recommencez.", "Ask the traveller for the document, then try again."),
        )  # fmt: skip
    async with held.busy:
        answer = await held.room.ask(Look(given.tablet))
    if not isinstance(answer, Looked):
        raise Unavailable(Text("Les images ne sont plus là.", "The pictures are there no more."))
    return Effect(Shown(answer.sealed))


def _look_facts(ctx: Ctx, _given: Looking) -> Facts:
    return {"human_can_override": ctx.principal.kind == "person"}


def _decide_facts(of: Of, ctx: Ctx, given: Deciding) -> Facts:
    """Nobody is let through at the border whose document neither the gate's reader nor the guard had; the second line sees it."""
    human = ctx.principal.kind == "person"
    facts: Facts = {"human_can_override": human}
    if of is POLICE:
        held = _case(of, ctx, given.case)
        seen = given.document_in_hand or (held.chip is not None and held.chip.verdict == "proved")
        document = seen or given.word != "let-through"
        facts |= {"machine_refuses": not human, "guard_supervises": human, "document_checked": document}
    return facts


def _decide(of: Of, ctx: Ctx, given: Deciding) -> Effect:
    held = _case(of, ctx, given.case)
    if given.word not in WORDS[of.realm]:
        raise BadInput(
            Text("Ce mot n’est pas de ce contrôle.", "This word is not of this control."),
            Text(f"Choisissez : {', '.join(WORDS[of.realm])}.", f"Choose: {', '.join(WORDS[of.realm])}."),
        )
    through = given.word == "let-through"
    point = held.point.id if held.point is not None else ""

    def apply(connection: Connection) -> None:
        if through and held.admitted is not None and held.admitted.mark:  # it served, whoever opened; or it had before
            spend(of, connection, held.admitted, ctx.now_us)
        count(of, connection, point, ctx.now_us, "admitted" if through else "turned")

    receipt = receipt_of(of, ctx, held, "officer") if through else ""

    def after(_receipt: Any) -> None:
        holding(ctx.kernel).settle(held)
        if held.channel is not None:
            told = {"push": "border.decided", "control": held.id, "word": given.word, "receipt": receipt}
            held.channel.push(told)

    events = [passed(point, "officer", ctx.now_us)] if through else []
    return Effect(Decided(given.word, receipt), apply=apply, events=events, after=after)


def acts(of: Of) -> tuple[Act, ...]:
    """The acts of this realm's officers."""
    common: dict[str, Any] = {"activity": of.activity, "roles": OFFICERS, "duty": True}
    decision = ("human-oversight", "border-check") if of is POLICE else ("human-oversight",)
    return (
        act(
            of.name("officer.list"), verb="view", input=NoInput, output=Cases, **common,
            fr="Voir les passages qui attendent un agent", en="See the passages that wait for an officer",
        )(partial(_list, of)),
        act(
            of.name("officer.look"), verb="consult", groups=("human-oversight",), gather=_look_facts, input=Looking,
            output=Shown, **common, fr="Regarder un passage douteux", en="Look at a doubtful passage",
        )(partial(_look, of)),
        act(
            of.name("officer.decide"), verb="decide", groups=decision, gather=partial(_decide_facts, of), input=Deciding,
            output=Decided, **common, fr="Décider d’un passage douteux", en="Decide a doubtful passage",
        )(partial(_decide, of)),
    )  # fmt: skip


ACTS: tuple[Act, ...] = tuple(each for of in BOTH for each in acts(of))
