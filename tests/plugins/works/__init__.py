"""A plug-in that works: acts that write a row, read, are open, are live, and one that forgets its facts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import Column, LargeBinary, MetaData, String, Table, select

from egide.kernel.act import Act, Ctx, Effect, Facts, Input, Nothing, act
from egide.kernel.capability import Capability
from egide.kernel.errors import EgideError, Text

if TYPE_CHECKING:
    from egide.kernel.kernel import Kernel

ROLES = ("officer", "command", "administrator")
metadata = MetaData()
item = Table(
    "works_item", metadata, Column("word", String(40), primary_key=True), Column("filler", LargeBinary, nullable=False)
)


class Word(Input):
    """A word to keep, and how many bytes to keep with it."""

    word: str
    bytes: int = 0


class Words(msgspec.Struct):
    """The words kept."""

    words: list[str]


@act(
    "works.item.add",
    verb="collect",
    activity="works-items",
    roles=ROLES,
    duty=True,
    input=Word,
    fr="Garder un mot",
    en="Keep a word",
)
def add(_ctx: Ctx, given: Word) -> Effect:
    row = {"word": given.word, "filler": bytes(given.bytes)}
    return Effect(Nothing(), rows=[(item, row)], events=[("item.added", {"word": given.word})])


@act(
    "works.item.list",
    verb="consult",
    activity="works-items",
    roles=ROLES,
    duty=True,
    output=Words,
    fr="Lire les mots",
    en="Read the words",
)
def list_items(ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Words([row[0] for row in ctx.db.execute(select(item.c.word).order_by(item.c.word))]))


@act(
    "works.hello",
    verb="view",
    activity="works-items",
    roles=["anyone"],
    open=True,
    output=Words,
    fr="Saluer",
    en="Say hello",
)
def hello(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Words(["hello"]))


@act(
    "works.follow",
    verb="view",
    activity="works-items",
    roles=ROLES,
    duty=True,
    live=True,
    fr="Suivre les mots",
    en="Follow the words",
)
def follow(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Nothing())


def _forgotten(_ctx: Ctx, _given: Any) -> Facts:
    """Says nothing of `log_purpose`, which the group asks for."""
    return {}


@act(
    "works.forgetful",
    verb="view",
    activity="works-items",
    roles=ROLES,
    duty=True,
    groups=["log-access"],
    gather=_forgotten,
    fr="Oublier ses faits",
    en="Forget one’s facts",
)
def forgetful(_ctx: Ctx, _given: Nothing) -> Effect:
    return Effect(Nothing())


@act(
    "works.item.tidy",
    verb="alter",
    activity="works-items",
    roles=["system"],
    system=True,
    duty=True,
    input=Word,
    fr="Ranger",
    en="Tidy",
)
def tidy(ctx: Ctx, given: Word) -> Effect:
    ctx.kernel.things.setdefault("tidied", []).append((given.word, ctx.cause))
    if given.word == "stubborn":
        raise EgideError(Text("Impossible à ranger.", "Cannot be tidied."))
    return Effect(Nothing())


def heard(kernel: Kernel, payload: dict[str, Any]) -> None:
    """Remembers each word; fails once for the word that `kernel.things["deaf_to"]` names."""
    words: list[str] = kernel.things.setdefault("heard", [])
    words.append(payload["word"])
    if kernel.things.get("deaf_to") == payload["word"]:
        del kernel.things["deaf_to"]
        raise EgideError(Text("Pas entendu.", "Not heard."))


ACTS: tuple[Act, ...] = (add, list_items, hello, follow, forgetful, tidy)


def capability() -> Capability:
    """The capability."""
    return Capability(
        name="works", package="tests.plugins.works", acts=ACTS, tables=metadata, listeners={"item.added": heard}
    )
