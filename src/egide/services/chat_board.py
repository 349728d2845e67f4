"""The conversations that are open: in memory, so that one goes on while the database is away (kernel/emergency.py).

Filled from the store at the start, by each act as it is done, by the emergency journal, and by other processes' events. Words are
shown to the officer who answers and to nobody else; what the others see of a conversation is that it waits, and how long.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError

from egide.kernel.act import Receipt
from egide.kernel.clock import iso
from egide.kernel.errors import EgideError
from egide.kernel.limits import Buckets
from egide.services import chat_tables
from egide.services.definition import Definition, catalogue
from egide.services.model import due_at

if TYPE_CHECKING:
    from egide.kernel.identity import Principal
    from egide.kernel.kernel import Kernel

log = logging.getLogger("egide.chat")

SERVICE = "violence-chat"
PURPOSE = "victim-chat"
THING = "chats"  # among the kernel's things
CHANGED = "chat.changed"
ERASED = "person.erased"
DUE = "object.erased"
WORDS, SILENCE = "victim-chat-words", "victim-chat-silence"  # retention categories: it ended; nobody writes any more
# Many may write from behind one address (a school, a shelter): many at once, then one every two seconds.
RATE, BURST = 0.5, 60
HELD = 20_000  # open conversations in memory; the oldest goes first, and stays in the store


class ChatBody(msgspec.Struct):
    """What the person gave to be called back: answers to the service's questions; sealed."""

    answers: dict[str, Any] = {}


class LineBody(msgspec.Struct, omit_defaults=True):
    """The words of a line; of a step that exports something, those fields. Sealed."""

    text: str = ""
    fields: dict[str, str] = {}


@dataclass(slots=True)
class Line:
    """One thing said or done. `step`: the service's step that it is, "" where it is words alone."""

    id: str
    at: int  # µs
    officer: bool
    by: str  # person id
    step: str
    body: LineBody


@dataclass(slots=True)
class Chat:
    """One conversation."""

    id: str
    secret: str  # SHA-256
    version: int
    lang: str
    at: int  # µs
    state: str
    since: int  # µs
    officer: str = ""
    number: str = ""
    code: str = ""  # SHA-256
    words: bool = False
    body: ChatBody = field(default_factory=ChatBody)
    lines: list[Line] = field(default_factory=list)
    closed: bool = False
    waiting: set[str] = field(default_factory=set)  # entry ids that are in the emergency journal only

    @property
    def stamp(self) -> str:
        """Differs whenever there is something new to read; the same in every process."""
        return f"{len(self.lines)}.{self.state}.{int(bool(self.officer))}.{self.number}.{int(self.words)}"

    @property
    def called_back(self) -> bool:
        """Whether the person asked for it."""
        return self.body.answers.get("callback") == "yes"


def owner(chat: str) -> str:
    """Whose key seals a conversation: its own."""
    return f"chat:{chat}"


def definition(version: int | None = None) -> Definition:
    """The service, as it was when a conversation began, or as it is."""
    found = catalogue().find(SERVICE, version) or catalogue().find(SERVICE)
    if found is None:
        raise KeyError(SERVICE)
    return found


class Board:
    """Open conversations, and the desks that watch them. Lives in `kernel.things["chats"]`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._chats: dict[str, Chat] = {}
        self._entries: dict[str, str] = {}  # journalled entry → conversation
        self._watchers: dict[Any, None] = {}
        self.buckets = Buckets(RATE, BURST)

    def start(self) -> None:
        """Reads what is open, and listens."""
        table, db = chat_tables.chat, self._kernel.store.reader()
        for (chat,) in db.execute(select(table.c.id).where(table.c.closed.is_(None)).order_by(table.c.at)).all():
            self._read(chat)
        self._kernel.bus.watch(self._changed)
        self._kernel.emergency.on_appended.append(self._appended)

    # -- what is on it ------------------------------------------------------------------------------------------------

    def find(self, chat: str) -> Chat | None:
        """One conversation, None where it has ended or never was. One that another process has just begun is looked up."""
        if chat and chat not in self._chats and not self._kernel.store.away():
            try:
                self._read(chat)
            except (DatabaseError, EgideError) as error:
                log.warning("a conversation is not looked up: %s", error)
        return self._chats.get(chat)

    def shown(self, who: Principal) -> list[dict[str, Any]]:
        """What this officer sees: what waits for an answer, the longest first, and their own."""
        return [
            self.show(one, who) for one in sorted(self._chats.values(), key=lambda each: each.since) if _for(one, who)
        ]

    def show(self, chat: Chat, who: Principal) -> dict[str, Any]:
        """A conversation as this officer sees it: the words are for the one who answers."""
        mine = chat.officer == who.id
        service = definition(chat.version)
        state = chat.state if chat.officer else service.initial
        due = due_at(service, state, chat.since)
        said = service.state(chat.state).say
        return {
            "id": chat.id, "at": iso(chat.at), "since": iso(chat.since), "due": iso(due) if due else "", "lang": chat.lang, "state": chat.state,
            "said": {"fr": said.fr, "en": said.en}, "mine": mine, "taken": bool(chat.officer), "closed": chat.closed,
            "journal": bool(chat.waiting), "kept": chat.words and mine, "callback": chat.body.answers if mine and chat.called_back else None,
            "lines": [shown_line(line) for line in chat.lines] if mine else [],
        }  # fmt: skip

    # -- changes ------------------------------------------------------------------------------------------------------

    def put(self, chat: Chat, receipt: Receipt) -> None:
        """A new conversation."""
        self._chats.setdefault(chat.id, chat)
        while len(self._chats) > HELD:
            self._chats.pop(next(iter(self._chats)))
        self._touched(self._chats[chat.id], receipt)

    def add(self, chat: Chat, line: Line, receipt: Receipt, **changed: Any) -> None:
        """Something was said or done, and what changed with it."""
        if all(each.id != line.id for each in chat.lines):
            chat.lines.append(line)
            chat.lines.sort(key=lambda each: each.at)
            for name, value in changed.items():
                setattr(chat, name, value)
        self._touched(chat, receipt)

    def change(self, chat: Chat, receipt: Receipt, **changed: Any) -> None:
        """What the person wants kept changed, or it is over."""
        for name, value in changed.items():
            setattr(chat, name, value)
        self._touched(chat, receipt)
        if chat.closed:
            self._chats.pop(chat.id, None)

    def _touched(self, chat: Chat, receipt: Receipt) -> None:
        if receipt.index < 0:
            chat.waiting.add(receipt.id)
            self._entries[receipt.id] = chat.id
        self._push(chat)

    # -- who watches --------------------------------------------------------------------------------------------------

    def join(self, channel: Any) -> None:
        """A desk watches from now on."""
        if channel not in self._watchers:
            self._watchers[channel] = None
            channel.on_close(lambda: self._watchers.pop(channel, None))

    def _push(self, chat: Chat) -> None:
        """Tells who watches and is habilitated at this moment, each what they may see of it."""
        kernel, act = self._kernel, self._kernel.acts["services.chat.list"]
        for channel in tuple(self._watchers):
            who = kernel.identity.still(channel.principal)
            if not who.may(act, kernel.clock.latest_us()):
                continue
            shown = self.show(chat, who)
            channel.push({"push": "chat", "chat": shown if _for(chat, who) else shown | {"closed": True}})

    # -- the ledger and other processes -------------------------------------------------------------------------------

    def _appended(self, entry: str, _receipt: Receipt) -> None:
        chat = self._chats.get(self._entries.pop(entry, ""))
        if chat is not None:
            chat.waiting.discard(entry)
            if not chat.waiting:
                self._push(chat)

    def _changed(self, name: str, payload: dict[str, Any]) -> None:
        """Another process did something with a conversation: it is read again; its time has come: it is gone. An officer was
        erased: theirs wait again.
        """
        try:
            if name == ERASED:
                for chat in [one for one in self._chats.values() if one.officer]:
                    if not self._kernel.identity.name(chat.officer):
                        chat.officer = ""
                        self._push(chat)
            if name == DUE and payload["category"] in (WORDS, SILENCE):
                self._read(payload["object"])
            if name == CHANGED and payload.get("process") != self._kernel.process:
                self._read(payload["chat"])
        except (DatabaseError, EgideError) as error:
            log.warning("a conversation of another process is not seen: %s", error)

    def _read(self, id_: str) -> None:
        db, vault, table, said = self._kernel.store.reader(), self._kernel.vault, chat_tables.chat, chat_tables.line
        row = db.execute(select(table).where(table.c.id == id_)).first()
        before = self._chats.get(id_)
        if row is None or row.closed is not None:
            if before is not None:
                self.change(before, Receipt("", 0, ""), closed=True)
            return
        try:
            body = msgspec.json.decode(vault.open_(owner(id_), PURPOSE, row.body, id_.encode()), type=ChatBody)
            lines = [
                Line(
                    one.id, one.at, one.officer, one.by or "", one.step,
                    msgspec.json.decode(vault.open_(owner(id_), PURPOSE, one.body, one.id.encode()), type=LineBody),
                )
                for one in db.execute(select(said).where(said.c.chat == id_).order_by(said.c.at)).all()
            ]  # fmt: skip
        except EgideError:
            self._chats.pop(id_, None)  # erased meanwhile
            return
        found = Chat(
            id_, row.secret, row.version, row.lang, row.at, row.state, row.since, row.officer or "", row.number, row.code, row.words, body, lines,
        )  # fmt: skip
        if before is not None and before.waiting:  # what the ledger does not have yet stays
            found.waiting, known = before.waiting, {line.id for line in lines}
            found.lines = sorted(
                [*lines, *(line for line in before.lines if line.id not in known)], key=lambda each: each.at
            )
            if not found.officer:
                found.officer, found.state, found.since = before.officer, before.state, before.since
        self._chats[id_] = found
        self._push(found)


def _for(chat: Chat, who: Principal) -> bool:
    return not chat.officer or chat.officer == who.id or "command" in who.roles


def shown_line(line: Line) -> dict[str, Any]:
    """A line as it is shown."""
    return {"id": line.id, "at": iso(line.at), "officer": line.officer, "step": line.step, "text": line.body.text}


def board(kernel: Kernel) -> Board:
    """The board of this process."""
    found: Board = kernel.things[THING]
    return found
