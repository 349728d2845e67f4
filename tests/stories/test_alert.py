"""Somebody in distress writes while the ledger is down: an officer sees it at once and answers; then the ledger has it all.

The ledger is down for a real reason: another program holds the database, so that nothing can be written to it.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from tests.conftest import proof_only
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.window import PATIENCE_MS, PHONE, WIDE
from tests.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.story]

THROUGH_S = 3.0  # s from pressing the button to the answer, and to the officer's screen
MARK = re.compile("journal d’urgence|emergency journal")


class Ledger:
    """The platform's database, which another program may hold for a while."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._holds: sqlite3.Connection | None = None

    def down(self) -> None:
        self._holds = sqlite3.connect(self.file, isolation_level=None, timeout=20)
        self._holds.execute("BEGIN IMMEDIATE")

    def up(self) -> None:
        if self._holds is not None:
            self._holds.execute("ROLLBACK")
            self._holds.close()
            self._holds = None

    def entries(self, act: str) -> list[dict[str, str]]:
        with closing(sqlite3.connect(f"file:{self.file}?mode=ro", uri=True)) as db:
            rows = db.execute("SELECT leaf FROM entry WHERE act = ? ORDER BY idx", (act,)).fetchall()
        return [json.loads(row[0]) for row in rows]


@pytest.fixture
async def ledger(stage: Stage) -> AsyncIterator[Ledger]:
    held = Ledger(stage.said.parent / "data" / "egide.db")
    yield held
    held.up()


async def resident(browser: Browser, stage: Stage, lang: str, *, script: bool) -> Page:
    """An old phone: small, and perhaps without JavaScript."""
    context = await browser.new_context(
        base_url=stage.base, viewport={"width": PHONE[0], "height": PHONE[1]}, locale=f"{lang}-FR",
        java_script_enabled=script, has_touch=True, is_mobile=True,
    )  # fmt: skip
    context.set_default_timeout(PATIENCE_MS)
    return await context.new_page()


async def shot(page: Page, name: str, themes: tuple[str, ...] = ("day",)) -> None:
    """Pictures for who reads the report."""
    folder = os.environ.get("EGIDE_REPORTS")
    if not folder:
        return
    for theme in themes:
        await page.emulate_media(color_scheme="dark" if theme == "night" else "light")
        if "resident" not in name:
            await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        await page.screenshot(path=Path(folder) / f"alert {name} {theme}.png", full_page="resident" in name)


BOTH = ("day", "night")
WORDS = {
    "fr": ("Envoyer l’alerte", "Voir s’il y a une réponse", "Un homme est tombé à l’eau, quai nord", "Nous arrivons"),
    "en": ("Send the alert", "Look for an answer", "A man fell into the water, north quay", "We are coming"),
}
CONSOLE = {"fr": ("Alertes", "Répondre", "Je m’en occupe", "Clore"), "en": ("Alerts", "Answer", "I am on it", "Close")}


@pytest.mark.parametrize(("lang", "script"), [("fr", False), pytest.param("en", True, marks=proof_only)])
async def test_an_alert_while_the_ledger_is_down(
    stage: Stage, browser: Browser, window: Opener, ledger: Ledger, lang: str, script: bool
) -> None:
    send, look, distress, answer = WORDS[lang]
    alerts, reply, take, close = CONSOLE[lang]
    officer = await window("officer", lang=lang)
    await officer.go("/operations")
    before = len(ledger.entries("operations.alert.send"))
    page = await resident(browser, stage, lang, script=script)
    await page.goto(f"/alert?lang={lang}")
    await shot(page, f"resident form {lang}", BOTH)

    ledger.down()
    await page.locator("#text").fill(f"{distress}\n{lang}")
    pressed = time.monotonic()
    await page.get_by_role("button", name=send).click()
    await expect(page.locator("[data-journal]")).to_be_visible()
    assert time.monotonic() - pressed < THROUGH_S, f"{time.monotonic() - pressed:.1f} s"
    assert await page.locator("html").evaluate("e => e.scrollWidth") <= PHONE[0]
    console = officer.page.get_by_role("region", name=alerts)
    line = console.locator("[data-alert]").filter(has_text=distress)
    await expect(line).to_be_visible()
    assert time.monotonic() - pressed < THROUGH_S, f"{time.monotonic() - pressed:.1f} s"
    await expect(line).to_contain_text(MARK)
    await shot(page, f"resident journal {lang}", BOTH)

    await line.get_by_role("button").first.click()
    await line.get_by_role("textbox").fill(answer)
    await line.get_by_role("button", name=reply, exact=True).click()
    await expect(line.locator(".officer")).to_contain_text(answer)
    await line.get_by_role("button", name=take).click()
    await expect(line).to_contain_text(re.compile("En charge|In charge"))
    await shot(officer.page, f"console {lang} {WIDE[0]}", BOTH)
    await officer.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await shot(officer.page, f"console {lang} {PHONE[0]}", BOTH)
    await officer.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    await page.get_by_role("button", name=look).click()
    await expect(page.locator("li.officer")).to_contain_text(answer)
    await shot(page, f"resident answered {lang}", BOTH)
    assert len(ledger.entries("operations.alert.send")) == before

    ledger.up()
    await expect(line).not_to_contain_text(MARK)
    await until(lambda: len(ledger.entries("operations.alert.answer")) > 0)
    sent = ledger.entries("operations.alert.send")
    assert len(sent) == before + 1
    assert sent[-1]["cause"].startswith("journal ")
    await page.get_by_role("button", name=look).click()
    await expect(page.locator("li.officer")).to_contain_text(answer)
    await expect(page.locator("[data-journal]")).to_have_count(0)

    inspector = await window("dpo", lang=lang)
    await inspector.go("/oversight#river")
    late = inspector.page.locator("[data-called]").first
    await expect(late).to_contain_text(MARK)
    await late.scroll_into_view_if_needed()
    await shot(inspector.page, f"oversight {lang} {WIDE[0]}")
    await inspector.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    await late.scroll_into_view_if_needed()
    await shot(inspector.page, f"oversight {lang} {PHONE[0]}")

    await line.get_by_role("button", name=close).click()
    await expect(line).to_have_count(0)
    await page.context.close()
