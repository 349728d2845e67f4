"""A victim writes on a small screen, an officer answers at the desk; then away: Back shows nothing, the disk holds nothing.

The browser's profile folder is searched on the disk once the browser is closed, in the encodings that browsers write. The same
search finds, in a profile beside it and in the very same one, what other pages did leave there: it bites.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from egide.gateways.chat_page import EXIT
from egide.gateways.chat_words import PATH, WORDS
from tests.conftest import missing, proof_only
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.test_axe import AXE, CROSSED, OVERFLOW, RUN, reports, told
from tests.stories.window import ARGS, NARROW, PHONE, WIDE, Window, chromium

pytestmark = [pytest.mark.anyio, pytest.mark.story]

# Unlike anything a browser keeps by itself, and short enough to stand in one piece.
WRITTEN, ANSWERED, MORE, LEFT = "grizzle4711", "quokka8822", "axolotl3930", "pangolin5501"
THROUGH_S = 30.0  # s from the officer's answer to the person's screen, without anybody pressing anything


def where(profile: Path, word: str) -> list[str]:
    """The files of a profile in which a word stands, as UTF-8 or as UTF-16."""
    needles = [word.encode(), word.encode("utf-16-le")]
    files = [file for file in sorted(profile.rglob("*")) if file.is_file()]
    return [
        str(file.relative_to(profile))
        for file in files
        if any(needle in file.read_bytes() for needle in needles) or word in file.name
    ]


@pytest.fixture
def profile(tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: tmp_path / name


@asynccontextmanager
async def resident(browser: Browser, base: str, profile: Path, *, script: bool) -> AsyncIterator[BrowserContext]:
    """A person's own browser: a profile on the disk, and the back-forward cache as everybody has it."""
    context = await browser.browser_type.launch_persistent_context(
        profile, executable_path=chromium(), args=ARGS, ignore_default_args=["--disable-back-forward-cache"], base_url=base,
        viewport={"width": NARROW[0], "height": NARROW[1]}, locale="fr-FR", java_script_enabled=script,
    )  # fmt: skip
    try:
        yield context
    finally:
        await context.close()


async def stood(profile: Path, word: str) -> list[str]:
    return await asyncio.to_thread(where, profile, word)


async def leaves_traces(page: Page, word: str) -> None:
    """What other pages do: a word in an address."""
    await page.goto(f"/calendar?{word}")
    await page.wait_for_load_state("networkidle")


async def test_the_search_bites(stage: Stage, browser: Browser, profile: Callable[[str], Path]) -> None:
    async with resident(browser, stage.base, profile("control"), script=True) as context:
        page = await context.new_page()
        await leaves_traces(page, LEFT)
        await page.evaluate("word => localStorage.setItem('draft', word)", WRITTEN)
    for word in (LEFT, WRITTEN):
        assert await stood(profile("control"), word), word


async def kept(page: Page, name: str) -> None:
    """A picture for who reads the report."""
    folder = reports()
    if folder is not None:
        await page.screenshot(path=folder / f"chat {name}.png")


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
async def test_quickly_away(
    stage: Stage, browser: Browser, window: Opener, profile: Callable[[str], Path], script: bool
) -> None:
    desk = (await window("officer")).page
    await desk.goto(f"{stage.base}/files")
    mine = profile("mine")
    async with resident(browser, stage.base, mine, script=script) as context:
        page = await context.new_page()
        await page.goto("/services")
        await page.get_by_role("link", name="Parler à quelqu’un").click()
        await expect(page).to_have_title("Informations pratiques — Égide")
        await page.locator("#text").fill(WRITTEN)
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator("li.you")).to_contain_text(WRITTEN)

        waiting = desk.locator("[data-chat]")
        await expect(waiting).to_contain_text("Une personne attend")
        await expect(waiting).not_to_contain_text(WRITTEN)
        await waiting.get_by_role("button", name="Répondre").click()
        talk = desk.locator("[data-talk]")
        await expect(talk).to_contain_text(WRITTEN)
        await talk.get_by_label("Votre message").fill(ANSWERED)
        await talk.get_by_role("button", name="Envoyer").click()
        await expect(talk.locator("li.officer").last).to_contain_text(ANSWERED)
        if not script:
            await page.get_by_role("button", name="Voir s’il y a une réponse").click()
        await expect(page.locator("li.officer")).to_contain_text(ANSWERED, timeout=THROUGH_S * 1000)
        await page.locator("#text").fill(MORE)
        await page.get_by_role("button", name="Envoyer").click()
        await expect(page.locator("li.you").last).to_contain_text(MORE)
        await expect(talk).to_contain_text(MORE)
        await kept(page, f"resident {NARROW[0]} {script}")

        way = page.get_by_role("link", name="Quitter vite")
        await expect(way).to_be_in_viewport()
        await way.click()
        await expect(page).to_have_url(f"{stage.base}/calendar")
        assert [one for one in await context.cookies() if one["value"]] == []
        for _ in range(4):
            if await page.go_back() is None:
                break
            assert await empty(page)
        await page.goto(PATH)
        assert await empty(page)
        await expect(page.get_by_role("heading", name=WORDS["heading"].fr)).to_be_visible()
        await leaves_traces(page, LEFT)
    for word in (WRITTEN, ANSWERED, MORE):
        assert await stood(mine, word) == [], word
    assert await stood(mine, LEFT), "the search bites in this very profile"
    # The conversation is still with the officer, who ends it.
    await expect(talk).to_contain_text(ANSWERED)
    await talk.get_by_role("button", name="Terminer").click()
    await desk.get_by_role("dialog", name="Terminer").get_by_role("button", name="Terminer").click()
    await expect(talk).to_have_count(0)


async def empty(page: Page) -> bool:
    """Whether nothing of the conversation is on the screen, nor anywhere in the page."""
    await page.wait_for_load_state("load")
    content = await page.content()
    return not any(word in content for word in (WRITTEN, ANSWERED, MORE))


async def test_three_times_escape(stage: Stage, window: Opener) -> None:
    seen = await window(size=PHONE)
    page = seen.page
    await seen.go("/services")
    await seen.go(PATH)
    await page.locator("#text").fill(WRITTEN)
    for _ in range(2):
        await page.keyboard.press("Escape")
    await page.keyboard.press("a")
    await page.keyboard.press("Escape")
    await expect(page.locator("#text")).to_have_value(WRITTEN + "a")
    for _ in range(2):
        await page.keyboard.press("Escape")
    await expect(page).to_have_url(f"{stage.base}/calendar")
    await page.go_back()
    await expect(page).to_have_url(f"{stage.base}/services")


async def test_who_waits_too_long_is_red(stage: Stage, window: Opener) -> None:
    caller, officer = await stage.person("other-officer"), await stage.person("officer")
    for waiting in (await officer.act("services.chat.list"))["chats"]:
        await officer.act("services.chat.take", chat=waiting["id"])
        await officer.act("services.chat.close", chat=waiting["id"])
    seen = await window("officer")
    await seen.page.clock.install()
    await seen.go("/files")
    begun = await caller.act("services.chat.open", text=WRITTEN)
    line = seen.page.locator("[data-chat]")
    await expect(line).to_contain_text("Une personne attend")
    await expect(line).not_to_have_attribute("data-late", "")
    await seen.page.clock.fast_forward(125_000)
    await expect(line).to_have_attribute("data-late", "")
    await expect(line).to_contain_text("plus de 2 min")
    await kept(seen.page, "desk late")
    await caller.act("services.chat.leave", chat=begun["id"], secret=begun["secret"])
    await expect(line).to_have_count(0)


async def test_the_exit_is_quick(stage: Stage, window: Opener) -> None:
    """No act, no look at the store: also while everything else is busy it leads away."""
    seen = await window(size=PHONE)
    await seen.go(PATH)
    await seen.page.goto(EXIT)
    timing = await seen.page.evaluate("performance.getEntriesByType('navigation')[0].duration")
    assert timing < 2000, timing


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        missing("axe-core is not there: run “make setup”")
    return AXE.read_text("utf-8")


async def judged(seen: Window, axe: str, name: str) -> list[str]:
    """What axe finds wrong, or cannot judge: wide by day, narrow by night; where the proof is asked for, all four."""
    wrong: list[str] = []
    for size, day in ((WIDE, "light"), (NARROW, "dark")):
        await seen.page.set_viewport_size({"width": size[0], "height": size[1]})
        for scheme in ("light", "dark") if CROSSED else (day,):
            await seen.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            # What lies under the bar that stays in view cannot be judged: at the top nothing does.
            await seen.apart("scrollTo(0, 0)")
            found: dict[str, Any] = await seen.apart(f"{axe};{RUN}")
            every = found["violations"] + found["incomplete"]
            wrong += [f"{name}, {size[0]} px, {scheme}: {told(rule)}" for rule in every]
            await kept(seen.page, f"{name} {size[0]} {scheme}")
        wrong += [f"{name}, {size[0]} px: {what}" for what in await seen.apart(OVERFLOW)]
    return wrong


@pytest.mark.parametrize("lang", ["fr", pytest.param("en", marks=proof_only)])
async def test_axe_finds_nothing(stage: Stage, window: Opener, axe: str, lang: str) -> None:
    seen, officer = await window(lang=lang), await stage.person("officer")
    page = seen.page
    await seen.go(f"{PATH}?lang={lang}")
    await page.locator("summary").click()
    wrong = await judged(seen, axe, f"{lang} start")
    await page.locator("#text").fill(" ")
    await page.locator("form[data-talk] button").click()
    await expect(page.get_by_role("alert").first).to_be_visible()
    wrong += await judged(seen, axe, f"{lang} mistake")
    await page.locator("#text").fill("Il est revenu hier soir. " * 8)
    await page.locator("form[data-talk] button").click()
    await expect(page.locator("li.you")).to_be_visible()
    waits = (await officer.act("services.chat.list"))["chats"][-1]["id"]
    await officer.act("services.chat.take", chat=waits)
    await officer.act("services.chat.answer", chat=waits, text="Je suis là. Êtes-vous en sécurité ?")
    await expect(page.locator("li.officer")).to_be_visible()
    for summary in await page.locator("summary").all():
        await summary.click()
    wrong += await judged(seen, axe, f"{lang} conversation")
    # The officer's side of it.
    desk = await window("officer", lang=lang)
    await desk.go("/files")
    await expect(desk.page.locator("[data-talk]")).to_be_visible()
    wrong += await judged(desk, axe, f"{lang} desk")
    await page.locator("[data-talk] button").last.click()
    await expect(
        page.get_by_role("heading", name=WORDS["over"].fr if lang == "fr" else WORDS["over"].en)
    ).to_be_visible()
    wrong += await judged(seen, axe, f"{lang} over")
    assert wrong == [], "\n".join(wrong)
