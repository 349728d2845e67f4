"""The platform is restored from a backup of before a device was enrolled: nothing that lies on that device is lost by it."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from playwright.async_api import expect

from tests.stories.test_field import WRITTEN, Ground, ground, kept, photo, picture, taken, waiting
from tests.stories.test_field_taken import OVER

__all__ = ["ground"]  # the fixture of these stories

pytestmark = [pytest.mark.anyio, pytest.mark.story]

OPENS_AGAIN = "La plateforme ne connaît pas cet appareil"


async def remembered(ground: Ground) -> None:
    """A copy of the platform as it is, on its own disk."""
    await ground.platform.kill()
    await asyncio.to_thread(
        shutil.copytree, ground.folder / "data", ground.folder / "before", ignore=shutil.ignore_patterns("run")
    )
    await ground.platform.start()


async def restored(ground: Ground) -> None:
    """The copy takes its place; the officer signs in again, for their session was of afterwards."""
    await ground.cut()
    await asyncio.to_thread(shutil.rmtree, ground.folder / "data")
    await asyncio.to_thread(shutil.copytree, ground.folder / "before", ground.folder / "data")
    await ground.start()
    await ground.phone.enter("officer")


async def test_what_a_device_keeps_goes_again_to_a_platform_that_forgot_it(ground: Ground) -> None:
    """What was sent and what waits are both there again, with the photos that the device still has; then it goes on as ever."""
    await remembered(ground)
    await taken(ground.phone)
    page = ground.phone.page
    await kept(page, WRITTEN, [photo(ground.folder, 1)])
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_contain_text("n° PC-")
    await ground.cut()
    await kept(page, f"{WRITTEN} plus tard", [photo(ground.folder, 2)])
    await waiting(page, 1)
    await restored(ground)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_have_count(2)
    await expect(page.get_by_text("la plateforme avait oublié cet appareil")).to_be_visible()
    await expect(page.get_by_text("Parti avec le premier envoi")).to_be_visible()
    assert ground.rows("select count(*) from service_file") == [(2,)]
    assert ground.rows("select count(*) from service_upload where sealed is not null") == [(1,)]
    await picture(page, "forgotten and taken up")
    await kept(page, f"{WRITTEN} encore", [])
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_have_count(3)
    assert ground.rows("select count(*) from service_file") == [(3,)]
    assert ground.rows("select count(*) from service_device where revoked is null") == [(1,)]


async def test_what_nobody_can_open_is_given_up_by_its_officer_alone(ground: Ground) -> None:
    """The lease is over too: nothing is wiped by itself, for a newer backup may come; the officer may start over."""
    await remembered(ground)
    await taken(ground.phone)
    page = ground.phone.page
    await ground.cut()
    await kept(page, WRITTEN, [])
    await waiting(page, 1)
    await page.evaluate(OVER)
    await restored(ground)
    await page.reload()
    home = page.locator("[data-field=home]")
    await expect(page.get_by_role("alert")).to_contain_text(OPENS_AGAIN)
    await expect(home).to_have_attribute("data-device", "locked")
    await waiting(page, 1)
    await page.get_by_text("Repartir sans ce qui est sous clé").click()
    await picture(page, "forgotten and under lock")
    await page.get_by_role("button", name="Effacer et repartir").click()
    await expect(home).to_have_attribute("data-device", "none")
    await page.get_by_role("button", name="Prendre le paquet hors ligne").click()
    await expect(home).to_have_attribute("data-device", "open")
    await waiting(page, 0)
