"""A task and a shift in the pocket: what the command post gives is there at once; accepted without network, it is done once.

On duty the phone says where it is, at the rate of its movement; off duty it says nothing, though it may still know.
"""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect

from egide.exercise.story import Scene
from tests.stories.conftest import Opener
from tests.stories.homes import watched
from tests.stories.stage import Stage
from tests.stories.test_axe import OVERFLOW
from tests.stories.test_terminal import kept, pocket, prepared
from tests.stories.window import NARROW, PHONE, Window

pytestmark = [pytest.mark.anyio, pytest.mark.story]

PUSHED_S = 2.0  # s from the act's answer to the task on the phone
SLOW_MS = 60_000  # ms a busy machine may take for what is not measured
FIXES = 0x81  # the first byte of a message that says where a device is (kit/frames.ts)
TITLE = "Retrouver le sac, quai nord"
ACCEPT = "operations.task.accept"


async def picture(phone: Window, name: str) -> None:
    """By day and in red, on a phone and on a small one; nothing is cut."""
    page = phone.page
    for size in (PHONE, NARROW):
        await page.set_viewport_size({"width": size[0], "height": size[1]})
        for theme in ("day", "red"):
            await page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            await kept(phone, f"{name}-{size[0]}-{theme}")
        assert await phone.apart(OVERFLOW) == []
    await page.evaluate("() => { document.documentElement.dataset.theme = 'day' }")
    await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})


def big(page: Page, words: str) -> Any:
    return page.locator(".big").get_by_role("button", name=words)


async def test_a_task_accepted_without_network(stage: Stage, scene: Scene, window: Opener) -> None:
    command, dpo = await scene.person("command"), await scene.person("dpo")
    before = (await dpo.act("oversight.river"))["size"] - 1
    lat, lon = scene.place
    home = await watched(await scene.person("officer"), "4 rue des Lilas", lat + 0.001, lon)
    phone = await window("officer", size=PHONE, touch=True)
    await prepared(phone)
    page = phone.page
    incident = (
        await command.act(
            "operations.incident.open", kind="theft", title="Vol à l’arraché", text="Sac rouge", lat=lat, lon=lon
        )
    )["id"]
    await command.act("operations.incident.confirm", incident=incident)
    await command.act("operations.incident.assign", incident=incident, mission=scene.mission)
    await command.act(
        "operations.drawing.add", incident=incident, shape="circle", places=[[lon, lat]], radius=80, role="danger",
        label="Danger",
    )  # fmt: skip
    card = page.locator(f"[data-incident='{incident}']")
    await expect(card).to_contain_text("Vol à l’arraché", timeout=SLOW_MS)
    await expect(card).to_contain_text("Sac rouge")

    task = page.locator("[data-my-tasks] [data-task]")
    given = {
        "mission": scene.mission,
        "incident": incident,
        "title": TITLE,
        "person": "officer",
        "deadline": (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds"),
        "lat": lat + 0.0007,
        "lon": lon + 0.0007,
    }
    await command.act("operations.task.propose", **given)
    answered = time.monotonic()
    await task.wait_for(timeout=SLOW_MS)
    took = time.monotonic() - answered
    assert took < PUSHED_S, f"{took:.2f} s from the act's answer to the officer's phone"
    await expect(big(page, f"Accepter : {TITLE}")).to_be_visible()
    await expect(pocket(page)).to_have_attribute("data-kept-tasks", "1", timeout=SLOW_MS)
    await task.get_by_role("button", name="Lieu").click()
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle", timeout=SLOW_MS)
    await picture(phone, "task")

    await phone.context.set_offline(True)
    await page.reload()
    await expect(task).to_contain_text(TITLE, timeout=SLOW_MS)
    await expect(card).to_contain_text("Sac rouge")
    await expect(page.get_by_text("Hors réseau.")).to_be_visible(timeout=SLOW_MS)
    await big(page, f"Accepter : {TITLE}").click()
    await expect(task).to_have_attribute("data-state", "accepted")
    await expect(task).to_contain_text("À envoyer")
    await expect(pocket(page)).to_have_attribute("data-waiting", "1")
    await expect(big(page, f"Commencer : {TITLE}")).to_be_visible()
    stop = page.locator(f"[data-stop='{home['file']}']")
    await expect(stop).to_contain_text("Jamais vu")
    await stop.get_by_role("button", name="Passé devant").click()
    await stop.get_by_label("Un mot pour l’unité").fill("Tout est calme")
    await expect(stop.get_by_label("Joindre ma position")).to_have_count(0)  # off duty nothing measures it
    await picture(phone, "round")
    await stop.get_by_role("button", name="Noter le passage").click()
    await expect(stop).to_contain_text("À envoyer")
    await expect(stop).not_to_contain_text("Jamais vu")
    await expect(pocket(page)).to_have_attribute("data-waiting", "2")
    await picture(phone, "task-unsent")
    river = await dpo.act("oversight.river", act=ACCEPT)
    assert [entry for entry in river["entries"] if entry["index"] > before] == []

    await phone.context.set_offline(False)
    await expect(pocket(page)).to_have_attribute("data-waiting", "0", timeout=SLOW_MS)
    await expect(task).not_to_contain_text("À envoyer")
    await expect(task).to_have_attribute("data-state", "accepted")
    await expect(stop).not_to_contain_text("À envoyer")
    held = await command.act("services.file.follow", number=home["number"], code=home["code"])
    assert held["events"][-1]["said"]["en"] == "A patrol passed by your home"
    assert "Tout est calme" not in str(held)
    river = await dpo.act("oversight.river", act=ACCEPT)
    assert [entry["outcome"] for entry in river["entries"] if entry["index"] > before] == ["allowed"]
    (now,) = (await command.act("operations.mission.brief", mission=scene.mission))["tasks"]
    assert now["state"] == "accepted"
    for words, state in (("Commencer", "under_way"), ("Terminer", None)):
        await big(page, f"{words} : {TITLE}").click()
        if state:
            await expect(task).to_have_attribute("data-state", state)
    await expect(task).to_have_count(0, timeout=SLOW_MS)
    await expect(big(page, "Noter ici")).to_be_visible()
    await card.get_by_role("button", name="Sur place").click()
    await expect(card).to_have_attribute("data-state", "on_scene", timeout=SLOW_MS)


class Told:
    """The messages with places that a page has sent."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        self.first = asyncio.Event()
        page.on("websocket", lambda socket: socket.on("framesent", self._sent))

    def _sent(self, data: str | bytes) -> None:
        if isinstance(data, bytes) and data[0] == FIXES:
            self.count += 1
            self.first.set()


async def test_a_shift(stage: Stage, scene: Scene, window: Opener) -> None:
    """Off duty nothing is sent; on duty the place is, and the chip says until when; then nothing again."""
    command = await scene.person("command")
    phone = await window("officer", size=PHONE, touch=True)
    page = phone.page
    told = Told(page)
    await prepared(phone)
    chip = page.locator("[data-duty-chip]")
    await expect(chip).to_contain_text("Hors service", timeout=SLOW_MS)
    await chip.click()
    await page.get_by_role("button", name="Prendre mon service").click()
    dialog = page.get_by_role("dialog")
    await expect(dialog).to_contain_text("ce terminal dit où vous êtes")
    await picture(phone, "duty-notice")
    assert told.count == 0
    await dialog.get_by_role("button", name="Prendre mon service").click()
    await expect(chip).to_contain_text(re.compile(r"En service jusqu’à \d\d:\d\d"), timeout=SLOW_MS)
    people = (await command.act("operations.duty.show"))["people"]
    assert "officer" in {one["id"] for one in people}
    await asyncio.wait_for(told.first.wait(), SLOW_MS / 1000)
    await expect(page.locator("[data-duty]")).not_to_contain_text("avant la prise de service")
    await picture(phone, "duty-on")

    async with page.expect_response("**/operations.duty.end", timeout=SLOW_MS):
        await page.get_by_role("button", name="Quitter mon service").click()
    await expect(chip).to_contain_text("Hors service", timeout=SLOW_MS)
    people = (await command.act("operations.duty.show"))["people"]
    assert "officer" not in {one["id"] for one in people}
    before = told.count
    await phone.context.set_geolocation({"latitude": 60.1710, "longitude": 24.9540, "accuracy": 9})
    await page.get_by_role("button", name="Mission", exact=True).click()
    await page.get_by_role("button", name="Noter ici").click()
    await expect(page.get_by_text("Lieu : ici")).to_be_visible(timeout=SLOW_MS)
    assert told.count == before, "off duty, a place was sent"
