"""A demonstration's border: usable when the platform is, and at a second start nothing is made again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from egide.border.control_points import points
from egide.exercise.airport import open_airport
from egide.exercise.story import Scene
from tests.serving import serving
from tests.world import World

pytestmark = pytest.mark.anyio
ACTS = {"facilitation": "border", "border-police": "border.police"}


@pytest.fixture
async def platform(tmp_path: Path) -> AsyncIterator[World]:
    async with serving(World, tmp_path / "data") as world:
        yield world


async def keys(platform: World, realm: str) -> dict[str, list[str]]:
    """Names of the keys in service, by role."""
    found: dict[str, list[str]] = {"issuer": [], "verifier": []}
    for key in (await platform.act("officer", f"{ACTS[realm]}.trust.list"))["keys"]:
        if key["until"] is None:
            found[key["role"]].append(key["kid"])
    return found


async def standing(platform: World) -> Any:
    """Every key and every lane."""
    lanes = {
        id_: await platform.act("officer", f"{ACTS[point.realm]}.lane.show", point=id_)
        for id_, point in points().items()
    }
    return {realm: await keys(platform, realm) for realm in ACTS}, lanes


async def test_every_point_has_a_gates_key_and_both_lanes_open_and_a_second_start_adds_nothing(platform: World) -> None:
    await open_airport(Scene(platform.settings.origin), platform.settings.realm)
    found, lanes = await standing(platform)
    for realm in ACTS:
        assert len(found[realm]["verifier"]) == sum(point.realm == realm for point in points().values())
    assert [len(found[realm]["issuer"]) for realm in ACTS] == [1, 0]
    assert all(lane["equal_open"] and lane["staffed"] for lane in lanes.values())

    await open_airport(Scene(platform.settings.origin), platform.settings.realm)
    assert await standing(platform) == (found, lanes)

    for id_, point in points().items():
        gate = found[point.realm]["verifier"][0]
        opened = await platform.act("officer", f"{ACTS[point.realm]}.control.open", point=id_, gate=gate, external=True)
        assert opened["control"]


async def test_what_went_away_comes_back_at_the_next_start(platform: World) -> None:
    scene = Scene(platform.settings.origin)
    await open_airport(scene, "border-police")
    assert (await keys(platform, "facilitation"))["verifier"] == []  # an installation of one realm opens no other's
    (gone,) = (await keys(platform, "border-police"))["verifier"]
    await platform.act("administrator", "border.police.key.end", kid=gone)
    await platform.act("officer", "border.police.lane.set", point="border", equal_open=False, staffed=True)
    await open_airport(scene, "border-police")
    (made,) = (await keys(platform, "border-police"))["verifier"]
    assert made != gone
    assert (await platform.act("officer", "border.police.lane.show", point="border"))["equal_open"]
