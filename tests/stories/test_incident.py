"""From the call for help to the closed mission, on one picture: a small phone, the command post, an officer, a drone, the proof.

The phone is 320 px wide and without JavaScript. What the command post does must be on the officer's screen within two seconds
of the act's answer; each step is then in the ledger, where oversight shows it.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from egide.exercise.story import Scene
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.window import NARROW, PATIENCE_MS, PHONE, WIDE

pytestmark = [pytest.mark.anyio, pytest.mark.story]

PUSHED_S = 2.0  # s from the act's answer to the state on the other screen
WORDS = "Vol à l’arraché place du Sénat"
STEPS = (
    "operations.alert.send", "operations.incident.from_alert", "operations.incident.confirm", "operations.incident.assign",
    "operations.task.propose", "operations.task.accept", "operations.task.start", "operations.watch.open", "operations.task.finish",
    "operations.incident.arrive", "operations.incident.resolve", "operations.incident.close", "operations.mission.close",
)  # fmt: skip


async def shot(page: Page, name: str, *, themes: tuple[str, ...] = ("day",)) -> None:
    """Pictures for who reads the report."""
    folder = os.environ.get("EGIDE_REPORTS")
    if not folder:
        return
    for theme in themes:
        await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        await page.screenshot(path=Path(folder) / f"incident {name} {theme}.png")
    await page.evaluate("() => { document.documentElement.dataset.theme = 'day' }")


async def small_phone(browser: Browser, stage: Stage) -> Page:
    context = await browser.new_context(
        base_url=stage.base, viewport={"width": NARROW[0], "height": NARROW[1]}, locale="fr-FR", java_script_enabled=False,
        has_touch=True, is_mobile=True,
    )  # fmt: skip
    context.set_default_timeout(PATIENCE_MS)
    return await context.new_page()


def answered(page: Page) -> dict[str, float]:
    """When the page's socket received the answer to an act that led to a state; filled as answers come."""
    when: dict[str, float] = {}

    def heard(payload: str | bytes) -> None:
        told = json.loads(payload) if isinstance(payload, str) else {}
        state = (told.get("result") or {}).get("state") if told.get("receipt") else None
        if state:
            when[state] = time.monotonic()

    page.on("websocket", lambda socket: socket.on("framereceived", heard))
    return when


async def test_from_the_call_for_help_to_the_closed_mission(
    stage: Stage, browser: Browser, window: Opener, scene: Scene
) -> None:
    phone = await small_phone(browser, stage)
    await phone.goto("/alert?lang=fr")
    first = await phone.locator("main").inner_text()
    assert first.index("17") < first.index("112") < first.index("114") < first.index("Que se passe-t-il")
    await phone.locator("#text").fill(WORDS)
    await phone.get_by_role("button", name="Envoyer l’alerte").click()
    await expect(phone.locator("li.you")).to_contain_text(WORDS)
    assert await phone.locator("html").evaluate("e => e.scrollWidth") <= NARROW[0]

    command, officer = await window("command"), await window("officer", size=PHONE, touch=True)
    answers = answered(command.page)
    await command.go("/operations")
    await officer.go("/operations")
    console, field = command.page, officer.page
    line = console.locator("[data-alert]").filter(has_text=WORDS)
    await line.get_by_role("button").first.click()
    await line.get_by_role("button", name="Ouvrir un incident").click()
    panel = console.locator("[data-panel]")
    await expect(panel).to_have_attribute("data-state", "reported")
    await expect(panel).to_contain_text(WORDS)
    await line.get_by_role("button").first.click()
    await panel.get_by_role("button", name="Confirmer").click()
    await expect(panel).to_have_attribute("data-state", "confirmed")
    incident = await panel.get_attribute("data-panel")
    # A phone without JavaScript gives no place: the command post puts the incident where the caller says it is.
    await console.locator("[data-map] canvas").click(position={"x": 260, "y": 300})
    await panel.get_by_role("button", name="Préciser").click()
    dialog = console.get_by_role("dialog")
    await expect(dialog.get_by_label("Placer au dernier point marqué")).to_be_checked()
    await dialog.get_by_label("Nature").select_option("theft")
    await dialog.get_by_role("button", name="Enregistrer").click()
    await expect(panel.get_by_role("button", name="Montrer sur la carte")).to_be_visible()
    await panel.get_by_text("Dessins").click()
    await panel.locator("[data-drawing]").get_by_role("button", name="Dessiner").click()
    await expect(panel.locator("[data-drawings] li")).to_contain_text("Cercle · Danger")
    await shot(console, "console", themes=("day", "night"))

    # The mission that flies under the order takes the incident: its drone is there already.
    await panel.get_by_role("button", name="Affecter une mission").click()
    dialog = console.get_by_role("dialog")
    await dialog.get_by_label(re.compile("^Mission")).select_option(scene.mission)
    await dialog.get_by_role("button", name="Affecter", exact=True).click()
    await expect(panel).to_have_attribute("data-state", "assigned")
    await phone.reload()
    await expect(phone.locator("[data-progress]")).to_contain_text("en route")

    await field.get_by_role("button", name="Liste").click()
    await expect(field.locator(f"[data-incident='{incident}']")).to_have_attribute("data-state", "assigned")
    mine = field.locator("[data-my-tasks] [data-task]")
    await panel.get_by_role("button", name="Donner une tâche").click()
    dialog = console.get_by_role("dialog")
    await dialog.get_by_label(re.compile("^À faire$")).fill("Retrouver le sac, quai nord")
    await dialog.get_by_label("À qui").select_option("p:officer")
    await dialog.get_by_role("button", name="Donner une tâche").click()
    await mine.wait_for()
    seen_at = time.monotonic()
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while "proposed" not in answers:  # the officer may have it before the command post has its answer
            await console.wait_for_timeout(20)
    took = seen_at - answers["proposed"]
    assert took < PUSHED_S, f"{took:.2f} s from the act's answer to the officer's screen"
    await shot(field, "officer phone", themes=("day", "red"))

    for name, state in (("Accepter", "accepted"), ("Commencer", "under_way")):
        await mine.get_by_role("button", name=name).click()
        await expect(mine).to_have_attribute("data-state", state)
    await expect(panel.locator("[data-task]")).to_have_attribute("data-state", "under_way")

    await field.get_by_role("button", name="Caméra").click()
    await field.get_by_role("button", name=re.compile("Regarder")).first.click()
    await expect(field.locator("[data-video][data-state=live]")).to_be_visible()
    await expect(field.locator("[data-marking]")).to_have_text("Marquage : FRA UNCLASSIFIED")
    await field.get_by_role("button", name="Liste").click()
    await mine.get_by_role("button", name="Terminer").click()
    await expect(mine).to_have_count(0)

    for name, state in (("Sur place", "on_scene"), ("Résolu", "resolved")):
        await panel.locator("[data-next]").get_by_role("button", name=name).click()
        await expect(panel).to_have_attribute("data-state", state)
    await expect(panel.locator("[data-line=state]")).to_have_count(4)
    await shot(console, "resolved")
    await console.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    await shot(console, "console 320", themes=("day", "red"))
    assert await console.locator("html").evaluate("e => e.scrollWidth") <= NARROW[0]
    await console.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    await panel.get_by_role("button", name="Clore").click()
    dialog = console.get_by_role("dialog")
    await dialog.get_by_label("Pourquoi").fill("Sac rendu à sa propriétaire")
    await dialog.get_by_role("button", name="Clore").click()
    await expect(panel).to_have_count(0)
    await expect(line).to_have_count(0)
    await (await scene.person("command")).act("operations.mission.close", mission=scene.mission)

    seen = (await (await scene.person("dpo")).act("oversight.river", limit=200))["entries"]
    done = {entry["act"] for entry in seen if entry["outcome"] == "allowed"}
    assert set(STEPS) <= done, set(STEPS) - done
    inspector = await window("dpo")
    await inspector.go("/oversight#river")
    await expect(inspector.page.locator("main")).to_contain_text("Clore un incident")
    await expect(inspector.page.locator("main")).to_contain_text("Finir une tâche")
    await phone.context.close()
