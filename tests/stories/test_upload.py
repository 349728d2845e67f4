"""Somebody adds files to what they tell: the network goes and comes back, they pause, one file is refused; all by keyboard.

The page is the least that the script expects, under the policy of our pages; the script is the built one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, Route, expect

from egide.gateways.headers import csp
from egide.services.quarantine import quarantine
from tests.services.desk import Desk, photo

pytestmark = [pytest.mark.anyio, pytest.mark.story]
BUILT = Path(__file__).parents[2] / "src" / "egide" / "static" / "assets"
MOST = 3 * 1024  # bytes of the script as it travels
HTML = """<!doctype html><html lang="fr"><head><title>Dépôt</title></head><body><main><h1>Dépôt</h1><form method="post" action="/told">
<label for="words">Récit</label><textarea id="words" name="words"></textarea>
<div data-upload data-owner="draft:1" data-secret="right"><label for="piece">Joindre un fichier</label>
<input type="file" id="piece" name="piece" multiple><ul data-files></ul><p role="status"></p></div><button>Envoyer</button></form></main>
<script type="module" src="/assets/{script}"></script></body></html>"""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Desk]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    desk = Desk(tmp_path / "data", port=port)
    await desk.start()
    server = uvicorn.Server(uvicorn.Config(desk.application, port=port, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    await desk.until(lambda: server.started, 20)
    yield desk
    server.should_exit = True
    await serving
    await desk.stop()


async def test_files_go_through_a_lost_network_and_a_pause(browser: Browser, served: Desk) -> None:
    script = next(BUILT.glob("upload-page-*.js")).name
    context = await browser.new_context(locale="fr-FR", viewport={"width": 320, "height": 640})
    page = await context.new_page()
    crashed: list[str] = []
    page.on("pageerror", lambda error: crashed.append(str(error)))
    page.on(
        "console", lambda message: crashed.append(message.text) if "Content Security Policy" in message.text else None
    )

    async def give(route: Route) -> None:
        await route.fulfill(
            body=HTML.replace("{script}", script),
            content_type="text/html; charset=utf-8",
            headers={"content-security-policy": csp("/")},
        )

    await page.route("**/tell", give)
    await page.goto(f"{served.kernel.settings.origin}/tell")
    words = b"".join(b"line %d\n" % number for number in range(900_000))
    status = page.get_by_role("status")
    await page.set_input_files(
        "#piece",
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
    await context.set_offline(True)
    await expect(status).to_contain_text("Réseau perdu")
    there = await bar.evaluate("bar => bar.value")
    pause = page.get_by_role("button", name="Pause")
    await pause.focus()
    await page.keyboard.press("Enter")
    await context.set_offline(False)
    await expect(status).to_contain_text("en pause")
    assert await bar.evaluate("bar => bar.value") == there
    await page.get_by_role("button", name="Envoyer").press("Enter")
    await expect(status).to_contain_text("Attendez la fin")
    await page.get_by_label("Récit").fill("Tout est resté")
    await page.get_by_role("button", name="Reprendre").press("Enter")

    await expect(status).to_contain_text("Non envoyé : faux.pdf")
    await expect(status).to_contain_text("Ce que vous avez écrit est gardé")
    await expect(page.locator("[data-files] li")).to_have_count(3)
    await expect(page.locator("[data-files]")).to_contain_text("journal.txt — Reçu et scellé")
    await expect(page.get_by_label("Récit")).to_have_value("Tout est resté")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 320
    db = served.kernel.store.reader()
    rows = db.exec_driver_sql("select id, kind from service_upload where sealed is not null order by opened").all()
    assert [row.kind for row in rows] == ["jpeg", "text"]
    assert b"".join(quarantine(served.kernel).original(rows[1].id)) == words
    assert not crashed
    await context.close()


def test_script_is_small() -> None:
    import gzip

    (script,) = BUILT.glob("upload-page-*.js")
    assert len(gzip.compress(script.read_bytes())) <= MOST
