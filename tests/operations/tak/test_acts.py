"""A connection is an act: decided when it opens, decided again while it lasts, filtered by unit and roster, sealed and ended."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from egide.kernel import tables as kernel_tables
from egide.operations.tak.acts import groups_now
from tests.operations.tak.field import Field, event
from tests.waiting import until
from tests.world import World

pytestmark = pytest.mark.anyio


def entries(world: World, act: str) -> list[str]:
    """Outcomes of an act in the ledger, oldest first."""
    table = kernel_tables.entry
    found = select(table.c.outcome).where(table.c.act == act).order_by(table.c.idx)
    return [row[0] for row in world.kernel.store.reader().execute(found)]


async def test_a_connection_and_its_end_are_in_the_ledger(tak: Field) -> None:
    opened, ended = len(entries(tak.world, "operations.tak.connect")), len(entries(tak.world, "operations.tak.end"))
    async with tak.client("alpha") as alpha:
        await until(lambda: alpha.of("t-x-takp-v"))
        assert entries(tak.world, "operations.tak.connect")[opened:] == ["allowed"]
    await until(lambda: entries(tak.world, "operations.tak.end")[ended:] == ["allowed"])


async def test_whoever_may_not_is_told_and_let_go(tak: Field, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "egide.tak")
    refused = len(entries(tak.world, "operations.tak.connect"))
    async with tak.client("suit", "prefect") as suit:
        await until(lambda: suit.ended)
        assert "the law does not allow it" in suit.words()
        assert not suit.of("t-x-takp-v")
    assert entries(tak.world, "operations.tak.connect")[refused:] == ["refused"]
    assert any("device suit cut" in record.getMessage() for record in caplog.records)
    assert not any("Roussel" in record.getMessage() for record in caplog.records), "no names in logs"


async def test_a_certificate_that_is_nobodys_opens_nothing(tak: Field) -> None:
    tak.enrol("ghost")
    tak.revoke("ghost")
    made = tak.client("ghost2")
    async with made as ghost:
        await until(lambda: ghost.of("t-x-takp-v"))
        tak.revoke("ghost2")
        tak.world.kernel.bus.tell("right.changed", {"person": ""})
        await until(lambda: ghost.ended)
        assert "no longer enrolled" in ghost.words()


async def test_units_and_missions_are_apart_until_a_roster_joins_them(tak: Field) -> None:
    world = tak.world
    mission = await world.mission(await world.order(), "command")
    async with tak.client("alpha") as alpha, tak.client("room", "command") as room:
        await until(lambda: alpha.of("t-x-takp-v") and room.of("t-x-takp-v"))
        alpha.report()
        room.report()
        await until(lambda: len(tak.router.contacts()) == 2)
        alpha.send(event("t-x-c-t", "ping"))
        await until(lambda: alpha.of("t-x-c-t-r"))
        assert not alpha.heard(room.uid), "another unit, no mission together"
        assert not room.heard(alpha.uid)

        await world.act("command", "operations.roster.change", mission=mission, add=["officer"])
        await until(lambda: any(f"mission:{mission}" in c.groups for c in tak.router.contacts() if c.uid == alpha.uid))
        await until(lambda: alpha.heard(room.uid))  # what it could not see before is shown at once
        alpha.report()
        await until(lambda: room.heard(alpha.uid))

        await world.act("command", "operations.roster.change", mission=mission, remove=["officer"])
        await until(
            lambda: all(f"mission:{mission}" not in c.groups for c in tak.router.contacts() if c.uid == alpha.uid)
        )
        before = len(room.events)
        alpha.send(event("b-t-f", "chat-after"))
        alpha.send(event("t-x-c-t", "ping"))
        await until(lambda: len(alpha.of("t-x-c-t-r")) == 2)
        assert len(room.events) == before


async def test_a_mission_is_addressed_by_those_on_its_roster_alone(tak: Field) -> None:
    world = tak.world
    mission = await world.mission(await world.order(), "command", "officer")
    dest = f'<marti><dest mission="{mission}"/></marti>'
    async with (
        tak.client("alpha") as alpha,
        tak.client("room", "command") as room,
        tak.client("other", "other-officer") as other,
    ):
        await until(lambda: all(each.of("t-x-takp-v") for each in (alpha, room, other)))
        alpha.send(event("u-d-f", "plan-1", dest))
        await until(lambda: room.heard("plan-1"))
        other.send(event("u-d-f", "plan-2", dest))
        other.send(event("u-d-f", "plan-3"))
        await until(lambda: alpha.heard("plan-3"))
        assert not room.heard("plan-2")
        assert not other.heard("plan-1")


async def test_what_passed_is_sealed_as_one_leaf(tak: Field) -> None:
    async with tak.client("alpha") as alpha, tak.client("bravo") as bravo:
        await until(lambda: bravo.of("t-x-takp-v"))
        for number in range(5):
            alpha.send(event("b-t-f", f"chat-{number}"))
        await until(lambda: len(bravo.of("b-t-f")) == 5)
        before = entries(tak.world, "operations.tak.seal")
        await tak.server.seal()
        assert entries(tak.world, "operations.tak.seal") == [*before, "allowed"]
        table = kernel_tables.entry
        leaf = (
            tak.world.kernel.store.reader()
            .execute(select(table.c.leaf).where(table.c.act == "operations.tak.seal").order_by(table.c.idx.desc()))
            .scalar()
        )
        assert leaf is not None
        assert b'"rows":5,' in bytes(leaf)
        await tak.server.seal()
        assert len(entries(tak.world, "operations.tak.seal")) == len(before) + 1, "nothing passed, nothing to seal"


async def test_a_closed_mission_is_no_group(tak: Field) -> None:
    world = tak.world
    mission = await world.mission(await world.order(), "officer")
    reader = world.kernel.store.reader
    assert f"mission:{mission}" in groups_now(world.kernel, reader(), "officer")
    await world.act("command", "operations.mission.close", mission=mission)
    assert groups_now(world.kernel, reader(), "officer") >= {"unit:brigade"}
    assert f"mission:{mission}" not in groups_now(world.kernel, reader(), "officer")


async def test_a_withdrawn_right_cuts_the_connection_with_the_article(
    tak: Field, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "egide.tak")
    async with tak.client("other", "other-officer") as other, tak.client("alpha") as alpha:
        await until(lambda: other.of("t-x-takp-v") and alpha.of("t-x-takp-v"))
        await tak.world.act(
            "administrator",
            "administration.habilitation.withdraw",
            habilitation="demo-other-officer",
            reason="Mutation",
        )
        await until(lambda: other.ended)
        assert not alpha.ended
        await until(lambda: entries(tak.world, "operations.tak.connect")[-1] == "refused")
    assert any("device other cut: The connection is cut" in record.getMessage() for record in caplog.records)
