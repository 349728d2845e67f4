"""Somebody adds files to what they tell: the network goes and comes back, they pause, one file is refused; all by keyboard.

The page is a resident's own, half-way through a complaint; the script is the built one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from egide.services.quarantine import quarantine
from tests.services.desk import photo
from tests.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.story]
BUILT = Path(__file__).parents[2] / "src" / "egide" / "static" / "assets"
MOST = 3 * 1024  # bytes of the script as it travels


async def told_so_far(page: Page, origin: str) -> None:
    """The pages of a complaint before the one that takes files."""
    await page.goto(f"{origin}/services/theft?lang=fr")
    for name, value in (("going_on", "no"), ("offence", "theft"), ("author_known", "no")):
        await page.locator(f"[name={name}][value={value}]").check()
    await page.get_by_role("button", name="Continuer").click()
    for name in ("day", "month", "year"):
        await page.locator(f"[name=facts_date-{name}]").fill({"day": "3", "month": "2", "year": "2026"}[name])
    await page.get_by_label("Où ?").fill("12 rue de la Gare")
    await page.get_by_label("Racontez ce qui s’est passé").fill("Mon vélo a disparu.")
    await page.get_by_role("button", name="Continuer").click()
    await expect(page.get_by_label("Photos, factures")).to_be_visible()


async def test_files_go_through_a_lost_network_and_a_pause(browser: Browser, served: World) -> None:
    context = await browser.new_context(locale="fr-FR", viewport={"width": 320, "height": 640})
    page = await context.new_page()
    crashed: list[str] = []
    page.on("pageerror", lambda error: crashed.append(str(error)))
    page.on(
        "console", lambda message: crashed.append(message.text) if "Content Security Policy" in message.text else None
    )
    await told_so_far(page, served.kernel.settings.origin)
    words = b"".join(b"line %d\n" % number for number in range(900_000))
    status = page.get_by_role("status")
    # A network slow enough to be lost half-way.
    network = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 3_000_000}
    session = await context.new_cdp_session(page)
    await session.send("Network.enable")
    await session.send("Network.emulateNetworkConditions", network)
    await page.set_input_files(
        "#evidence",
        [
            {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": photo()},
            {"name": "journal.txt", "mimeType": "text/plain", "buffer": words},
            {"name": "faux.pdf", "mimeType": "application/pdf", "buffer": b"PK\x03\x04" + bytes(99)},
        ],
    )
    bar = page.get_by_role("progressbar", name="Envoi de journal.txt")
    await expect(bar).to_be_visible()
    while await bar.evaluate("bar => bar.value") < 1_000_000:  # the timeout of every test ends it
        await asyncio.sleep(0.02)
    await session.send("Network.emulateNetworkConditions", network | {"offline": True})
    await expect(status).to_contain_text("Réseau perdu")
    there = await bar.evaluate("bar => bar.value")
    pause = page.get_by_role("button", name="Pause")
    await pause.focus()
    await page.keyboard.press("Enter")
    await session.send("Network.emulateNetworkConditions", network | {"uploadThroughput": -1})
    await expect(status).to_contain_text("en pause")
    assert await bar.evaluate("bar => bar.value") == there
    await page.get_by_role("button", name="Continuer").press("Enter")
    await expect(status).to_contain_text("Attendez la fin")
    await page.get_by_label("Quoi ?").fill("Tout est resté")
    await page.get_by_role("button", name="Reprendre").press("Enter")

    await expect(status).to_contain_text("Non envoyé : faux.pdf")
    await expect(status).to_contain_text("Ce que vous avez écrit est gardé")
    await expect(page.locator("[data-files] li")).to_have_count(3)
    await expect(page.locator("[data-files]")).to_contain_text("journal.txt — Reçu et scellé")
    await expect(page.get_by_label("Quoi ?")).to_have_value("Tout est resté")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    db = served.kernel.store.reader()
    rows = db.exec_driver_sql("select id, kind from service_upload where sealed is not null order by opened").all()
    assert [row.kind for row in rows] == ["jpeg", "text"]
    assert b"".join(quarantine(served.kernel).original(rows[1].id)) == words

    await page.get_by_label("Quoi ?").press("Enter")
    await page.get_by_role("button", name="Continuer").click()
    await page.get_by_label("Adresse de messagerie").fill("claire@example.org")
    await page.get_by_role("button", name="Continuer").click()
    await expect(page.get_by_text("2 fichier(s)")).to_be_visible()
    await page.get_by_role("link", name="Modifier : Photos").click()
    await page.get_by_role("button", name="Retirer photo.jpg").click()
    await expect(page.locator("[data-files] li")).to_have_count(1)
    assert (await page.get_by_label("Quoi ?").input_value()).strip() == "Tout est resté"
    assert not crashed
    await context.close()


def test_script_is_small() -> None:
    import gzip

    (script,) = BUILT.glob("upload-page-*.js")
    assert len(gzip.compress(script.read_bytes())) <= MOST
