"""What the map looks like: no day in a night's eye while colours change, and a camera that stands is no drone."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Route, expect

from egide.exercise.story import Scene
from tests.stories.conftest import Opener
from tests.stories.test_axe import kept

pytestmark = [pytest.mark.anyio, pytest.mark.story]

SENSOR, ROTARY = "SFGPES---------", "SFAPMHQ--------"  # MIL-STD-2525C: a sensor on the ground, a rotary-wing drone


async def test_the_map_is_not_seen_in_the_colours_that_were_left(scene: Scene, window: Opener) -> None:
    seen = await window("command")
    page, let = seen.page, asyncio.Event()
    await seen.go("/operations")
    drawing = page.locator("[data-map] canvas").first
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle", timeout=60_000)
    await expect(drawing).to_have_css("opacity", "1")

    async def late(route: Route) -> None:
        await let.wait()
        await route.continue_()

    await page.route("**/map/style.json*", late)
    for theme in ("night", "red"):
        let.clear()
        await page.get_by_role("button", name="Couleurs").click()
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
        await expect(drawing).to_have_css("opacity", "0")
        await kept(seen, f"map, on its way to {theme}")
        let.set()
        await expect(drawing).to_have_css("opacity", "1")
        await kept(seen, f"map, {theme}")


@pytest.mark.parametrize(("aerial", "sign"), [(True, ROTARY), (False, SENSOR)])
async def test_a_camera_that_stands_has_its_own_sign(scene: Scene, window: Opener, *, aerial: bool, sign: str) -> None:
    async def described(route: Route) -> None:
        told = await (answer := await route.fetch()).json()
        for source in told["result"]["sources"]:
            source["aerial"] = aerial
        await route.fulfill(response=answer, json=told)

    seen = await window("officer")
    page = seen.page
    await page.route("**/api/acts/operations.picture", described)
    await seen.go("/operations")
    await page.get_by_role("button", name="Regarder", exact=True).click()
    await expect(page.locator("[data-map]")).to_have_attribute("data-sign", sign)
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle")
    for theme in ("day", "night", "red"):
        await expect(page.locator("html")).to_have_attribute("data-theme", theme)
        await expect(page.locator("[data-map] canvas").first).to_have_css("opacity", "1")
        await page.wait_for_load_state("networkidle")
        await kept(seen, f"sign, {sign}, {theme}")
        await page.get_by_role("button", name="Couleurs").click()
