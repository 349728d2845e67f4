"""A theft reported with the keyboard alone, from the list of services to the receipt; then the same pages enlarged four times.

At every stop of Tab the focus is on the screen and can be seen, in the order of the page; Tab comes by everything and is caught
nowhere; after a mistake the summary has the focus and leads to the boxes. Enlarged, nothing is lost and nothing scrolls sideways.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import OVERFLOW
from tests.stories.window import WIDE

pytestmark = [pytest.mark.anyio, pytest.mark.story]

MOST = 80  # stops on one page
# Where the focus is: its place in the document, its name, whether it can be seen.
STOP = """() => { const one = document.activeElement; if (!one || one === document.body) return null;
  const box = one.getBoundingClientRect(), style = getComputedStyle(one), all = [...document.querySelectorAll('*')];
  const label = one.labels?.[0]?.textContent ?? '';
  return { at: all.indexOf(one), name: `${one.getAttribute('aria-label') ?? ''} ${label} ${one.textContent}`.trim().slice(0, 80), id: one.id,
    tag: one.tagName.toLowerCase(), group: one.type === 'radio' ? one.name : '',
    ringed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    shown: box.width > 0 && box.height > 0 && box.top < innerHeight && box.bottom > 0 && box.left < innerWidth && box.right > 0 }; }"""
# What Tab has to come by: everything one can do something with; a group of radio buttons is one stop.
REACHABLE = """() => { const groups = new Set();
  return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter((one) => {
    if (one.disabled || one.tabIndex < 0 || !one.checkVisibility({ visibilityProperty: true })) return false;
    if (one.type !== 'radio') return true;
    if (groups.has(one.name)) return false;
    groups.add(one.name); return true; }).length; }"""
# What a page says, line by line, without what is only there for one width.
WORDS = "() => document.querySelector('main').innerText.split(/\\s+/).filter(Boolean).join(' ')"
ZOOM = 4


class Hands:
    """Somebody who has no mouse."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.wrong: list[str] = []

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.page.keyboard.press(key)

    async def stop(self) -> dict[str, Any] | None:
        """Where the focus is now; what is wrong with it is written down."""
        here: dict[str, Any] | None = await self.page.evaluate(STOP)
        if here is not None:
            where = f"{await self.page.title()}: {here['tag']} “{here['name']}”"
            self.wrong += [f"{where} shows no focus"] * (not here["ringed"]) + [f"{where} is not on the screen"] * (
                not here["shown"]
            )
        return here

    async def on(self, selector: str) -> None:
        """Tab until the focus is there; in the page's order, and in no more steps than there are stops."""
        last = -1
        for _ in range(MOST):
            await self.press("Tab")
            here = await self.stop()
            if here is None:
                continue
            if here["at"] < last:
                self.wrong.append(f"{await self.page.title()}: back from {last} to “{here['name']}”")
            last = here["at"]
            if await self.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"Tab never comes to {selector} on {self.page.url}")

    async def round(self) -> None:
        """Tab comes by everything on the page, and out of it."""
        await self.page.evaluate("() => document.activeElement.blur()")
        seen: set[int] = set()
        for _ in range(MOST):
            await self.press("Tab")
            here = await self.stop()
            if here is None or here["at"] in seen:
                break
            seen.add(here["at"])
        else:
            raise AssertionError(f"caught on {self.page.url}")
        if len(seen) != (most := await self.page.evaluate(REACHABLE)):
            self.wrong.append(f"{await self.page.title()}: {len(seen)} stops for {most} things")

    async def choose(self, name: str, value: str) -> None:
        """A radio button, with Space and the arrows."""
        await self.on(f"[name={name}]")
        await self.press("Space")
        for _ in range(MOST):
            if await self.page.evaluate("() => document.activeElement.value") == value:
                return
            await self.press("ArrowDown")
        raise AssertionError(value)

    async def write(self, selector: str, words: str) -> None:
        await self.on(selector)
        await self.page.keyboard.type(words)

    async def go_on(self, name: str) -> None:
        await self.on("main form button:not([name]):is([type=submit], :not([type]))")
        assert await self.page.evaluate("() => document.activeElement.textContent.trim()") == name
        async with self.page.expect_navigation():  # the form asks for the network before it leaves
            await self.press("Enter")


async def test_a_theft_reported_with_the_keyboard(stage: Stage, window: Opener) -> None:
    page = (await window()).page
    hands = Hands(page)
    await page.goto(f"{stage.base}/services?lang=fr")
    await hands.on('a[href^="/services/theft"]')
    await hands.press("Enter")
    await expect(page.get_by_role("heading", name="Porter plainte pour un vol")).to_be_visible()
    await hands.round()

    # Nothing answered: the summary has the focus, its links lead to the boxes.
    await page.reload()
    await hands.go_on("Continuer")
    await expect(page.get_by_role("alert").first).to_be_focused()
    for at, name in enumerate(("going_on", "offence", "author_known")):
        await page.get_by_role("alert").first.focus()
        for _ in range(at + 1):
            await hands.press("Tab")
        await hands.press("Enter")
        await expect(page.locator(f"#{name}")).to_be_focused()
        await hands.stop()
    # Opened anew, and not at the question that the last link led to: a browser would let Tab begin there.
    await page.evaluate("history.replaceState(null, '', location.pathname + location.search)")
    await page.reload()
    await hands.choose("going_on", "no")
    await hands.choose("offence", "theft")
    await hands.choose("author_known", "no")
    await hands.go_on("Continuer")

    await expect(page.get_by_role("heading", name="Les faits")).to_be_visible()
    await hands.round()
    await page.reload()
    for part, value in (("day", "31"), ("month", "2"), ("year", "2025")):
        await hands.write(f"[name=facts_date-{part}]", value)
    await hands.write("#facts_place", "12 rue de la Gare, Rennes")
    await hands.write("#account", "Mon vélo attaché devant la gare a disparu.")
    await hands.go_on("Continuer")
    await expect(page.get_by_role("alert").first).to_be_focused()
    await hands.press("Tab", "Enter")
    await expect(page.locator("#facts_date")).to_be_focused()
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("3")
    await hands.on("#account")
    await expect(page.locator("#account")).to_have_value("Mon vélo attaché devant la gare a disparu.")
    await hands.go_on("Continuer")

    await expect(page.get_by_role("heading", name="Ce qui a été volé")).to_be_visible()
    await hands.round()
    await page.reload()
    await hands.write("#things", "Vélo bleu, n° 4411")
    await hands.go_on("Continuer")
    await hands.write("#email", "claire@example.org")
    await hands.press("Enter")  # as everywhere, Enter in a box sends the form

    await expect(page.get_by_role("heading", name="Relire avant d’envoyer")).to_be_visible()
    await hands.round()
    await page.reload()
    await hands.on('a.button[href^="/identity/start"]')
    await hands.press("Enter")
    await expect(page.get_by_role("heading", name="Identité d’exercice")).to_be_visible()
    await hands.on("button")
    await hands.press("Enter")
    await expect(page.get_by_text("Identifié")).to_be_visible()
    await hands.go_on("Envoyer")
    await expect(page.get_by_role("heading", name="C’est envoyé")).to_be_visible()
    await hands.round()
    assert hands.wrong == [], "\n".join(dict.fromkeys(hands.wrong))


async def test_enlarged_four_times(stage: Stage, browser: Browser) -> None:
    """400 % on a screen of 1280 × 1024: 320 × 256 CSS pixels. The same words, the same things to do, one direction to scroll."""
    near = await browser.new_context(
        viewport={"width": 1280 // ZOOM, "height": 1024 // ZOOM}, device_scale_factor=ZOOM, locale="fr-FR"
    )
    far = await browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, locale="fr-FR")
    pages = [await near.new_page(), await far.new_page()]
    wrong: list[str] = []

    async def same(where: str) -> None:
        small, wide = [await page.evaluate(WORDS) for page in pages]
        wrong.extend([f"{where}: other words than on a wide screen"] * (small != wide))
        wrong.extend(f"{where}: {what}" for what in await pages[0].evaluate(OVERFLOW))
        things = [await page.evaluate(REACHABLE) for page in pages]
        wrong.extend([f"{where}: {things[0]} things to do instead of {things[1]}"] * (things[0] != things[1]))

    for where in (
        "/services",
        "/infos",
        "/alert",
        "/verify-receipt",
        "/verify-document",
        "/services/file",
        "/services/theft",
    ):
        for page in pages:
            await page.goto(f"{stage.base}{where}?lang=fr")
        await same(where)
    for heading, answers in (
        ("Les faits", {"going_on": "no", "offence": "theft", "author_known": "no"}),
        ("Ce qui a été volé", {"facts_date-day": "3", "facts_date-month": "11", "facts_date-year": "2025", "facts_place": "Rennes", "account": "Disparu."}),
        ("Vous joindre", {"things": "Vélo"}), ("Relire", {"email": "claire@example.org"}),
    ):  # fmt: skip
        for page in pages:
            for name, value in answers.items():
                box = page.locator(f"[name={name}]")
                if await box.count() > 1:
                    await page.locator(f"[name={name}][value={value}]").check()
                else:
                    await box.fill(value)
            await page.get_by_role("button", name="Continuer").click()
            await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await same(heading)
    for context in (near, far):
        await context.close()
    assert wrong == [], "\n".join(wrong)
