"""A refusal as a person meets it: every article, what each means, what would make it lawful, in French and in English."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from egide.exercise.people import ActRefused
from egide.exercise.story import Aircraft, Scene, add
from tests.footage import footage
from tests.stories.conftest import Opener
from tests.stories.stage import Stage

pytestmark = [pytest.mark.anyio, pytest.mark.story]


async def tells(place: Locator, reasons: list[dict[str, Any]], lang: str) -> None:
    """Each reason is there: where it is written, what it means, what would make it lawful."""
    for reason in reasons:
        for words in (reason[lang], reason["text_title"][lang], reason["article"], reason["remedy"][lang]):
            await expect(place).to_contain_text(words)


async def in_both_languages(page: Page, place: Locator, reasons: list[dict[str, Any]]) -> None:
    assert reasons
    await tells(place, reasons, "fr")
    await page.get_by_role("button", name="English").click()
    await tells(place, reasons, "en")


async def test_an_officer_taken_off_the_roster(stage: Stage, scene: Scene, window: Opener) -> None:
    officer = await window("officer")
    page = officer.page
    await officer.go("/operations")
    button = page.get_by_role("button", name="Regarder", exact=True)
    await expect(button).to_be_enabled()

    # A slow network: what changes now is not yet known to the page, which still offers the view.
    known = asyncio.Event()

    async def late(route: Route) -> None:
        await known.wait()
        await route.continue_()

    await page.route("**/api/acts/operations.picture", late)
    command, prefect = await scene.person("command"), await scene.person("prefect")
    await command.act("operations.roster.change", mission=scene.mission, remove=["officer"])
    await prefect.act("orders.revoke", order=scene.order, reason="Fin du rassemblement")
    live = await (await scene.person("officer")).live()
    with pytest.raises(ActRefused) as refused:
        await live.act("operations.watch.open", deployment=scene.deployments["Drone 1"])
    await live.close()
    reasons = refused.value.told["reasons"]
    assert {"CSI-242-2", "CSI-242-5-IV"} <= set(refused.value.rules)

    await button.click()
    card = page.get_by_role("region", name="Refus")
    await expect(card).to_contain_text("registre nº")
    await tells(card, reasons, "fr")
    await page.get_by_role("button", name="English").click()
    card = page.get_by_role("region", name="Refusal")
    await tells(card, reasons, "en")
    number = int("".join(filter(str.isdigit, await card.get_by_text("ledger no.").inner_text())))
    river = await (await stage.person("dpo")).act("oversight.river", outcome="refused", limit=5)
    assert number in [entry["index"] for entry in river["entries"] if entry["actor"]["id"] == "officer"]
    known.set()
    await page.unroute_all(behavior="wait")


async def test_an_officer_who_never_was_on_it(scene: Scene, window: Opener) -> None:
    other = await window("other-officer")
    page = other.page
    await other.go("/operations")
    picture = await (await scene.person("other-officer")).act("operations.picture")
    reasons = picture["sources"][0]["can_watch"]["reasons"]
    assert [reason["rule"] for reason in reasons] == ["CSI-242-2"]
    await expect(page.get_by_role("button", name="Regarder", exact=True)).to_have_attribute("aria-disabled", "true")
    await in_both_languages(page, page.locator("[data-video]"), reasons)
    await page.get_by_role("button", name="Watch", exact=True).focus()
    await tells(page.get_by_role("tooltip"), reasons, "en")
    await expect(page.locator("[data-video] canvas")).to_have_count(0)


async def test_a_camera_with_sound(scene: Scene, window: Opener, tmp_path: Path) -> None:
    command = await scene.person("command")
    takeoff = (await command.act("operations.picture"))["missions"][0]["order"]["perimeter"]["coordinates"][0]
    middle = (sum(p[1] for p in takeoff) / len(takeoff), sum(p[0] for p in takeoff) / len(takeoff))
    file = footage(tmp_path, at=middle, audio=True)
    await add(command, Aircraft("Micro", "F-MIC", str(file), middle, {}), kind="file", tags=["loop"])
    chief = await window("command")
    page = chief.page
    await chief.go("/operations")
    await page.locator("[data-source]").filter(has_text="Micro").click()
    await page.get_by_role("button", name="Démarrer la caméra").click()
    card = page.get_by_role("region", name="Refus")
    await expect(card).to_contain_text("L242-4")
    await expect(card).to_contain_text("registre nº")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("region", name="Refusal")).to_contain_text("L242-4")
