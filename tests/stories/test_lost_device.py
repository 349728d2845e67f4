"""A phone with the offline pack is lost: its officer ends it from another browser, and at its next contact it keeps nothing."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser, Page, expect

from tests.stories.conftest import windows
from tests.stories.window import Window
from tests.world import World

pytestmark = pytest.mark.anyio
STORES = "indexedDB.databases().then((all) => all.length)"


async def taken(page: Page) -> None:
    await page.get_by_role("button", name="Prendre le paquet hors ligne").click()
    await expect(page.locator("[data-field=home]")).to_have_attribute("data-device", "open")


async def test_an_officer_ends_their_own_lost_phone(served: World, browser: Browser) -> None:
    async with windows(browser, served.kernel.settings.origin) as window:
        await lost(await window("officer"), await window("officer"))


async def lost(phone: Window, desk: Window) -> None:
    await phone.go("/field?lang=fr")
    await taken(phone.page)
    assert await phone.page.evaluate(STORES) > 0, "a control"
    await phone.context.set_offline(True)

    await desk.go("/devices")
    mine = desk.page.locator("section", has=desk.page.get_by_role("heading", name="Mes terminaux"))
    await expect(mine.get_by_role("listitem")).to_have_count(1)
    await mine.get_by_role("button", name=re.compile("^Révoquer")).click()
    dialog = desk.page.get_by_role("dialog")
    await dialog.get_by_role("textbox").fill("Perdu place du marché")
    await dialog.get_by_role("button", name="Révoquer").click()
    await expect(mine.get_by_text("révoqué")).to_be_visible()
    await expect(desk.page.get_by_text("C’est fait.").first).to_be_visible()

    await phone.context.set_offline(False)
    await phone.page.evaluate("dispatchEvent(new Event('online'))")
    await expect(phone.page.locator("[data-field=home]")).to_have_attribute("data-device", "revoked")
    assert await phone.page.evaluate(STORES) == 0
