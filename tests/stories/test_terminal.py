"""The terminal in the pocket: prepared once, it goes on without network; what was done then is done once; lost, it opens no more."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from egide.exercise.people import Person
from egide.exercise.story import Scene
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.window import PHONE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

SMALL = (320, 640)
NOTE = "operations.note.add"
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
    asked = os.environ.get("EGIDE_REPORTS")
    if asked:
        Path(asked).mkdir(parents=True, exist_ok=True)
        await window.page.screenshot(path=Path(asked) / f"terminal-{name}.png")


def pocket(page: Page) -> Any:
    return page.locator("[data-terminal]")


async def carried(window: Opener, persona: str = "officer", **how: Any) -> Window:
    """A phone on which an officer has opened and prepared the terminal; its worker holds the page."""
    phone = await window(persona, size=PHONE, touch=True, **how)
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
    return phone


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
