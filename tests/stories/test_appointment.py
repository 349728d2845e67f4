"""An appointment is on the station's clock: an officer whose device keeps another time types and reads it as residents do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from playwright.async_api import expect

from egide.exercise.people import Person
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import heard, kept
from tests.stories.window import STATION

pytestmark = [pytest.mark.anyio, pytest.mark.story]

ELSEWHERE = "Asia/Tokyo"


async def test_a_device_in_another_zone_types_and_shows_the_stations_time(stage: Stage, window: Opener) -> None:
    told = await heard(stage, await stage.person("officer"), ())
    mine = {"number": told["number"], "code": told["code"]}
    day = (datetime.now(UTC) + timedelta(days=2)).date()
    seen = await window("officer", zone=ELSEWHERE)
    desk, nobody = seen.page, Person(stage.base, "")

    async def opened() -> None:
        await seen.go("/files")
        await desk.locator(f'[data-file="{told["number"]}"]').click()

    await opened()
    hearing = desk.locator("[data-hearing]")
    await expect(hearing.get_by_text("heure locale : Paris").first).to_be_visible()
    await kept(seen, "appointment, typed")
    await hearing.get_by_label("Créneau 1").fill(f"{day}T10:00")
    await hearing.get_by_role("button", name="Proposer des créneaux").click()
    await expect(desk.locator("article")).to_have_attribute("data-state", "proposed")
    (slot,) = (await nobody.act("services.file.follow", **mine))["hearing"]["slots"]
    wall = datetime.fromisoformat(slot).astimezone(ZoneInfo(STATION))
    assert (wall.date(), wall.hour, wall.minute) == (day, 10, 0), "what the resident's page says"
    await nobody.act("services.hearing.my_choose", **mine, slot=slot)

    await opened()
    await expect(hearing).to_contain_text("à 10:00 (heure locale : Paris)")
    await kept(seen, "appointment, chosen elsewhere")
    same = await window("officer", zone=STATION)
    await same.go("/files")
    await same.page.locator(f'[data-file="{told["number"]}"]').click()
    shown = same.page.locator("[data-hearing]")
    await expect(shown).to_contain_text("à 10:00")
    await expect(shown).not_to_contain_text("heure locale")
