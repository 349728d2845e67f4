"""Help by chat, the officer's side: what waits, answering, asking for a team, handing over, ending.

One officer answers from beginning to end: the first who takes it. Who takes over says so in the conversation. Everything by which
help comes is an emergency act, as on the person's side (chat.py); what makes or erases a file waits for the ledger.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.distress import id_of
from egide.kernel.errors import BadInput, Conflict, EgideError, NotFound, Text
from egide.services import chat_tables
from egide.services.chat import MAX_BYTES, ended, found, settled, step_of, told, words_of, write_line
from egide.services.chat_board import PURPOSE, SERVICE, Chat, Line, LineBody, board, definition, owner
from egide.services.definition import MAX_TEXT, Export
from egide.services.filing import OFFICERS
from egide.services.model import ERASED

OFFICER, RELAY, ALERT = "officer", "relay", "alert"
_CHAT, _LINE = chat_tables.chat, chat_tables.line
_TEAM = (  # the last call for a team in a conversation that goes on
    select(_CHAT.c.version, _LINE.c.id, _LINE.c.body)
    .join(_CHAT, _CHAT.c.id == _LINE.c.chat)
    .where(_CHAT.c.id == bindparam("of"), _CHAT.c.closed.is_(None), _LINE.c.step == ALERT)
    .order_by(_LINE.c.at.desc())
)
GROUP, HANDOVER = "victim-chat", "victim-chat-handover"


class ChatRef(Input):
    """One conversation."""

    chat: str


class ChatWords(ChatRef):
    """One conversation, and words: to the person, or why."""

    text: str


class TeamAsked(ChatWords):
    """Why a team is needed, and what it must know to get there: no more than the service exports."""

    whereabouts: str = ""
    phone: str = ""


class HandedOver(ChatWords):
    """To which unit, "" for whichever is nearest; words for it."""

    unit: str = ""


class ChatList(msgspec.Struct):
    """What waits, the longest first, and one's own."""

    chats: list[dict[str, Any]]


class ChatDesk(msgspec.Struct):
    """One conversation as its officer sees it."""

    chat: dict[str, Any]


class Exported(msgspec.Struct):
    """What leaves with a call for a team."""

    service: str
    fields: dict[str, str]


def _answers(ctx: Ctx, given: ChatRef) -> Facts:
    """Whether it is this officer who answers."""
    chat = board(ctx.kernel).find(given.chat)
    return {"interlocutor": chat is not None and chat.officer == ctx.principal.id}


def _answers_or_commands(ctx: Ctx, given: ChatRef) -> Facts:
    """As above; who commands may free a conversation whose officer cannot go on."""
    return {"interlocutor": bool(_answers(ctx, given)["interlocutor"]) or "command" in ctx.principal.roles}


def _agreed(ctx: Ctx, given: ChatRef) -> Facts:
    chat = board(ctx.kernel).find(given.chat)
    return _answers(ctx, given) | {"handover_agreed": chat is not None and chat.called_back}


def _desk(ctx: Ctx, chat: Chat) -> ChatDesk:
    return ChatDesk(board(ctx.kernel).show(chat, ctx.principal))


def _line(ctx: Ctx, step: str, body: LineBody) -> Line:
    return Line(id_of(ctx, b"line"), ctx.now_us, True, ctx.principal.id, step, body)


def _done(ctx: Ctx, chat: Chat, line: Line, **changed: Any) -> Effect:
    kernel = ctx.kernel

    def apply(connection: Connection) -> None:
        write_line(ctx, connection, chat.id, line, **({name: value or None for name, value in changed.items()}))

    def after(receipt: Any) -> None:
        board(kernel).add(chat, line, receipt, **changed)
        effect.result = _desk(ctx, chat)

    effect = Effect(_desk(ctx, chat), apply=apply, after=after, events=[told(ctx, chat.id)], concerns=(owner(chat.id),))
    return effect


@act(
    "services.chat.list", verb="consult", activity=PURPOSE, roles=OFFICERS, duty=True, emergency=True, output=ChatList,
    fr="Voir les conversations qui attendent, et les siennes", en="See the conversations that wait, and one’s own",
)  # fmt: skip
def list_chats(ctx: Ctx, _given: Nothing) -> Effect:
    channel, held = ctx.channel, board(ctx.kernel)
    shown = held.shown(ctx.principal)
    mine = tuple(owner(one["id"]) for one in shown if one["mine"])
    if channel is None:
        return Effect(ChatList(shown), concerns=mine)
    return Effect(
        ChatList(shown), started=lambda: held.join(channel), latest=lambda: ChatList(held.shown(ctx.principal)), concerns=mine
    )  # fmt: skip


@act(
    "services.chat.take", verb="alter", activity=PURPOSE, roles=OFFICERS, duty=True, emergency=True, input=ChatRef, output=ChatDesk,
    fr="Répondre à une personne qui attend", en="Answer a person who waits",
)  # fmt: skip
def take(ctx: Ctx, given: ChatRef) -> Effect:
    chat, kernel, person = found(ctx, given.chat), ctx.kernel, ctx.principal.id
    if chat.officer and not ctx.replayed:
        raise _taken()
    service = definition(chat.version)
    to = next((one.to for one in service.transitions if one.id == "answer" and chat.state in one.origins), chat.state)
    line = _line(ctx, "answer" if to != chat.state else RELAY, LineBody())
    known, table = kernel_tables.person.c.id, chat_tables.chat

    def apply(connection: Connection) -> None:
        free = update(table).where(table.c.id == chat.id, table.c.officer.is_(None), table.c.closed.is_(None))
        # A journalled act may be written after its officer was erased: nobody is named again then.
        there = known == person
        named = kernel_tables.person.select().with_only_columns(known).where(there).scalar_subquery()
        if not connection.execute(free.values(officer=named, state=to, since=ctx.now_us)).rowcount:
            raise _taken()
        write_line(ctx, connection, chat.id, line)

    def after(receipt: Any) -> None:
        if not chat.officer:
            board(kernel).add(chat, line, receipt, officer=person, state=to, since=ctx.now_us)
        effect.result = _desk(ctx, chat)

    effect = Effect(_desk(ctx, chat), apply=apply, after=after, events=[told(ctx, chat.id)], concerns=(owner(chat.id),))
    return effect


def _taken() -> Conflict:
    return Conflict(
        Text("Un collègue répond déjà à cette personne.", "A colleague answers this person already."),
        Text("Prenez la suivante.", "Take the next one."),
    )


@act(
    "services.chat.answer", verb="disclose", activity=PURPOSE, roles=OFFICERS, groups=[GROUP], gather=_answers, duty=True,
    emergency=True, input=ChatWords, output=ChatDesk, max_bytes=MAX_BYTES, fr="Écrire à la personne", en="Write to the person",
)  # fmt: skip
def answer(ctx: Ctx, given: ChatWords) -> Effect:
    return _done(ctx, found(ctx, given.chat), _line(ctx, "", LineBody(words_of(given.text))))


@act(
    "services.chat.relay", verb="alter", activity=PURPOSE, roles=OFFICERS, groups=[GROUP], gather=_answers_or_commands, duty=True,
    emergency=True, input=ChatWords, output=ChatDesk, max_bytes=MAX_BYTES,
    fr="Passer le relais à un collègue, en le disant", en="Let a colleague go on, and say so",
)  # fmt: skip
def relay(ctx: Ctx, given: ChatWords) -> Effect:
    chat = found(ctx, given.chat)
    return _done(
        ctx, chat, _line(ctx, RELAY, LineBody(words_of(given.text))), officer="", state=chat.state, since=ctx.now_us
    )


@act(
    "services.chat.alert", verb="disclose", activity=PURPOSE, roles=OFFICERS, groups=[GROUP], gather=_answers, duty=True,
    emergency=True, input=TeamAsked, output=ChatDesk, max_bytes=MAX_BYTES, fr="Demander une équipe : vie en danger",
    en="Ask for a team: life in danger",
)  # fmt: skip
def alert(ctx: Ctx, given: TeamAsked) -> Effect:
    chat = found(ctx, given.chat)
    step = step_of(chat, ALERT, OFFICER)
    fields = {name: getattr(given, name).strip() for name in ("whereabouts", "phone")}
    if max(len(value) for value in fields.values()) > MAX_TEXT:
        raise BadInput(Text("Lieu ou téléphone trop long.", "Too long a place or telephone."))
    line = _line(ctx, ALERT, LineBody(words_of(given.text), {name: value for name, value in fields.items() if value}))
    effect = _done(ctx, chat, line, state=step.to, since=ctx.now_us)
    effect.events += [
        (export.event, {"chat": chat.id, "service": SERVICE, "to": export.target}) for export in _exports(chat.version)
    ]
    return effect


def _exports(version: int) -> tuple[Export, ...]:
    return definition(version).exports


@act(
    "services.chat.back", verb="alter", activity=PURPOSE, roles=OFFICERS, groups=[GROUP], gather=_answers_or_commands, duty=True,
    emergency=True, input=ChatRef, output=ChatDesk, fr="Dire que l’équipe est partie", en="Say that the team is on its way",
)  # fmt: skip
def back(ctx: Ctx, given: ChatRef) -> Effect:
    chat = found(ctx, given.chat)
    step = step_of(chat, "back", OFFICER)
    return _done(ctx, chat, _line(ctx, step.id, LineBody()), state=step.to, since=ctx.now_us)


@act(
    "services.chat.exported", verb="disclose", activity=PURPOSE, roles=["system"], system=True, duty=True, input=ChatRef,
    output=Exported, fr="Donner à l’équipe ce qu’il lui faut pour venir", en="Give the team what it needs to come",
)  # fmt: skip
def exported(ctx: Ctx, given: ChatRef) -> Effect:
    """For who hears `help.needed`: the fields that the service exports, and nothing else of the conversation.

    From the store: the board of the process that hears it may not know of the conversation yet.
    """
    row = ctx.db.execute(_TEAM, {"of": given.chat}).first()
    try:
        sealed = None if row is None else ctx.kernel.vault.open_(owner(given.chat), PURPOSE, row.body, row.id.encode())
    except EgideError as error:
        if error.code != ERASED:
            raise
        sealed = None
    if row is None or sealed is None:
        raise NotFound(Text("Aucune équipe n’est demandée ici.", "No team is asked for here."))
    listed = {name for export in _exports(row.version) for name in export.fields}
    asked = msgspec.json.decode(sealed, type=LineBody).fields
    fields = {name: value for name, value in asked.items() if name in listed}
    return Effect(Exported(SERVICE, fields), concerns=(owner(given.chat),))


@act(
    "services.chat.hand_over", verb="disclose", activity=PURPOSE, roles=OFFICERS, groups=[GROUP, HANDOVER], gather=_agreed, duty=True,
    input=HandedOver, output=ChatDesk, max_bytes=MAX_BYTES, fr="Confier à une unité, avec l’accord de la personne",
    en="Hand over to a unit, as the person agreed",
)  # fmt: skip
def hand_over(ctx: Ctx, given: HandedOver) -> Effect:
    return _end(ctx, given.chat, "hand_over", words_of(given.text), given.unit)


@act(
    "services.chat.close", verb="erase", activity=PURPOSE, roles=OFFICERS, groups=[GROUP], gather=_answers, duty=True, input=ChatRef,
    output=ChatDesk, fr="Terminer une conversation", en="End a conversation",
)  # fmt: skip
def close(ctx: Ctx, given: ChatRef) -> Effect:
    return _end(ctx, given.chat, "close", "", "")


def _end(ctx: Ctx, id_: str, name: str, text: str, unit: str) -> Effect:
    chat = found(ctx, id_)
    settled(chat)
    effect = ended(ctx, chat, step_of(chat, name, OFFICER), text, ctx.principal.id, unit)
    effect.result = ChatDesk(board(ctx.kernel).show(chat, ctx.principal) | {"closed": True, "lines": []})
    return effect


ACTS: tuple[Act, ...] = (list_chats, take, answer, relay, alert, back, exported, hand_over, close)
