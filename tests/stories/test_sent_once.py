"""A form is sent once, however often its button is pressed: number and code are shown by the first answer alone."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Browser, Route, expect

from egide.gateways.resident import page as resident_page

pytestmark = [pytest.mark.anyio, pytest.mark.story]
BASE = "https://egide.example"
FORM = '<form method="post" action="/there"><button>Envoyer</button></form>'
TWICE = "(pause) => { const button = document.querySelector('button'); button.click(); setTimeout(() => button.click(), pause) }"


async def test_a_button_pressed_twice_sends_once(browser: Browser) -> None:
    page, came = await browser.new_page(), [0]
    shown = resident_page("fr", "Démarche", "/here", FORM + FORM.replace("there", "kept").replace("Envoyer", "Garder"))
    headers = dict(shown.headers)

    async def answer(route: Route) -> None:
        """The service takes its time, as a busy one does; what it gives away is no page where it is a file to keep."""
        request = route.request
        if request.method == "POST":
            came[0] += 1
            await asyncio.sleep(1.0)
            file = {"content-disposition": "attachment; filename=copie.json"} if "kept" in request.url else {}
            body = "{}" if file else f"<h1>Réponse {came[0]}</h1>"
            await route.fulfill(body=body, headers=file, content_type="text/html; charset=utf-8")
        else:
            await route.fulfill(body=bytes(shown.body), headers=headers)

    await page.route("**/*", answer)
    for pause in (20, 400):  # ms
        came[0] = 0
        await page.goto(f"{BASE}/here")
        await page.evaluate(TWICE, pause)
        await expect(page.get_by_role("heading", name="Réponse")).to_have_text("Réponse 1")
        assert came[0] == 1
    # What is there to keep leaves the page where it is, and its other buttons alone.
    came[0] = 0
    await page.goto(f"{BASE}/here")
    async with page.expect_download():
        await page.get_by_role("button", name="Garder").click(no_wait_after=True)
    await page.get_by_role("button", name="Envoyer").click(no_wait_after=True)
    await expect(page.get_by_role("heading", name="Réponse")).to_be_visible()
    await page.close()
