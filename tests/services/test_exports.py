"""A complaint becomes an intervention on the map and a case, with the fields its definition lists and not a word typed again."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from egide.kernel.errors import NotFound
from egide.services.definition import catalogue
from tests.services.test_chat import WRITTEN, begun, officer
from tests.services.test_filing import THEFT, asked, drafted, identified
from tests.waiting import PATIENCE_S
from tests.world import World

pytestmark = pytest.mark.anyio
BURGLARY = {
    **THEFT, "offence": ["burglary"], "facts_place": ["3 quai du Port"], "facts_place-lat": ["60.17"], "facts_place-lon": ["24.945"],
}  # fmt: skip


async def until(world: World, name: str, key: str) -> list[dict[str, Any]]:
    """What a list holds, once it holds something."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found: list[dict[str, Any]] = (await world.act("command", name))[key]
            if found:
                return found
            await asyncio.sleep(0.05)


async def given(world: World, file: str, target: str, event: str) -> dict[str, Any]:
    system = world.kernel.system("cases")
    asked_ = msgspec.json.encode({"file": file, "target": target, "event": event})
    handed: dict[str, Any] = msgspec.to_builtins(
        (await world.kernel.perform("services.export.give", asked_, system)).result
    )
    return handed


async def test_a_burglary_becomes_an_intervention_and_a_case(world: World) -> None:
    filed = await asked(world, "services.theft.file", **await drafted(world, BURGLARY), **await identified(world, 2))
    (incident,) = await until(world, "operations.incident.list", "incidents")
    assert (incident["lat"], incident["lon"], incident["kind"], incident["state"]) == (
        60.17,
        24.945,
        "theft",
        "reported",
    )
    shown = msgspec.json.encode(
        await world.act("command", "operations.incident.read", incident=incident["id"])
    ).decode()
    assert "3 quai du Port" in shown
    assert filed["number"] in shown
    for unasked in ("Mon vélo attaché", "Vélo bleu", "claire@example.org", "Petit"):
        assert unasked not in shown, "operations get the offence and the place, no more"

    (case,) = await until(world, "investigation.case.list", "cases")
    assert case["number"] == filed["number"]
    (piece,) = (await world.act("command", "investigation.case.read", case=case["id"]))["pieces"]
    export = next(one for one in catalogue().find("theft").exports if one.target == "investigation")  # type: ignore[union-attr]
    answered = {name.partition("-")[0] for name in BURGLARY}
    assert [one["id"] for one in piece["fields"]] == [id_ for id_ in export.fields if id_ in answered]
    assert {one["id"]: one["value"] for one in piece["fields"]}["account"] == BURGLARY["account"][0]
    assert b"claire@example.org" not in msgspec.json.encode(piece)


async def test_what_is_not_declared_is_not_given(world: World) -> None:
    filed = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    for target, event in (
        ("operations", "complaint.filed"),
        ("investigation", "report.signed"),
        ("investigation", "x"),
    ):
        with pytest.raises(NotFound):  # a theft in the street calls no team; nothing else was declared
            await given(world, filed["file"], target, event)
    assert (await given(world, filed["file"], "investigation", "complaint.filed"))["number"] == filed["number"]


async def test_what_completes_a_file_goes_to_its_case(world: World) -> None:
    filed = await asked(world, "services.theft.file", **await drafted(world, THEFT), **await identified(world, 2))
    (case,) = await until(world, "investigation.case.list", "cases")
    system = world.kernel.system("cases")
    more = msgspec.json.encode(
        {"number": "SU-2026-000001", "service": "follow-up", "fields": [], "about": filed["number"]}
    )
    done = await world.kernel.perform("investigation.case.receive", more, system)
    assert done.result.id == case["id"]
    other = msgspec.json.encode(
        {"number": "SU-2026-000002", "service": "follow-up", "fields": [], "about": "PL-2020-000009"}
    )
    assert (await world.kernel.perform("investigation.case.receive", other, system)).result.id != case["id"]


def test_what_leaves_on_a_step_names_one_that_is_there() -> None:
    for definition in catalogue().versions.values():
        steps = {one.id for one in definition.transitions}
        for export in definition.exports:
            assert set(export.on) <= steps
            assert export.on or export.event.endswith(".filed"), (definition.id, export.event)


async def test_somebody_in_danger_who_writes_is_an_incident_at_once(world: World) -> None:
    held = await begun(world)
    await officer(
        world, "alert", chat=held["chat"], text="Enfermée", whereabouts="9 rue du Lac", phone="06 12 34 56 78"
    )
    (incident,) = await until(world, "operations.incident.list", "incidents")
    assert (incident["kind"], incident["priority"]) == ("assistance", 1)
    shown = msgspec.json.encode(
        await world.act("command", "operations.incident.read", incident=incident["id"])
    ).decode()
    assert "9 rue du Lac" in shown
    assert "06 12 34 56 78" in shown
    assert WRITTEN not in shown, "what was written stays between the two"
    assert "Enfermée" not in shown
