"""Taking the pack never takes the place of what a device keeps already: not of what waits sealed, not of another tab's chain."""

from __future__ import annotations

import asyncio
import random
import re

import pytest
from playwright.async_api import Page, Route, expect

from tests.disks import filled, small_disk
from tests.stories.test_field import FILL, WRITTEN, Ground, ground, kept, photo, picture, report, saved, taken, waiting
from tests.stories.window import NO_ROOM

__all__ = ["ground"]  # the fixture of these stories

pytestmark = [pytest.mark.anyio, pytest.mark.story]

TAKE, KEEP = "Prendre le paquet hors ligne", "Garder : partira seul"
DISK_MIB = 400  # a profile has some 50
NO_WAY = re.compile("Plus de place sur cet appareil|Le navigateur ne garde plus rien")  # as the browser finds out
# The lease is over: as the vault itself ends it.
OVER = """async () => { for (const { name } of await indexedDB.databases()) if (name.startsWith('egide-field-'))
  await new Promise((done) => { const asked = indexedDB.open(name); asked.onsuccess = () => {
    const all = asked.result.transaction('keys', 'readwrite'); all.objectStore('keys').delete('lease');
    all.oncomplete = () => { asked.result.close(); done(); }; }; }); }"""
# The first chunk that a page sends is answered so.
BROKEN = """const real = window.fetch; let left = 1;
window.fetch = async (address, how) => how?.method === 'PUT' && left-- > 0
  ? new Response(%r, { status: %d, headers: { 'content-type': 'application/problem+json' } }) : real(address, how);"""
BUSY = '{"code": "unavailable", "title": {"fr": "Plus tard.", "en": "Later."}, "do": null}'


async def test_what_waits_sealed_outlives_an_answer_of_later(ground: Ground) -> None:
    """The lease is over and the platform is busy when it is asked for the next one: what waits is not given up for that."""
    await taken(ground.phone)
    page = ground.phone.page
    busy = asyncio.Event()

    async def away(route: Route) -> None:
        busy.set()
        await route.fulfill(status=503, content_type="application/problem+json", body=BUSY)

    await page.route("**/api/acts/services.outbox.sync", away)
    await page.route("**/api/acts/services.device.renew", away)
    await kept(page, WRITTEN, [])
    await waiting(page, 1)
    await page.evaluate(OVER)
    busy.clear()
    await page.reload()
    home = page.locator("[data-field=home]")
    await expect(home).to_have_attribute("data-device", "locked")
    await asyncio.wait_for(busy.wait(), 30)
    await expect(page.get_by_text("Plus tard.")).to_be_visible()
    await expect(page.get_by_role("button", name=TAKE)).to_have_count(0)
    await waiting(page, 1)
    await page.unroute("**/api/acts/services.device.renew")
    await page.unroute("**/api/acts/services.outbox.sync")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_contain_text("n° PC-")
    await expect(page.get_by_text("Plus tard.")).to_have_count(0)


async def test_a_second_tab_takes_no_other_chain(ground: Ground) -> None:
    """Two tabs that stood before the same empty device: what is kept by the one is signed by the device's one key."""
    phone = ground.phone
    first = await phone.open()
    await phone.enter("officer")
    await first.reload()
    assert phone.context is not None
    second = await phone.context.new_page()
    await second.goto("/field?lang=fr")
    for tab in (first, second):
        await expect(tab.get_by_role("button", name=TAKE)).to_be_visible()
    for tab in (first, second):
        await tab.get_by_role("button", name=TAKE).click()
        await expect(tab.locator("[data-field=home]")).to_have_attribute("data-device", "open")
    await kept(first, WRITTEN, [])
    await waiting(first, 0)
    await expect(first.locator("[data-entry]")).to_have_attribute("data-entry", "done")


async def refusing(page: Page, address: str, method: str, status: int, times: int) -> None:
    """The platform answers so, that often; then it is itself again."""
    left = [times]

    async def once(route: Route) -> None:
        left[0] -= route.request.method == method
        if left[0] < 0 or route.request.method != method:
            await route.fallback()
        else:
            await route.fulfill(status=status, content_type="application/problem+json", body=BUSY)

    await page.route(address, once)


async def test_a_batch_that_was_refused_whole_is_sent_when_it_may_be(ground: Ground) -> None:
    """The right to send was taken back for a while: no entry was judged, so none is told as refused, and all go afterwards."""
    await taken(ground.phone)
    page = ground.phone.page
    await refusing(page, "**/api/acts/services.outbox.sync", "POST", 403, 2)
    await kept(page, WRITTEN, [])
    await waiting(page, 0)
    await expect(page.locator("[data-entry]")).to_have_attribute("data-entry", "done")


@pytest.mark.parametrize("status", [400, 409])
async def test_a_photo_is_in_its_file_however_a_chunk_ended(ground: Ground, status: int) -> None:
    """A chunk broke off on a slow network, or had come though its answer was lost: it goes on from where the platform is."""
    await taken(ground.phone)
    page = ground.phone.page
    await page.add_init_script(BROKEN % (BUSY, status))
    await kept(page, WRITTEN, [photo(ground.folder, 1)])
    await waiting(page, 0)
    await expect(page.locator("[data-entry]")).to_have_attribute("data-entry", "done")
    assert ground.rows("select count(*) from service_upload where owner like 'file:%' and sealed is not null") == [(1,)]


async def test_a_device_without_room_takes_what_was_typed_once_there_is_some(ground: Ground) -> None:
    """What finds no room is said at once and stays on the page; once there is room it is kept by pressing again."""
    await taken(ground.phone)
    page = ground.phone.page
    await ground.cut()
    await page.goto("/field/field-report?lang=fr")
    await expect(page.locator("form[data-field]")).to_be_visible()
    await page.evaluate(NO_ROOM)
    await page.evaluate(FILL, report(WRITTEN))
    await expect(page.locator("[data-state]")).to_contain_text("Plus de place sur cet appareil")
    await page.locator("input[type=file]").set_input_files(photo(ground.folder, 1))
    await expect(page.locator("[data-files-state]")).to_contain_text("Plus de place sur cet appareil")
    await page.get_by_role("button", name=KEEP).click()
    await expect(page.get_by_role("alert")).to_contain_text("Plus de place sur cet appareil")
    await picture(page, "full")
    await page.evaluate("window.full = false")
    await page.locator("input[type=file]").set_input_files(photo(ground.folder, 1))
    await expect(page.locator("[data-file]")).to_have_count(1)
    await page.get_by_role("button", name=KEEP).click()
    await sent(ground)
    assert ground.rows("select count(*) from service_upload where sealed is not null") == [(1,)]


async def test_a_full_disk_takes_nothing_that_was_kept(ground: Ground) -> None:
    """The browser gives its store up: the page says what to do, and after a new start all that was kept is there."""
    phone = ground.phone
    with small_disk(phone.profile, DISK_MIB):
        await taken(phone)
        page = phone.page
        await ground.cut()
        await page.goto("/field/field-report?lang=fr")
        await expect(page.locator("form[data-field]")).to_be_visible()
        await page.evaluate(FILL, report(WRITTEN))
        await saved(page)
        large = ground.folder / "large.jpg"
        large.write_bytes(photo(ground.folder, 1).read_bytes() + random.Random(1).randbytes(8 * 1024 * 1024))
        with filled(phone.profile):
            await page.locator("input[type=file]").set_input_files(large)
            await expect(page.locator("[data-files-state]")).to_contain_text(NO_WAY)
            await picture(page, "disk full")
        await phone.close()
        page = await phone.open("/field/field-report?lang=fr")
        await expect(page.get_by_text("Votre saisie est retrouvée.")).to_be_visible()
        await page.get_by_role("button", name=KEEP).click()
        await sent(ground)
        await phone.close()


async def sent(ground: Ground) -> None:
    page = ground.phone.page
    await waiting(page, 1)
    await ground.start()
    await ground.phone.enter("officer")
    await page.evaluate("dispatchEvent(new Event('online'))")
    await waiting(page, 0)
    await expect(page.locator("[data-entry=done]")).to_contain_text("n° PC-")
