"""The portal: who comes without signing in finds the way to what concerns them, and to nothing that is not there."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Route, expect

from tests.stories.conftest import Opener
from tests.stories.window import NARROW, WIDE

pytestmark = [pytest.mark.anyio, pytest.mark.story]

SESSION = "**/api/acts/administration.session.show"
TITLES = {"fr": "Préparer mon passage", "en": "Prepare my way through"}


@pytest.mark.parametrize(("lang", "size"), [("fr", WIDE), ("en", NARROW)])
async def test_a_traveller_finds_the_pass(window: Opener, lang: str, size: tuple[int, int]) -> None:
    page = (seen := await window(lang=lang, size=size)).page
    await seen.go("/")
    await page.get_by_role("link", name=TITLES[lang]).click()
    await expect(page).to_have_url(re.compile("/pass$"))
    await expect(page.locator("[data-pass]")).to_have_attribute("data-pass", "open")


async def test_without_a_border_there_is_no_such_way(window: Opener) -> None:
    async def without(route: Route) -> None:
        told = await (answer := await route.fetch()).json()
        told["result"]["capabilities"].remove("border")
        await route.fulfill(response=answer, json=told)

    page = (seen := await window()).page
    await page.route(SESSION, without)
    await seen.go("/")
    await expect(page.get_by_role("link", name="Faire une démarche")).to_be_visible()
    await expect(page.get_by_role("link", name=TITLES["fr"])).to_have_count(0)
