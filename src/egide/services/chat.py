"""Help by chat, the person's side: write, read the answers, choose what is kept, end. Without a name, without an account.

Opening, writing and reading are emergency acts: never refused because the ledger is down (kernel/emergency.py). They see no
store, read the board in memory (chat_board.py), make their ids from `ctx.seed`, and write in `Effect.apply`.

Everything said is sealed with the conversation's own key, and erased by destroying it: the moment the conversation ends, or after
a day without a word. What the person chose to keep becomes a file first (chat_file.py), then too (chat_lapse.py).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Act, Ctx, Effect, Facts, Input, act
from egide.kernel.capability import Words
from egide.kernel.clock import from_us
from egide.kernel.distress import id_of, limited, secret_of
from egide.kernel.errors import BadInput, Conflict, NotFound, Text, Unavailable
from egide.kernel.forget import forget_acts
from egide.kernel.identity import digest
from egide.kernel.jobs import job
from egide.kernel.kernel import Kernel
from egide.kernel.retention import erase_at, run, trigger
from egide.kernel.retention import keep as retained
from egide.services import chat_file, chat_tables
from egide.services.answers import check, clean, read
from egide.services.chat_board import (
    CHANGED,
    PURPOSE,
    SILENCE,
    WORDS,
    Chat,
    ChatBody,
    Line,
    LineBody,
    board,
    definition,
    owner,
    shown_line,
)
from egide.services.definition import Transition
from egide.services.filing import Invalid, today
from egide.services.model import bound, new_code, number, places, series_of

MAX_TEXT = 4000  # characters
SEEN = ("", "answer", "relay")  # what of it the person reads; why a team is asked for is for the team
MAX_BYTES = 32 * 1024
LAPSE = "services.chat.lapse"  # the act that ends what is kept and nobody ends (chat_lapse.py)


class NewChat(Input):
    """The first words."""

    text: str
    lang: Literal["fr", "en"] = "fr"


class ChatSecret(Input):
    """A conversation, and the secret of who began it."""

    unkept: ClassVar[frozenset[str]] = frozenset({"secret"})

    chat: str
    secret: str = ""


class ChatSaid(ChatSecret, kw_only=True):
    """More words."""

    text: str


class Choice(ChatSecret, kw_only=True):
    """What shall be kept: the words or not, and what is needed to be called back, as a form sends it."""

    words: bool
    form: dict[str, list[str]] = {}


class Look(ChatSecret, kw_only=True):
    """What the window shows already."""

    seen: str


class Lapsing(Input):
    """A conversation of which something is kept."""

    chat: str


class ChatBegun(msgspec.Struct):
    """The conversation's id, and the secret with which its beginner goes on."""

    id: str
    secret: str


class ChatShown(msgspec.Struct):
    """A conversation as the person sees it: never who answers."""

    id: str
    lang: str
    state: str
    said: Words
    answered: bool
    journal: bool
    stamp: str
    words: bool
    number: str
    callback: bool
    steps: list[str]
    lines: list[dict[str, Any]]


class Chosen(msgspec.Struct):
    """The number under which it will be kept, and its code: said once, "" afterwards."""

    number: str
    code: str


class News(msgspec.Struct):
    """Whether there is something new."""

    new: bool


def noticed(_ctx: Ctx, _given: Any) -> Facts:
    """The page itself says who reads it, why and how long (GDPR 13), in the person's language."""
    return {"notice_shown": True}


def words_of(text: str, *, due: bool = True) -> str:
    """Words as they are kept. Raises `BadInput`."""
    said = clean(text)
    if (due and not said) or len(said) > MAX_TEXT:
        raise BadInput(
            Text(
                f"Écrivez quelques mots, {MAX_TEXT} signes au plus.",
                f"Write a few words, {MAX_TEXT} characters at most.",
            )
        )
    return said


def found(ctx: Ctx, chat: str) -> Chat:
    """A conversation that is open. Raises `NotFound`."""
    held = board(ctx.kernel).find(chat)
    if held is None:
        raise NotFound(
            Text("Cette conversation est terminée.", "This conversation has ended."),
            Text(
                "Vous pouvez en commencer une autre. En danger : 17 ou 112, SMS au 114.",
                "You can begin another one. In danger: 17 or 112, text 114.",
            ),
        )
    return held


def _own(ctx: Ctx, given: ChatSecret) -> Chat:
    """The same words whether it has ended, never was or is somebody else's."""
    held = board(ctx.kernel).find(given.chat)
    proved = held is not None and hmac.compare_digest(held.secret, digest(given.secret))
    return found(ctx, given.chat if proved or ctx.replayed else "")


def step_of(chat: Chat, id_: str, role: str) -> Transition:
    """A step of the service that may be taken now. Raises `Conflict`."""
    service = definition(chat.version)
    step = next((one for one in service.transitions if one.id == id_), None)
    if step is None or chat.state not in step.origins or role not in step.roles:
        said = service.state(chat.state).say
        raise Conflict(
            Text(
                f"La conversation est « {said.fr} » : cela ne s’y fait pas.",
                f"The conversation is “{said.en}”: that cannot be done there.",
            )
        )
    return step


def settled(chat: Chat) -> None:
    """Raises `Unavailable` while the ledger lacks some of it: what is kept or erased must be all of it."""
    if chat.waiting:
        raise Unavailable(
            Text(
                "Le registre n’a pas encore toute la conversation.",
                "The ledger does not have all of the conversation yet.",
            ),
            Text(
                "Continuez à écrire ; recommencez cela dans une minute.", "Go on writing; try this again in a minute."
            ),
        )


def told(ctx: Ctx, chat: str) -> tuple[str, dict[str, Any]]:
    """What other processes hear of it."""
    return CHANGED, {"chat": chat, "process": ctx.kernel.process}


def sealed_line(kernel: Kernel, chat: str, line: Line) -> dict[str, Any]:
    """A line's row."""
    body = kernel.vault.seal(owner(chat), PURPOSE, msgspec.json.encode(line.body), line.id.encode())
    return {
        "id": line.id, "chat": chat, "at": line.at, "officer": line.officer, "by": line.by or None, "step": line.step, "body": body,
    }  # fmt: skip


def write_line(ctx: Ctx, connection: Connection, chat: str, line: Line, **changed: Any) -> None:
    """Writes a line, and what changed with it; the clock of silence starts again. Raises `NotFound` where it has ended."""
    table = chat_tables.chat
    there = table.c.id == chat, table.c.closed.is_(None)
    if not connection.execute(update(table).where(*there).values(**({"id": chat} | changed))).rowcount:
        raise NotFound(Text("Cette conversation est terminée.", "This conversation has ended."))
    row = sealed_line(ctx.kernel, chat, line)
    if line.by:  # a journalled act may be written after its officer was erased: nobody is named again then
        known = kernel_tables.person.c.id
        row["by"] = connection.execute(select(known).where(known == line.by)).scalar()
    connection.execute(insert(chat_tables.line), row)
    if not connection.execute(select(table.c.number).where(table.c.id == chat)).scalar():
        trigger(ctx.kernel, connection, SILENCE, chat, ctx.now_us)


def lapsing(chat: str, cause: str, due_us: int) -> dict[str, Any]:
    """The row that has somebody look whether anything is still said in a conversation of which something is kept."""
    return job(cause, LAPSE, msgspec.json.encode(Lapsing(chat=chat)), due_us)


@act(
    "services.chat.open", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=noticed, duty=True,
    emergency=True, input=NewChat, output=ChatBegun, max_bytes=MAX_BYTES, fr="Écrire à un agent", en="Write to an officer",
)  # fmt: skip
def open_chat(ctx: Ctx, given: NewChat) -> Effect:
    kernel, service = ctx.kernel, definition()
    text = words_of(given.text)
    limited(ctx, board(ctx.kernel).buckets, ctx.address)
    id_ = id_of(ctx, b"chat")
    secret = secret_of(ctx)
    line = Line(id_of(ctx, b"line"), ctx.now_us, False, "", "", LineBody(text))
    chat = Chat(id_, digest(secret), service.version, given.lang, ctx.now_us, service.initial, ctx.now_us, lines=[line])

    def apply(connection: Connection) -> None:
        body = kernel.vault.seal(owner(id_), PURPOSE, msgspec.json.encode(ChatBody()), id_.encode())
        row = {
            "id": id_, "secret": chat.secret, "version": chat.version, "lang": chat.lang, "at": chat.at, "state": service.initial,
            "since": chat.at, "officer": None, "number": "", "code": "", "words": False, "closed": None, "body": body,
        }  # fmt: skip
        connection.execute(insert(chat_tables.chat), row)
        for category in (WORDS, SILENCE):
            connection.execute(insert(kernel_tables.retained), retained(category, id_))
        write_line(ctx, connection, id_, line)

    return Effect(
        ChatBegun(id_, secret), apply=apply, events=[told(ctx, id_)], actor=owner(id_),
        after=lambda receipt: board(kernel).put(chat, receipt),
    )  # fmt: skip


@act(
    "services.chat.say", verb="collect", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=noticed, duty=True,
    emergency=True, input=ChatSaid, output=ChatShown, max_bytes=MAX_BYTES, fr="Écrire de nouveau", en="Write again",
)  # fmt: skip
def say(ctx: Ctx, given: ChatSaid) -> Effect:
    limited(ctx, board(ctx.kernel).buckets, ctx.address)
    kernel, chat = ctx.kernel, _own(ctx, given)
    line = Line(
        id_of(ctx, b"line"),
        ctx.now_us,
        False,
        "",
        "",
        LineBody(words_of(given.text)),
    )
    return Effect(
        shown(chat), apply=lambda connection: write_line(ctx, connection, chat.id, line), events=[told(ctx, chat.id)],
        after=lambda receipt: board(kernel).add(chat, line, receipt), actor=owner(chat.id), concerns=(owner(chat.id),),
    )  # fmt: skip


@act(
    "services.chat.follow", verb="view", activity=PURPOSE, roles=["anyone"], duty=True, emergency=True, input=ChatSecret,
    output=ChatShown, fr="Lire sa conversation", en="Read one’s conversation",
)  # fmt: skip
def follow(ctx: Ctx, given: ChatSecret) -> Effect:
    chat = _own(ctx, given)
    return Effect(shown(chat), actor=owner(chat.id))


@act(
    "services.chat.news", verb="view", activity=PURPOSE, roles=["anyone"], open=True, input=Look, output=News,
    fr="Y a-t-il du nouveau ?", en="Is there something new?",
)  # fmt: skip
def news(ctx: Ctx, given: Look) -> Effect:
    """What an open window asks every few seconds: a yes or a no, so that nothing is read and nothing recorded without need."""
    return Effect(News(_own(ctx, given).stamp != given.seen))


@act(
    "services.chat.keep", verb="alter", activity=PURPOSE, roles=["anyone"], groups=["collection"], gather=noticed, duty=True,
    input=Choice, output=Chosen, max_bytes=MAX_BYTES, fr="Choisir ce qui est gardé de sa conversation", en="Choose what is kept of one’s conversation",
)  # fmt: skip
def keep(ctx: Ctx, given: Choice) -> Effect:
    kernel, chat = ctx.kernel, _own(ctx, given)
    settled(chat)
    if not chat.officer:
        raise Conflict(Text("Attendez qu’un agent vous réponde.", "Wait until an officer answers you."))
    service = definition(chat.version)
    answers = read(service.fields, given.form) if given.form else chat.body.answers
    wrong = check(service, answers, today(ctx)) if answers else {}
    if wrong:
        raise Invalid(wrong)
    body, code = ChatBody(answers), "" if chat.number else new_code()
    chosen = Chosen(chat.number, code)

    def apply(connection: Connection) -> None:
        table = chat_tables.chat
        # Of a button pressed twice the first drew the number; the code is the last one’s, whose answer is read.
        chosen.number = str(connection.execute(select(table.c.number).where(table.c.id == chat.id)).scalar() or "")
        if not chosen.number:
            series = series_of(service.code, from_us(ctx.now_us).astimezone(kernel.book.zone))
            chosen.number = number(series, places(connection, series, 1))
            run(connection, SILENCE, chat.id)  # silence erases it no more: it becomes a file then
            due = erase_at(kernel, SILENCE, ctx.now_us)
            connection.execute(insert(kernel_tables.job), lapsing(chat.id, chosen.number, due))
        sealed = kernel.vault.seal(owner(chat.id), PURPOSE, msgspec.json.encode(body), chat.id.encode())
        values = {"number": chosen.number, "words": given.words, "body": sealed} | (
            {"code": digest(code)} if code else {}
        )
        connection.execute(update(table).where(table.c.id == chat.id).values(**values))

    def after(receipt: Any) -> None:
        changed = {"code": digest(code)} if code else {}
        board(kernel).change(chat, receipt, number=chosen.number, words=given.words, body=body, **changed)

    return Effect(
        chosen, apply=apply, after=after, events=[told(ctx, chat.id)], actor=owner(chat.id), concerns=(owner(chat.id),)
    )


@act(
    "services.chat.leave", verb="erase", activity=PURPOSE, roles=["anyone"], duty=True, input=ChatSecret, output=Chosen,
    fr="Terminer sa conversation", en="End one’s conversation",
)  # fmt: skip
def leave(ctx: Ctx, given: ChatSecret) -> Effect:
    chat = _own(ctx, given)
    step = step_of(chat, "close" if chat.officer else "leave", "holder")
    return ended(ctx, chat, step, "", "")


def ended(ctx: Ctx, chat: Chat, step: Transition, text: str, by: str, unit: str = "") -> Effect:
    """The effect of an end: what the person chose to keep becomes a file; then the words are erased, within seconds."""
    settled(chat)
    kernel = ctx.kernel
    write = chat_file.of(ctx, chat, step, text, by, unit)

    def apply(connection: Connection) -> None:
        table = chat_tables.chat
        open_ = table.c.id == chat.id, table.c.closed.is_(None)
        if not connection.execute(update(table).where(*open_).values(closed=ctx.now_us, state=step.to)).rowcount:
            raise Conflict(Text("Cette conversation vient de se terminer.", "This conversation has just ended."))
        if write is not None:
            effect.bulk = bound(write.apply(connection))
        trigger(kernel, connection, WORDS, chat.id, ctx.now_us)

    events = [told(ctx, chat.id), *(write.events if write is not None else [])]
    effect = Effect(
        Chosen(chat.number, ""), apply=apply, events=events, actor=None if by else owner(chat.id),
        after=lambda receipt: board(kernel).change(chat, receipt, closed=True, state=step.to),
        concerns=(owner(chat.id), *(write.concerns if write is not None else ())),
    )  # fmt: skip
    return effect


def shown(chat: Chat) -> ChatShown:
    """What the person sees."""
    service = definition(chat.version)
    steps = [one.id for one in service.transitions if chat.state in one.origins and "holder" in one.roles]
    return ChatShown(
        chat.id, chat.lang, chat.state, service.state(chat.state).say, bool(chat.officer), bool(chat.waiting), chat.stamp, chat.words,
        chat.number, chat.called_back, steps, [shown_line(line) for line in chat.lines if line.step in SEEN],
    )  # fmt: skip


def erase(kernel: Kernel, chat: str) -> Callable[[Connection], None]:
    """What destroys a conversation: its key, its rows, and what the ledger said of it."""

    def destroy(connection: Connection) -> None:
        kernel.vault.shred(owner(chat), PURPOSE)
        connection.execute(delete(chat_tables.line).where(chat_tables.line.c.chat == chat))
        connection.execute(delete(chat_tables.chat).where(chat_tables.chat.c.id == chat))
        # Whichever of the two clocks came first, the other has nothing left to do.
        open_ = kernel_tables.retained.c.state.not_in(("erasing", "erased"))
        ids = [f"{category}/{chat}" for category in (WORDS, SILENCE)]
        connection.execute(delete(kernel_tables.retained).where(kernel_tables.retained.c.id.in_(ids), open_))
        forget_acts(connection, owner(chat))

    return destroy


ACTS: tuple[Act, ...] = (open_chat, say, follow, news, keep, leave)
ERASERS = {WORDS: erase, SILENCE: erase}
