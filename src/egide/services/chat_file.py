"""What becomes of a conversation that the person wanted kept, or from which they want to be called back: a file like any other.

Its number and code were given when they chose; its events are the conversation's steps, its words those that were said, where the
person wanted them kept, and nothing where they did not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select

from egide.kernel import tables as kernel_tables
from egide.kernel.act import Ctx
from egide.kernel.clock import from_us
from egide.kernel.errors import BadInput, Text
from egide.kernel.randomness import draw
from egide.kernel.retention import keep, trigger
from egide.services import tables
from egide.services.chat_board import Chat, Line, definition
from egide.services.definition import Definition, Transition
from egide.services.filing import category
from egide.services.model import (
    FILED,
    PURPOSE,
    START,
    EventBody,
    FileBody,
    Who,
    due_at,
    event_hash,
    file_owner,
    link,
    move,
)


@dataclass(frozen=True, slots=True)
class Written:
    """What the act that ends a conversation does besides, for its file; `apply` gives the hashes of the events it wrote."""

    apply: Callable[[Connection], list[bytes]]
    events: list[tuple[str, dict[str, Any]]]
    concerns: tuple[str, ...]


def of(ctx: Ctx, chat: Chat, step: Transition, text: str, by: str, unit: str) -> Written | None:
    """The file of a conversation that ends by this step; None where the person chose to keep nothing. Raises `BadInput`."""
    if not chat.number or not (chat.words or chat.called_back):
        return None
    _known(ctx, unit)
    service, id_ = definition(chat.version), draw(16).hex()
    said = _transcript(ctx, chat) if chat.words else ""
    words = "\n\n".join(part for part in (said, text) if part)

    def apply(connection: Connection) -> list[bytes]:
        made = [_begin(ctx, connection, service, chat, id_, unit)]
        state = service.initial
        for line in _steps(service, chat):
            one = EventBody(line.body.text)
            made.append(move(ctx.kernel, connection, id_, state, line.step, line.at, line.by or None, one).hash)
            state = next(one.to for one in service.transitions if one.id == line.step)
        made.append(move(ctx.kernel, connection, id_, state, step.id, ctx.now_us, by or None, EventBody(words)).hash)
        if service.state(step.to).ends:
            trigger(ctx.kernel, connection, category(service), id_, ctx.now_us)
        return made

    told = {"file": id_, "service": service.id}
    events = [("service.filed", told), ("service.moved", told | {"state": step.to})]
    return Written(apply, events, (file_owner(id_),))


def _known(ctx: Ctx, unit: str) -> None:
    table = kernel_tables.unit
    if unit and ctx.db.execute(select(table.c.id).where(table.c.id == unit)).first() is None:
        raise BadInput(Text("Cette unité n’existe pas.", "This unit does not exist."))


def _steps(service: Definition, chat: Chat) -> Iterator[Line]:
    """The steps that were taken, as its service has them; a hand-over between officers is none of its own."""
    known = {one.id for one in service.transitions}
    return (line for line in chat.lines if line.step in known)


def _begin(ctx: Ctx, connection: Connection, service: Definition, chat: Chat, id_: str, unit: str) -> bytes:
    """The file as it was when the person first wrote; gives its event's hash."""
    kernel, words = ctx.kernel, msgspec.json.encode(EventBody())
    head = link(START, id_, 0, chat.at, FILED, service.initial, words)
    owner, body = file_owner(id_), FileBody(chat.body.answers, Who())
    row = {
        "id": id_, "number": chat.number, "secret": chat.code, "service": service.id, "version": service.version, "channel": "remote",
        "level": 0, "lang": chat.lang, "opened": chat.at, "state": service.initial, "since": chat.at,
        "due": due_at(service, service.initial, chat.at), "unit": unit, "officer": None, "events": 1, "head": head, "closed": None,
        "body": kernel.vault.seal(owner, PURPOSE, msgspec.json.encode(body), id_.encode()),
    }  # fmt: skip
    connection.execute(insert(tables.file), row)
    event = {
        "file": id_, "seq": 0, "at": chat.at, "step": FILED, "state": service.initial, "officer": None, "link": head,
        "body": kernel.vault.seal(owner, PURPOSE, words, f"{id_}.0".encode()),
    }  # fmt: skip
    connection.execute(insert(tables.event), event)
    connection.execute(insert(kernel_tables.retained), keep(category(service), id_))
    return event_hash(event)


def _transcript(ctx: Ctx, chat: Chat) -> str:
    """The words in order, each with its hour and whose they are."""
    who = {True: ("Agent", "Officer"), False: ("Vous", "You")}
    lines = []
    for line in chat.lines:
        if line.step == "":
            hour = from_us(line.at).astimezone(ctx.kernel.book.zone).strftime("%H:%M")
            lines.append(f"{hour} {who[line.officer][chat.lang == 'en']}\n{line.body.text}")
    return "\n\n".join(lines)
