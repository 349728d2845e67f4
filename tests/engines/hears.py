"""A capability that says words and hears them twice: by an act with `once`, and in batches. Run as a program, a process of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, insert, select

from egide.kernel.act import Act, Ctx, Effect, Input, Nothing, act
from egide.kernel.capability import Capability
from egide.kernel.errors import EgideError, Text
from egide.kernel.listeners import Batch
from egide.kernel.transport import Event

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

metadata = MetaData()
heard = Table(
    "hears_heard",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("by", String(8), nullable=False),
    Column("word", String(40), nullable=False),
)


class Word(Input):
    """A word."""

    word: str


@act(
    "hears.say", verb="collect", activity="works-items", roles=("officer",), duty=True, input=Word, fr="Dire", en="Say"
)
def say(_ctx: Ctx, given: Word) -> Effect:
    return Effect(Nothing(), events=[("word.said", {"word": given.word}), ("word.noted", {"word": given.word})])


@act(
    "hears.hear", verb="alter", activity="works-items", roles=["system"], system=True, duty=True, input=Word, fr="Entendre", en="Hear",
)  # fmt: skip
def hear(_ctx: Ctx, given: Word) -> Effect:
    return Effect(Nothing(), rows=[(heard, {"by": "act", "word": given.word})])


def _deaf(kernel: Kernel, by: str) -> None:
    """Fails once for each that `kernel.things["deaf"]` names."""
    if by in kernel.things.get("deaf", []):
        kernel.things["deaf"].remove(by)
        raise EgideError(Text("Pas entendu.", "Not heard."))


async def listen(kernel: Kernel, payload: dict[str, Any]) -> None:
    raw = msgspec.json.encode({"word": payload["word"]})
    await kernel.perform("hears.hear", raw, kernel.system("works-items"), cause=payload["cause"], once=payload["once"])
    _deaf(kernel, "act")  # after the effect: it comes again, and is there already


def store(kernel: Kernel, connection: Connection, events: Sequence[Event]) -> None:
    connection.execute(insert(heard), [{"by": "batch", "word": event.payload["word"]} for event in events])
    _deaf(kernel, "batch")


def told(kernel: Kernel, by: str) -> list[str]:
    """The words stored by one of the two."""
    rows = kernel.store.reader().execute(select(heard.c.word).where(heard.c.by == by).order_by(heard.c.id))
    return [row[0] for row in rows]


ACTS: tuple[Act, ...] = (say, hear)


def capability() -> Capability:
    return Capability(
        name="hears", package="tests.plugins.works", acts=ACTS, tables=metadata,
        listeners={"word.said": listen, "word.noted": Batch(store)},
    )  # fmt: skip


async def main(folder: str, *settings: str) -> None:
    from tests.world import World

    world = World(Path(folder), extra=(capability(),), **dict(each.split("=", 1) for each in settings))
    await world.start()
    await world.until(lambda: all(each.mine() for each in world.kernel.bus.listening))
    print("ready", flush=True)  # noqa: T201 — what the parent waits for
    await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
