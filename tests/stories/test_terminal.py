"""The terminal in the pocket: it goes on without network, what was done then is done once, and lost it opens no more."""

from __future__ import annotations

import base64
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from egide.exercise.people import Person
from egide.exercise.story import Scene
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import OVERFLOW, reports
from tests.stories.test_field import until
from tests.stories.window import NARROW, NO_ROOM, PHONE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

STORES = "indexedDB.databases().then((all) => all.filter((one) => one.name.startsWith('egide-terminal-')).length)"
NOTE = "operations.note.add"
TERMINAL = """new Promise((done) => { indexedDB.open('egide-terminal-officer').onsuccess = (event) => {
  const request = event.target.result.transaction('keys').objectStore('keys').get('box');
  request.onsuccess = () => { event.target.result.close(); done(request.result.terminal); }; }; })"""
# What a gloved thumb presses in the lower third: at least 48 px each way.
SMALL = """[...document.querySelectorAll('.big button, .tabs button')].filter((one) => {
  const box = one.getBoundingClientRect(); return box.width < 48 || box.height < 48 || box.bottom > innerHeight + 1; })
  .map((one) => one.outerHTML.slice(0, 80))"""
HIDDEN = """() => { Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true });
  document.dispatchEvent(new Event('visibilitychange')); }"""
COLOURS = """async (png) => { const bytes = Uint8Array.from(atob(png), (c) => c.charCodeAt(0));
  const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' })), seen = new Set();
  const pen = new OffscreenCanvas(picture.width, picture.height).getContext('2d'); pen.drawImage(picture, 0, 0);
  const { data } = pen.getImageData(0, 0, picture.width, picture.height);
  for (let i = 0; i < data.length; i += 4) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return seen.size; }"""


async def colours(page: Page) -> int:
    """How many colours the middle of the map has: bare ground has one."""
    box = await page.locator("[data-map] canvas").bounding_box()
    assert box is not None
    clip = {"x": box["x"] + 80, "y": box["y"] + 60, "width": box["width"] - 160, "height": box["height"] - 90}
    png = await page.screenshot(clip=clip)  # type: ignore[arg-type]  # playwright's own dictionary type
    return int(await page.evaluate(COLOURS, base64.b64encode(png).decode()))


async def kept(window: Window, name: str) -> None:
    """A picture for who reads the report."""
    folder = reports()
    if folder is not None:
        await window.page.screenshot(path=folder / f"terminal-{name}.png")


def pocket(page: Page) -> Any:
    return page.locator("[data-terminal]")


async def carried(window: Opener, persona: str = "officer", **how: Any) -> Window:
    """A phone on which an officer has opened and prepared the terminal; its worker holds the page."""
    phone = await window(persona, size=PHONE, touch=True, **how)
    await prepared(phone)
    return phone


async def prepared(phone: Window) -> None:
    """The terminal, filled; the page is its worker's from now on."""
    await phone.context.grant_permissions(["geolocation"])
    await phone.context.set_geolocation({"latitude": 60.1699, "longitude": 24.9525, "accuracy": 12})
    page = phone.page
    await phone.go("/terminal")
    await expect(pocket(page)).to_have_attribute("data-terminal", "none")
    await page.get_by_role("button", name="Préparer ce terminal").click()
    await expect(pocket(page)).to_have_attribute("data-terminal", "open")
    await expect(pocket(page)).to_have_attribute("data-map-kept", "true")
    await page.wait_for_function("navigator.serviceWorker.ready.then((one) => one.active?.state === 'activated')")
    await expect(page.get_by_role("heading", name="Place du Sénat")).to_be_visible()


async def note(page: Page, text: str, button: str) -> None:
    await page.get_by_role("button", name="Noter ici").click()
    await page.get_by_label("Ce que vous avez vu ou fait").fill(text)
    await expect(page.get_by_text("Lieu : ici")).to_be_visible()
    await page.get_by_role("button", name=button).click()
    await expect(page.get_by_text(f"Note : {text}")).to_be_visible()


async def noted(overseer: Person, before: int) -> list[dict[str, Any]]:
    """The notes that the ledger has since."""
    river = await overseer.act("oversight.river", act=NOTE)
    return [entry for entry in river["entries"] if entry["index"] > before]


async def test_a_day_without_network(stage: Stage, scene: Scene, window: Opener) -> None:
    dpo = await stage.person("dpo")
    before = (await dpo.act("oversight.river"))["size"] - 1
    phone = await carried(window)
    page = phone.page
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle")
    await kept(phone, "day")
    await note(page, "Attroupement calme", "Envoyer la note")
    await expect(page.locator("[data-entry=done]")).to_have_count(1)
    await expect(pocket(page)).to_have_attribute("data-kept", "true")

    await phone.context.set_offline(True)
    await expect(page.get_by_text("Hors réseau.")).to_be_visible()
    await page.get_by_role("button", name="Mission", exact=True).click()
    await note(page, "Deux groupes se forment", "Garder : partira seule")
    await page.reload()
    await expect(pocket(page)).to_have_attribute("data-terminal", "open")
    await expect(page.get_by_role("heading", name="Place du Sénat")).to_be_visible()
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle")
    assert await colours(page) > 20, "the map is empty"
    await note(page, "Retour au calme", "Garder : partira seule")
    await expect(pocket(page)).to_have_attribute("data-waiting", "2")
    await kept(phone, "offline")
    await page.get_by_role("button", name="Fiches").click()
    await page.get_by_text("Objet suspect").click()
    await expect(page.get_by_text("Ne touchez à rien")).to_be_visible()
    assert len(await noted(dpo, before)) == 1

    other = await phone.context.new_page()  # a second tab: both send at once when the network is back
    await other.goto("/terminal")
    await expect(pocket(other)).to_have_attribute("data-waiting", "2")
    await phone.context.set_offline(False)
    for one in (page, other):
        await expect(pocket(one)).to_have_attribute("data-waiting", "0")
    entries = await noted(dpo, before)
    assert [entry["outcome"] for entry in entries] == ["allowed"] * 3
    await page.get_by_role("button", name="Envois").click()
    await expect(page.locator("[data-entry=done]")).to_have_count(3)
    await kept(phone, "sent")


async def test_the_lease_ends(stage: Stage, scene: Scene, window: Opener) -> None:
    """A day without contact: what was kept is deleted, what was not sent waits under lock for the next contact."""
    dpo = await stage.person("dpo")
    before = (await dpo.act("oversight.river"))["size"] - 1
    phone = await carried(window)
    page = phone.page
    await expect(pocket(page)).to_have_attribute("data-kept", "true")
    await phone.context.set_offline(True)
    await note(page, "Vu avant la fin du bail", "Garder : partira seule")
    today = datetime.now(UTC)
    await page.clock.set_fixed_time(today - timedelta(hours=5))  # a clock put back lengthens nothing
    await page.reload()
    await expect(pocket(page)).to_have_attribute("data-terminal", "locked")
    await page.clock.set_fixed_time(today + timedelta(hours=25))
    await page.reload()
    await expect(pocket(page)).to_have_attribute("data-terminal", "locked")
    await expect(page.get_by_text("Bail terminé")).to_be_visible()
    await expect(page.get_by_role("heading", name="Place du Sénat")).to_be_hidden()
    await expect(pocket(page)).to_have_attribute("data-waiting", "1")
    await kept(phone, "locked")
    await phone.context.set_offline(False)
    await expect(pocket(page)).to_have_attribute("data-terminal", "open")
    await expect(pocket(page)).to_have_attribute("data-waiting", "0")
    assert len(await noted(dpo, before)) == 1


async def test_a_platform_that_forgot_it(stage: Stage, scene: Scene, window: Opener) -> None:
    """Restored from a backup of before it was registered: the terminal is registered anew, and what waited goes once."""
    dpo = await stage.person("dpo")
    before = (await dpo.act("oversight.river"))["size"] - 1
    phone = await carried(window)
    page = phone.page
    first = await page.evaluate(TERMINAL)
    await phone.context.set_offline(True)
    await note(page, "Écrite avant le retour en arrière", "Garder : partira seule")
    with closing(sqlite3.connect(stage.said.parent / "data" / "egide.db", timeout=30)) as db, db:
        db.execute("delete from terminal where id = ?", (first,))
    await phone.context.set_offline(False)
    await page.reload()
    await until(page, f"{TERMINAL}.then((now) => now !== '{first}')")
    await page.get_by_role("button", name="Envois").click()
    await expect(page.locator("[data-entry=done]")).to_have_count(1)
    await expect(pocket(page)).to_have_attribute("data-terminal", "open")
    assert len(await noted(dpo, before)) == 1
    await phone.context.set_offline(True)
    await page.reload()
    await expect(pocket(page)).to_have_attribute("data-terminal", "open")


async def test_a_note_that_finds_no_room(stage: Stage, scene: Scene, window: Opener) -> None:
    """It is said, and what was written stays; once there is room it is kept."""
    phone = await carried(window)
    page = phone.page
    await phone.context.set_offline(True)
    await page.evaluate(NO_ROOM)
    await page.get_by_role("button", name="Noter ici").click()
    await page.get_by_label("Ce que vous avez vu ou fait").fill("Vu près du quai")
    await page.get_by_role("button", name="Garder : partira seule").click()
    await expect(page.get_by_text("Plus de place sur cet appareil")).to_be_visible()
    await expect(page.get_by_label("Ce que vous avez vu ou fait")).to_have_value("Vu près du quai")
    await kept(phone, "full")
    await page.evaluate("window.full = false")
    await page.get_by_role("button", name="Garder : partira seule").click()
    await expect(page.get_by_text("Note : Vu près du quai")).to_be_visible()
    await expect(pocket(page)).to_have_attribute("data-waiting", "1")


async def test_lost(stage: Stage, scene: Scene, window: Opener) -> None:
    """Revoked by an administrator while it is away: at its next contact everything it kept is wiped, without a session."""
    phone = await carried(window)
    page = phone.page
    await phone.context.set_offline(True)
    await expect(page.get_by_text("Hors réseau.")).to_be_visible()
    await note(page, "Jamais envoyée", "Garder : partira seule")
    administrator = await stage.person("administrator")
    (lost,) = [
        each
        for each in (await administrator.act("operations.terminal.of", person="officer"))["terminals"]
        if each["id"] == await page.evaluate(TERMINAL)
    ]
    await administrator.act("operations.terminal.block", terminal=lost["id"], reason="Perdu place du marché")
    assert await page.evaluate(STORES) == 1
    await phone.context.set_offline(False)
    await expect(pocket(page)).to_have_attribute("data-terminal", "revoked")
    assert await page.evaluate(STORES) == 0
    await expect(page.get_by_text("Terminal révoqué")).to_be_visible()
    await kept(phone, "revoked")
    await page.reload()
    await expect(pocket(page)).to_have_attribute("data-terminal", "none")
    await expect(page.get_by_role("button", name="S’identifier")).to_be_visible()


async def test_in_the_dark(scene: Scene, window: Opener) -> None:
    """Red-night on a small phone: nothing is cut, what is pressed is large, the live picture goes with the screen."""
    phone = await carried(window)
    page = phone.page
    await page.get_by_role("button", name="Appareil").click()
    await page.get_by_role("button", name="Nuit rouge").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "red")
    for size in (PHONE, NARROW):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for tab in ("Appareil", "Fiches", "Envois", "Mission"):
            await page.get_by_role("button", name=tab, exact=True).click()
            assert await phone.apart(OVERFLOW) == []
            assert await phone.apart(SMALL) == []
            await kept(phone, f"red-{tab}-{size[0]}")
    await page.get_by_role("button", name="Regarder Drone 1").click()
    await expect(page.locator("[data-video]")).to_have_attribute("data-state", "live")
    await kept(phone, "red-video")
    await page.evaluate(HIDDEN)
    await expect(page.locator("[data-video]")).to_be_hidden()
