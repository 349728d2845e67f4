"""What is to be looked at: read by its unit's officers alone, recorded once with the newest form, or set aside with words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from egide.kernel.errors import BadInput, Conflict, Refused
from tests.services.offline import Device, again
from tests.services.test_outbox import files
from tests.world import World

pytestmark = pytest.mark.anyio


async def waiting(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await world.act("officer", "services.review.list"))["entries"]
    return found


async def test_an_old_form_is_recorded_at_the_desk_and_the_device_is_told(world: World) -> None:
    device = await Device(world).enrol()
    entry = device.add({})
    entry = again(device, entry, device.report(version=99, files=await device.notes(entry, 2)))
    (told,) = await device.sync(entry)
    assert told["state"] == "review"
    (one,) = await waiting(world)
    place = {"device": one["device"], "seq": one["seq"]}
    opened = await world.act("command", "services.review.read", **place)
    assert opened["can_record"]
    assert opened["entry"]["title"]["en"] == "Report on a scene"
    assert any("Zébulon" in line["fr"] for line in opened["lines"])
    assert len(opened["files"]) == 2
    done = await world.act("command", "services.review.settle", **place, decision="record")
    assert files(world) == [done["number"]] == ["PC-2026-000001"]
    assert await waiting(world) == []
    with pytest.raises(Refused):
        await world.act("command", "services.review.settle", **place, decision="record")
    file = await world.act("command", "services.field_report.read", file=done["file"])
    assert len(file["uploads"]) == 2
    (told,) = await device.sync(entry)
    assert (told["state"], told["number"]) == ("recorded", done["number"])
    assert len(files(world)) == 1


async def test_set_aside_with_words(world: World) -> None:
    device = await Device(world).enrol()
    entry = device.add({"act": "complement", "target": "nothing", "text": "Une trace.", "made": device.made()})
    (told,) = await device.sync(entry)
    assert told["why"]["code"] == "changed"
    place = {"device": device.device, "seq": 1}
    opened = await world.act("officer", "services.review.read", **place)
    assert not opened["can_record"]
    assert opened["lines"][1]["fr"] == "Une trace."
    with pytest.raises(Conflict):
        await world.act("officer", "services.review.settle", **place, decision="record")
    with pytest.raises(BadInput):
        await world.act("officer", "services.review.settle", **place, decision="aside", text=" ")
    await world.act("officer", "services.review.settle", **place, decision="aside", text="Repris dans le PV signé.")
    assert await waiting(world) == []
    (told,) = await device.sync(entry)
    assert told["why"]["code"] == "aside"
    assert files(world) == []


async def test_what_cannot_be_read_is_shown_as_it_came(world: World) -> None:
    device = await Device(world).enrol()
    await device.sync(device.add("pas du JSON"))
    opened = await world.act("officer", "services.review.read", device=device.device, seq=1)
    assert opened["lines"][0]["fr"] == "pas du JSON"
    assert not opened["can_record"]


@pytest.mark.parametrize("first", ["record", "aside"])
async def test_of_two_officers_at_once_one_decides(world: World, first: str) -> None:
    device = await Device(world).enrol()
    entry = device.add(device.report(version=99))
    await device.sync(entry)
    place = {"device": device.device, "seq": 1}
    ways = {"record": ("command", {}), "aside": ("officer", {"text": "Repris au guichet."})}
    both = sorted(ways, key=lambda way: way != first)
    done = await asyncio.gather(
        *(world.act(ways[way][0], "services.review.settle", **place, decision=way, **ways[way][1]) for way in both),
        return_exceptions=True,
    )
    assert [type(one) for one in done if isinstance(one, Exception)] == [Conflict], "the other is told"
    (told,) = await device.sync(entry)
    assert (told["state"] == "recorded") == bool(files(world)), "the device is told what became of it"
    assert await waiting(world) == []


async def test_a_service_that_was_taken_out_meanwhile_hides_neither_its_entry_nor_the_others(world: World) -> None:
    device = await Device(world).enrol()
    device.add(device.report())  # never comes: what follows is looked at
    await device.sync(device.add(device.report(service="taken-out")))
    (one,) = await waiting(world)
    assert one["title"]["en"] == "Request for a service that no longer exists here"
    place = {"device": one["device"], "seq": one["seq"]}
    opened = await world.act("officer", "services.review.read", **place)
    assert not opened["can_record"]
    assert "Zébulon" in opened["lines"][0]["fr"], "what was typed is there to be taken up"
    await world.act("officer", "services.review.settle", **place, decision="aside", text="Repris au guichet.")
    assert await waiting(world) == []


async def test_it_is_for_its_unit(world: World) -> None:
    device = await Device(world).enrol()
    await device.sync(device.add(device.report(version=99)))
    place = {"device": device.device, "seq": 1}
    for persona in ("prefect", "dpo", "magistrate"):
        with pytest.raises(Refused):
            await world.act(persona, "services.review.read", **place)
