"""Drawings: bounded, bound to one mission or incident, seen by whom it concerns, gone at their end."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egide.kernel.clock import iso
from egide.kernel.errors import BadInput, Conflict, EgideError
from egide.operations.drawings import MAX_VERTICES, ROLES, SHAPES, NewDrawing, _body
from tests.operations.test_incidents import assigned, reported
from tests.world import INSIDE, Terminal, World

HERE = [INSIDE[1], INSIDE[0]]
ASYNC = pytest.mark.anyio


async def drawn(world: World, who: str = "officer", **changed: Any) -> str:
    given_: dict[str, Any] = {
        "shape": "circle",
        "places": [HERE],
        "radius": 200.0,
        "role": "danger",
        "label": "Ne pas entrer",
    } | changed
    return str((await world.act(who, "operations.drawing.add", **given_))["id"])


@ASYNC
async def test_who_sees_a_drawing(world: World) -> None:
    incident, mission = await assigned(world)
    phone, stranger = Terminal(world.person("officer")), Terminal(world.person("other-officer"))
    for terminal in (phone, stranger):
        await world.act(terminal.principal.id, "operations.incident.follow", terminal)
    one = await drawn(world, mission=mission, client_id="client-d1")
    assert await drawn(world, mission=mission, client_id="client-d1") == one
    two = await drawn(
        world,
        incident=incident,
        shape="polygon",
        places=[[24.9, 60.1], [24.95, 60.1], [24.95, 60.15]],
        role="sector",
        radius=0,
    )
    assert [push["drawing"]["id"] for push in phone.pushed if push["push"] == "drawing"] == [one, two]
    assert [push for push in stranger.pushed if push["push"] == "drawing"] == []
    assert (await world.act("other-officer", "operations.incident.list"))["drawings"] == []
    assert await world.refused(
        "other-officer", "operations.drawing.add", shape="point", places=[HERE], mission=mission
    ) == ["LED-29-e-mission"]
    assert await world.refused("other-officer", "operations.drawing.remove", drawing=one) == ["LED-29-e-mission"]
    await world.act(
        "command", "operations.drawing.change", drawing=one, places=[HERE], radius=300.0, label="Plus large"
    )
    assert phone.pushed[-1]["drawing"]["radius"] == 300.0
    assert {
        each["id"] for each in (await world.act("officer", "operations.mission.brief", mission=mission))["drawings"]
    } == {one, two}
    for _ in range(2):
        await world.act("officer", "operations.drawing.remove", drawing=one, client_id="client-r1")
    assert phone.pushed[-1] == {"push": "drawing.gone", "drawing": one}
    with pytest.raises(Conflict):
        await world.act("officer", "operations.drawing.change", drawing=one, places=[HERE], radius=1.0)
    assert [each["author"] for each in (await world.act("officer", "operations.incident.list"))["drawings"]] == [
        phone.principal.name
    ]


@ASYNC
async def test_a_drawing_ends(world: World) -> None:
    incident = await reported(world)
    await drawn(world, incident=incident, expires=iso(world.clock.now_us() + 60_000_000))
    assert len((await world.act("officer", "operations.incident.list"))["drawings"]) == 1
    world.move(seconds=61)
    assert (await world.act("officer", "operations.incident.list"))["drawings"] == []
    for wrong in (iso(world.clock.now_us() - 1), "demain", "2026-11-26"):
        with pytest.raises(BadInput):
            await drawn(world, incident=incident, expires=wrong)


@ASYNC
async def test_what_is_no_drawing(world: World) -> None:
    incident, mission = await assigned(world)
    for wrong in (
        {"incident": incident, "mission": mission}, {}, {"mission": mission, "shape": "star"}, {"mission": mission, "radius": 0.0},
        {"mission": mission, "places": [[200.0, 0.0]]}, {"mission": mission, "places": []}, {"mission": mission, "role": "red"},
        {"mission": mission, "shape": "text", "label": ""}, {"mission": mission, "shape": "line", "places": [HERE] * (MAX_VERTICES + 1)},
    ):  # fmt: skip
        with pytest.raises(BadInput):
            await drawn(world, **wrong)
    await world.act("command", "operations.mission.close", mission=mission)
    with pytest.raises(Conflict):
        await drawn(world, mission=mission)


number = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-400, 400).map(float)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(sorted(SHAPES)), st.lists(st.tuples(number, number), max_size=8), number, st.sampled_from([*ROLES, "x"]), st.text(max_size=8)
)  # fmt: skip
def test_any_drawing_is_whole_or_a_sentence(shape: Any, places: Any, radius: float, role: str, label: str) -> None:
    told = NewDrawing(shape=shape, places=places, radius=radius, role=role, label=label)
    try:
        body = _body(shape, told)
    except EgideError as error:
        assert error.what.fr != error.what.en  # noqa: PT017 — both ways out are right, and this one must say why
        return
    least, most = SHAPES[shape]
    assert least <= len(body["places"]) <= most
    assert all(-180 <= lon <= 180 and -90 <= lat <= 90 for lon, lat in body["places"])
    assert body["radius"] == (radius if shape == "circle" else 0)
