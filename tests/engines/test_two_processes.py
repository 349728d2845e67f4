"""Two processes of one installation: what is withdrawn in one counts in the other, and a cap is a cap for both."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import func, select

from egide.kernel import tables
from egide.kernel.errors import Conflict, Refused
from egide.kernel.merkle import Frontier, leaf_hash
from egide.kernel.vault import Erased
from egide.operations import archive
from egide.operations import tables as operations
from egide.operations.media.recorder import genesis, link
from tests.engines.postgres import Server
from tests.world import Terminal, World

pytestmark = pytest.mark.anyio

RACES = 1_000 if os.environ.get("EGIDE_PROOF") == "1" else 40
Two = tuple[World, World]


@pytest.fixture(params=["sqlite", "postgres"])
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Two]:
    """Two platforms on one store and one data folder."""
    settings = {"store": request.getfixturevalue("postgres_dsn")} if request.param == "postgres" else {}
    first, second = World(tmp_path / "data", **settings), World(tmp_path / "data", **settings)
    await first.start()
    await second.start()
    yield first, second
    await second.stop()
    await first.stop()


def whole(world: World) -> None:
    """The ledger has no gap, and every signed head is the head of what is stored."""
    db, table = world.kernel.store.reader(), tables.entry
    heads = {row.size: row.note for row in db.execute(select(tables.checkpoint.c.size, tables.checkpoint.c.note))}
    from egide.kernel.checkpoint import parse

    tree, size = Frontier(), 0
    for index, leaf in db.execute(select(table.c.idx, table.c.leaf).order_by(table.c.idx)):
        assert index == size
        tree.extend([leaf_hash(bytes(leaf))])
        size += 1
        if size in heads:
            assert parse(heads.pop(size)).checkpoint.root == tree.root()
    assert not heads
    assert db.execute(select(func.count(func.distinct(table.c.id)))).scalar() == size


async def test_both_append_to_one_ledger(two: Two) -> None:
    first, second = two
    _order, mission, _deployment = await first.flying()

    async def note(world: World, number: int) -> int:
        done = await world.perform(
            "officer", "operations.note.add", mission=mission, text=f"Note {number}", lat=60.17, lon=24.94
        )
        assert done.receipt is not None
        return done.receipt.index

    places = await asyncio.gather(*(note(two[number % 2], number) for number in range(400)))
    assert len(set(places)) == 400
    await first.until(lambda: first.kernel.writer._unsigned == 0)
    await second.until(lambda: second.kernel.writer._unsigned == 0)
    whole(first)
    notes = second.kernel.store.reader().execute(select(func.count()).select_from(operations.note)).scalar()
    assert notes == 400


async def test_a_revocation_in_one_closes_the_picture_of_the_other(two: Two) -> None:
    first, second = two
    order, _mission, deployment = await first.flying()
    terminal = Terminal(second.person("officer"))
    await second.until(
        lambda: second.kernel.things["relay"].state(_source(second, deployment)).deployment == deployment
    )
    await second.perform("officer", "operations.watch.open", terminal, deployment=deployment)
    await second.until(lambda: len(terminal.frames) > 5)
    before = monotonic()
    await first.act("prefect", "orders.revoke", order=order, reason="Fin de l’événement")
    await second.until(lambda: any(told.get("push") == "watch.ended" for told in terminal.pushed), 2.5)
    assert monotonic() - before < 2.5
    frames = len(terminal.frames)
    await asyncio.sleep(0.3)
    assert len(terminal.frames) == frames, "not one picture more"


async def test_a_right_withdrawn_in_one_counts_in_the_other(two: Two) -> None:
    first, second = two
    _order, mission, _deployment = await first.flying()
    given: dict[str, Any] = {"mission": mission, "text": "Note", "lat": 60.17, "lon": 24.94}
    await second.act("officer", "operations.note.add", **given)
    entered = await second.perform("officer", "administration.demo.enter", persona="officer")
    cookie = entered.effect.set_cookie
    assert cookie is not None
    assert second.kernel.identity.by_cookie(cookie[0]).id == "officer"
    held = second.kernel.identity.by_cookie(cookie[0])  # what a request under way holds
    people = await first.act("administrator", "administration.people.list")
    right = next(p for p in people["people"] if p["id"] == "officer")["habilitations"]
    for each in right:
        await first.act(
            "administrator", "administration.habilitation.withdraw", habilitation=each["id"], reason="Mutation"
        )
    with pytest.raises(Refused):  # at once: the writer reads the rights in its own transaction
        await second.kernel.perform("operations.note.add", _json(given), held)
    await second.until(lambda: not second.kernel.identity.by_cookie(cookie[0]).scopes, 1.0)
    assert second.kernel.epoch == first.kernel.epoch
    with pytest.raises(Refused):  # and once this process knows: a request that waited does not count under older rights
        await second.kernel.perform("operations.note.add", _json(given), held)


async def test_the_last_camera_of_a_cap_is_given_once(two: Two) -> None:
    first, _second = two
    mission = await first.mission(await first.order(cap=1))
    sources = [await world.source(name=f"Drone {number}") for number, world in enumerate(two)]
    table = operations.deployment
    for _ in range(RACES):
        tried = await asyncio.gather(
            *(
                world.act("command", "operations.camera.start", source=source, mission=mission)
                for world, source in zip(two, sources, strict=True)
            ),
            return_exceptions=True,
        )
        started = [each for each in tried if isinstance(each, dict)]
        assert len(started) == 1, tried
        assert isinstance(next(each for each in tried if not isinstance(each, dict)), Refused)
        flying = first.kernel.store.reader().execute(
            select(func.count()).select_from(table).where(table.c.ended.is_(None))
        )
        assert flying.scalar() == 1
        await first.act("command", "operations.camera.stop", deployment=started[0]["deployment"], reason="Fin")
        for world in two:
            await world.kernel.things["fleet"].look()


async def test_one_source_flies_once(two: Two) -> None:
    first, _second = two
    mission = await first.mission(await first.order(cap=2))
    source = await first.source()
    tried = await asyncio.gather(
        *(world.act("command", "operations.camera.start", source=source, mission=mission) for world in two),
        return_exceptions=True,
    )
    assert sum(isinstance(each, dict) for each in tried) == 1
    assert sum(isinstance(each, Conflict) for each in tried) == 1


async def test_a_camera_stopped_in_one_stops_in_both(two: Two) -> None:
    first, second = two
    _order, _mission, deployment = await first.flying()
    source = _source(first, deployment)
    await second.until(lambda: second.kernel.things["relay"].state(source).deployment == deployment)
    await second.act("command", "operations.camera.stop", deployment=deployment, reason="Fin")
    await first.until(lambda: first.kernel.things["relay"].state(source).deployment is None)


async def test_a_camera_goes_on_when_its_process_leaves(two: Two) -> None:
    """The recording is one: its chain goes on where the first process left it."""
    first, second = two
    _order, _mission, deployment = await first.flying()
    source = _source(first, deployment)
    relays = [world.kernel.things["relay"] for world in two]
    await second.until(lambda: relays[1].state(source).deployment == deployment)
    await asyncio.sleep(1.5)
    first.kernel.leaving = True
    await first.kernel.things["fleet"].release()
    await second.until(lambda: relays[1].state(source).recorder is not None)
    await asyncio.sleep(1.5)
    await second.act("command", "operations.camera.stop", deployment=deployment, reason="Fin")
    db, table = second.kernel.store.reader(), operations.recording
    row = db.execute(select(table).where(table.c.deployment == deployment)).one()
    kept = list(archive.segments(second.kernel, row.id))
    assert row.segments == len(kept) >= 2
    links = [genesis(row.id)]
    for segment in kept:
        links.append(link(links[-1], segment))
    assert links[-1] == row.chain


async def test_a_camera_goes_on_when_its_process_dies(two: Two) -> None:
    first, second = two
    _order, _mission, deployment = await first.flying()
    await second.until(
        lambda: second.kernel.things["relay"].state(_source(second, deployment)).deployment == deployment
    )
    # What a kill leaves: a process that says nothing any more.
    with second.kernel.store.side() as connection:
        connection.execute(tables.process.delete().where(tables.process.c.id == first.kernel.process))
    first.kernel.leaving = True
    await first.kernel.processes.stop()
    table = operations.deployment
    process = select(table.c.process).where(table.c.id == deployment, table.c.ended.is_(None))
    await second.until(lambda: second.kernel.store.reader().execute(process).scalar() == second.kernel.process)
    await second.until(lambda: second.kernel.things["relay"].state(_source(second, deployment)).recorder is not None)


async def test_a_stopped_process_loses_the_lead(postgres_server: Server, postgres_dsn: str, tmp_path: Path) -> None:
    """A process that is paused in the middle of a transaction keeps nobody waiting for ever."""
    import psycopg

    world = World(tmp_path / "data", store=postgres_dsn)
    await world.start()
    try:
        from egide.engines.postgres import _key

        with psycopg.connect(postgres_dsn) as stuck:
            stuck.execute("SET idle_in_transaction_session_timeout = '10s'")
            stuck.execute("SELECT pg_advisory_xact_lock(%s)", (_key("police"),))
            with pytest.raises(Exception, match="held the ledger"):
                await world.act("prefect", "orders.draft", **world.draft())
        await world.until(lambda: world.kernel.writer.failed is None)
        await world.act("prefect", "orders.draft", **world.draft())
    finally:
        await world.stop()


def _source(world: World, deployment: str) -> str:
    table = operations.deployment
    found = world.kernel.store.reader().execute(select(table.c.source).where(table.c.id == deployment))
    return str(found.scalar_one())


def _json(given: dict[str, Any]) -> bytes:
    import msgspec

    return msgspec.json.encode(given)


async def test_a_key_that_another_process_destroyed_opens_nothing(two: Two) -> None:
    first, second = two
    person = await first.act(
        "administrator", "administration.person.add", name="Ada", unit="brigade", roles=["officer"]
    )
    vault = second.kernel.vault
    sealed = vault.seal(person["id"], "field-notes", b"said", b"here")
    assert vault.open_(person["id"], "field-notes", sealed, b"here") == b"said"
    told = await first.act("dpo", "administration.person.erase", person=person["id"], motive="Demande de la personne")

    def holders() -> set[str]:
        return {world.kernel.process for world in two if world.kernel.bus.turns.mine("erasures")}

    await first.until(holders)  # a turn changes hands in a second
    assert len(holders()) == 1, "one of them carries it on"
    table = tables.erasure
    state = select(table.c.state).where(table.c.id == told["erasure"])
    await first.until(lambda: first.kernel.store.reader().execute(state).scalar() not in ("rows", "keys"), 60)

    def gone() -> bool:
        try:
            vault.open_(person["id"], "field-notes", sealed, b"here")
        except Erased:
            return True
        return False

    await second.until(gone, 1)
    await first.until(lambda: first.kernel.store.reader().execute(state).scalar() == "done", 60)
