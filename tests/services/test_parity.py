"""Every service on every channel: the same record and the same document, or the article that excludes it (docs/parity.md)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from egide.gateways.service_views import links_of
from egide.services.answers import asked
from egide.services.definition import CHANNELS, ChannelName, Definition, Transition, catalogue
from egide.services.filing import slug
from tests.gateways.test_service_pages import Browser
from tests.services.filings import WORDS, drawn, filed_remotely, lawful, stepped, taken, way_to
from tests.services.fined import signed
from tests.services.hearings import Case
from tests.services.test_chat import begun, officer, person
from tests.services.test_filing import asked as ask
from tests.waiting import PATIENCE_S
from tests.world import World

TABLE = Path(__file__).parents[2] / "docs" / "parity.md"
SERVICES = catalogue().current()
PROOF = os.environ.get("EGIDE_PROOF") == "1"
HEAD = """# Parity of channels

Every service on every channel, as `tests/services/test_parity.py` found it by filing with each of them; it writes this page and fails
when the page says anything else. In a cell: the record that came of it — state, number series, documents made at once — the same on
every channel of a row; or the article that excludes the channel.

| service | remote | counter | mobile |
|---|---|---|---|
"""


class Stage:
    """One platform for all that is filed here, in a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.runner = asyncio.Runner()
        self.world = World(folder)
        self.runner.run(self.world.start())

    def close(self) -> None:
        self.runner.run(self.world.stop())
        self.runner.close()


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("parity") / "data")
    yield made
    made.close()


async def outputs(world: World, file: str, count: int) -> list[str]:
    """The documents made of a file, by the ids of its service's outputs, once there are as many."""
    query = "select output from service_document where file = ? order by at, output"
    found: list[str] = []
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = [row[0] for row in world.kernel.store.reader().exec_driver_sql(query, (file,)).all()]
            if len(found) >= count and not await world.kernel.things["jobs"].tick():
                return found
            await asyncio.sleep(0.02)


async def record(world: World, definition: Definition, done: dict[str, Any]) -> dict[str, Any]:
    """What came of a filing, as far as it must not depend on the channel."""
    shown = await ask(world, "services.file.follow", number=done["number"], code=done["code"])
    assert shown["wrong"] is None
    assert shown["head"] == done["head"]
    assert shown["channel"] in definition.channels
    assert shown["closed"] is definition.state(definition.initial).ends
    series, year, serial = shown["number"].rsplit("-", 2)
    assert (len(year), len(serial)) == (4, 6)
    answers = {id_: given for id_, given in shown["answers"].items() if id_ not in definition.attachments}
    assert answers == lawful(definition)
    made = await outputs(world, done["file"], len(await drawn(world, definition, done["file"])))
    return {
        "service": shown["service"], "version": shown["version"], "answers": answers, "state": shown["state"], "series": series,
        "closed": shown["closed"], "events": [(one["step"], one["state"], one["text"]) for one in shown["events"]],
        "family_name": shown["who"].get("family_name", "Petit"),  # asked of an identity only where the service needs one
        "documents": [_template(definition, one) for one in made],
    }  # fmt: skip


def _template(definition: Definition, output: str) -> str:
    return next(one.template for one in definition.outputs if one.id == output)


def _told(definition: Definition, found: dict[str, Any]) -> str:
    state = definition.state(found["state"]).say.en
    return f"{found['series']}-…, “{state}”, {' and '.join(found['documents']) or 'no document'}"


async def cell(world: World, definition: Definition, channel: ChannelName) -> tuple[str, dict[str, Any] | None]:
    """(what stands in the cell, the record where there is one)."""
    absence, name = definition.absence(channel), f"services.{slug(definition.id)}"
    if absence is not None:
        assert absence.article
        assert absence.say.fr
        assert absence.say.en
        return f"— {absence.say.en} ({absence.article})", None
    if channel != "remote":
        found = await record(world, definition, await taken(world, definition, channel))
    elif definition.on_pages:
        found = await record(world, definition, await filed_remotely(world, definition))
    elif "chat" in definition.channels["remote"].modes:
        return await _talked(world, definition), None
    elif definition.notice is not None:
        return await _contested(world, definition)
    else:
        assert f"{name}.file" not in world.kernel.acts
        browser = Browser(world)
        page = await browser.open(f"/services/{definition.id}?lang=en")
        await browser.close()
        assert links_of(definition)
        assert all(f'href="{at}?lang=en"' in page for at, _ in links_of(definition))
        return "an answer at once, on a page of its own; nothing is kept", None
    said = _told(definition, found)
    if channel == "remote" and {"form", "video"} <= set(definition.channels[channel].modes):
        said += f"; or by video: {await _spoken(world, definition)}"
    return said, found


async def _spoken(world: World, definition: Definition) -> str:
    """The same service told to an officer by video instead: where it ends, and by which document."""
    case = Case(world, definition, await filed_remotely(world, definition))
    await case.mine("speak")
    await case.until("confirmed")
    ended = await case.desk("sign")
    expected = [step.output for step in definition.transitions if step.id in ("acknowledge", "sign")]
    made = await outputs(world, case.file, len(expected))
    assert sorted(made) == sorted(str(one) for one in expected)
    assert (await case.look())["closed"]
    signed = next(step.output for step in definition.transitions if step.id == "sign")
    return f"“{definition.state(ended['state']).say.en}”, {_template(definition, str(signed))}"


async def _contested(world: World, definition: Definition) -> tuple[str, dict[str, Any]]:
    """What an officer filed, reached from afar by what is printed on its notice, and contested there: the same record."""
    done = await taken(world, definition, "mobile")
    found, notice = await record(world, definition, done), await signed(world, done)
    browser = Browser(world)
    assert notice.address.endswith(links_of(definition)[0][0])
    page = await browser.send("/services/notice", {"number": [notice.number], "code": [notice.code]})
    assert 'data-state="sent"' in page
    form = {
        "do": ["send"],
        "contest_ground": ["facts"],
        "contest_words": [WORDS],
        "contester_name": [WORDS],
        "contester_home": [WORDS],
    }
    page = await browser.send("/services/file/steps/contest", form)
    assert 'data-state="contested"' in page
    await browser.close()
    made = await outputs(world, done["file"], 2)
    shown = await ask(world, "services.file.follow", number=notice.number, code=notice.code)
    assert (shown["id"], shown["wrong"], shown["answers"]) == (done["file"], None, found["answers"])
    state = definition.state(shown["state"]).say.en
    series = notice.number.rsplit("-", 2)[0]
    documents = " and ".join(_template(definition, one) for one in made)
    return f"by the notice’s link: {series}-…, paid elsewhere or contested there, “{state}”, {documents}", found


async def _talked(world: World, definition: Definition) -> str:
    """A conversation that the person chose to keep: a file like any other; not kept, it leaves nothing."""
    chat = await begun(world)
    chosen = await person(world, "keep", **chat, words=True)
    await officer(world, "close", chat=chat["chat"])
    shown = await ask(world, "services.file.follow", number=chosen["number"], code=chosen["code"])
    assert (shown["service"], shown["version"], shown["wrong"]) == (definition.id, definition.version, None)
    made = [_template(definition, one) for one in await drawn(world, definition, shown["id"])]
    series = chosen["number"].rsplit("-", 2)[0]
    return f"a conversation; kept by choice: {series}-…, {' and '.join(made)}; else nothing"


async def table(world: World) -> str:
    """The matrix as the page holds it. Raises `AssertionError` where two channels of a service end differently."""
    lines = []
    for definition in SERVICES:
        cells, records = [], []
        for channel in CHANNELS:
            said, found = await cell(world, definition, channel)
            cells.append(said)
            records += [found] if found is not None else []
        assert records, f"{definition.id}: on no channel"
        assert all(one == records[0] for one in records), f"{definition.id}: not the same on every channel"
        lines.append(f"| {definition.title.en} (`{definition.id}`) | {' | '.join(cells)} |\n")
    return HEAD + "".join(lines)


def test_every_service_on_every_channel(stage: Stage) -> None:
    found = stage.runner.run(table(stage.world))
    kept = TABLE.read_text("utf-8") if TABLE.exists() else ""
    TABLE.write_text(found, "utf-8")
    assert kept == found, "docs/parity.md was not what the services do: it is now written anew"


@pytest.mark.parametrize("definition", SERVICES, ids=lambda one: one.id)
def test_no_channel_takes_what_the_law_keeps_from_it(stage: Stage, definition: Definition) -> None:
    """An officer's act for a channel that is excluded is refused, a remote one is not there."""
    for absence in definition.absent:
        if absence.channel == "remote":
            assert f"services.{slug(definition.id)}.file" not in stage.world.kernel.acts
        elif f"services.{slug(definition.id)}.take" in stage.world.kernel.acts:
            given = {
                "channel": absence.channel,
                "version": definition.version,
                "answers": lawful(definition),
                "who": {},
            }
            broken = stage.runner.run(stage.world.refused("officer", f"services.{slug(definition.id)}.take", **given))
            assert "CRPA-channel" in broken, broken


def paths(definition: Definition) -> list[list[Transition]]:
    """The fewest ways from the beginning by which every end is reached, and every step taken that makes a document."""
    due = {step.id for step in definition.transitions if step.output is not None}
    ends = {state.id for state in definition.states if state.ends} - {definition.initial}
    found: list[list[Transition]] = []
    everything = [[*way_to(definition, step.origins[0]), step] for step in definition.transitions]
    for path in sorted(everything, key=len, reverse=True):
        steps, end = {step.id for step in path}, path[-1].to
        if end in ends or steps & due:
            found.append(path)
            ends.discard(end)
            due -= steps
    assert not ends
    assert not due
    return found


@pytest.mark.parametrize("definition", SERVICES, ids=lambda one: one.id)
def test_every_end_is_reached_and_every_document_made(stage: Stage, definition: Definition) -> None:
    # One way of each service in CI, the longest; every way to every end in the proof.
    for path in paths(definition)[: None if PROOF else 1]:
        stage.runner.run(_walked(stage.world, definition, path))


async def _walked(world: World, definition: Definition, path: list[Transition]) -> None:
    officers = [channel for channel in CHANNELS if channel in definition.channels and channel != "remote"]
    done = await (taken(world, definition, officers[0]) if officers else filed_remotely(world, definition))
    for step in path:
        if definition.hearing is not None:
            assert (await Case(world, definition, done).step(step.id))["state"] == step.to
        else:
            assert (await stepped(world, definition, step, done))["state"] == step.to
    shown = await ask(world, "services.file.follow", number=done["number"], code=done["code"])
    assert shown["wrong"] is None
    assert shown["state"] == path[-1].to
    assert shown["closed"] is definition.state(path[-1].to).ends
    assert [one["step"] for one in shown["events"]] == ["file", *(step.id for step in path)]
    expected = [step.output for step in path if step.output is not None]
    assert sorted(await outputs(world, done["file"], len(expected))) == sorted(expected)


@pytest.mark.parametrize("definition", SERVICES, ids=lambda one: one.id)
def test_the_answers_are_lawful_and_whole(definition: Definition) -> None:
    """Of the generator itself: every question that is asked has an answer, and none leads elsewhere."""
    answers = lawful(definition)
    due = {field.id for field in asked(definition.fields, answers) if field.kind != "files"}
    assert set(answers) == due
