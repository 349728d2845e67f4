"""The heart: an officer watches a drone because an order allows it, until it ends — and each refusal names its articles."""

from __future__ import annotations

import asyncio

import pytest

from tests.world import OUTSIDE, Terminal, World

pytestmark = pytest.mark.anyio


def pictures(terminal: Terminal) -> int:
    return sum(frame[0] == 2 for frame in terminal.frames)


async def test_allowed_then_revoked_then_renewed(world: World) -> None:
    order, _mission, deployment = await world.flying()
    terminal = Terminal(world.person("officer"))
    opened = await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    assert opened["order"]["id"] == order
    await world.until(lambda: pictures(terminal) > 5)
    assert any(frame[0] == 3 for frame in terminal.frames), "telemetry travels with the picture"

    await world.act("prefect", "orders.revoke", order=order, reason="Événement terminé")
    await world.until(lambda: any(m.get("push") == "watch.ended" for m in terminal.pushed), 2.5)
    ended = next(m for m in terminal.pushed if m.get("push") == "watch.ended")
    assert "CSI-242-5-IV" in [reason["rule"] for reason in ended["refusal"]["reasons"]]
    await world.until(lambda: any(m.get("push") == "watch.receipt" for m in terminal.pushed))
    written = next(m for m in terminal.pushed if m.get("push") == "watch.receipt")["refusal"]
    assert written["reasons"] == ended["refusal"]["reasons"]
    assert written["receipt"]["index"] < world.kernel.log.size, "the card has its ledger number"
    seen = pictures(terminal)
    await asyncio.sleep(0.3)
    assert pictures(terminal) == seen, "nothing passes after the end"
    assert "CSI-242-5-IV" in await world.refused(
        "officer", "operations.watch.open", Terminal(world.person("officer")), deployment=deployment
    )


async def test_not_on_the_roster(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    assert await world.refused(
        "other-officer", "operations.watch.open", Terminal(world.person("other-officer")), deployment=deployment
    ) == ["CSI-242-2"]


async def test_outside_the_perimeter(world: World) -> None:
    mission = await world.mission(await world.order())
    assert "CSI-242-5-IV-perimeter" in await world.refused(
        "command", "operations.camera.start", source=await world.source(at=OUTSIDE), mission=mission
    )


async def test_sound_is_refused_not_stripped(world: World) -> None:
    mission = await world.mission(await world.order())
    assert await world.refused(
        "command", "operations.camera.start", source=await world.source(audio=True), mission=mission
    ) == ["CSI-242-4-b"]


async def test_face_recognition_is_refused_under_both_texts(world: World) -> None:
    mission = await world.mission(await world.order())
    source = await world.source(tags=("face-recognition",))
    broken = await world.refused("command", "operations.camera.start", source=source, mission=mission)
    assert {"CSI-242-4-c", "AIA-5-1-h"} <= set(broken)


async def test_unlisted_purpose_lists_every_article(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    broken = await world.refused(
        "other-officer",
        "operations.watch.open",
        Terminal(world.person("other-officer")),
        deployment=deployment,
        purpose="littering",
    )
    assert {"CSI-242-2", "CSI-242-5-I"} <= set(broken)
    assert len(broken) >= 3, broken


async def test_after_the_end_nothing_opens(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    world.move(days=2)
    assert "CSI-242-5-IV" in await world.refused(
        "officer", "operations.watch.open", Terminal(world.person("officer")), deployment=deployment
    )


async def test_two_asking_for_the_last_camera_of_a_cap(world: World) -> None:
    mission = await world.mission(await world.order(cap=1))
    sources = [await world.source(name=name) for name in ("A", "B")]
    results = await asyncio.gather(
        *(world.perform("command", "operations.camera.start", source=source, mission=mission) for source in sources),
        return_exceptions=True,
    )
    refused = [r for r in results if isinstance(r, BaseException)]
    assert len(refused) == 1, results
    assert "CSI-242-5-IV-cap" in [reason.rule for reason in refused[0].decision.reasons]  # type: ignore[attr-defined]


async def test_a_renewal_takes_the_place_of_the_order_it_renews(world: World) -> None:
    order, _mission, deployment = await world.flying()
    await world.act("prefect", "orders.revoke", order=order, reason="Fin")
    renewed = await world.act(
        "prefect", "orders.extend", order=order, ends=world.draft()["ends"], reason="La menace persiste"
    )
    terminal = Terminal(world.person("officer"))
    opened = await world.act("officer", "operations.watch.open", terminal, deployment=deployment)
    assert opened["order"]["id"] == renewed["id"]
    await world.until(lambda: pictures(terminal) > 5)
