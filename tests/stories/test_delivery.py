"""The picture on other terminals: a browser without WebCodecs, a feed that changes midway, a link that loses packets, a wall."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, async_playwright, expect

from egide.exercise.impairment import ConnectionRelay, Impairment
from egide.exercise.story import PICTURE_GONE_S, Scene, draft
from tests.conftest import proof_only
from tests.footage import footage
from tests.stories.conftest import Opener
from tests.stories.stage import Stage
from tests.stories.window import ARGS, PATIENCE_MS, Window, chromium, opened

pytestmark = [pytest.mark.anyio, pytest.mark.story]

NO_WEBCODECS, NO_WEBRTC = "delete window.VideoDecoder;", "delete window.RTCPeerConnection;"
NOTHING_SHOWN = """() => { const canvas = document.querySelector('[data-video] canvas');
  if (!canvas || getComputedStyle(canvas).visibility === 'hidden') return true;
  return canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.every((one, at) => at % 4 === 3 || one === 0); }"""
SIZES = """() => { window.storySizes = new Set();
  setInterval(() => { const canvas = document.querySelector('[data-video] canvas'); if (canvas) window.storySizes.add(canvas.width); }, 20); }"""


async def another(stage: Stage, scene: Scene, name: str, file: Path, mission: str = "") -> str:
    """One more camera over the same place, filming for the same mission or that one; its id."""
    command = await scene.person("command")
    middle = stage.drone.flight.perimeter.centroid
    source = await command.act(
        "operations.source.add", name=name, kind="file", url=str(file), aircraft=name, pilot="Télépilote", tags=["loop"],
        lat=middle.y, lon=middle.x,
    )  # fmt: skip
    await command.act("operations.camera.start", source=source["id"], mission=mission or scene.mission)
    return str(source["id"])


def over(stage: Stage, folder: Path, seconds: float = 2.0, size: tuple[int, int] = (320, 180)) -> Path:
    middle = stage.drone.flight.perimeter.centroid
    return footage(folder, at=(middle.y, middle.x), seconds=seconds, size=size)


async def watches(window: Window, name: str) -> Page:
    """The operations page, on which that camera is watched."""
    await window.go("/operations")
    await window.page.locator("[data-source]").filter(has_text=name).click()
    await window.page.get_by_role("button", name="Regarder", exact=True).click()
    return window.page


async def goes_on(page: Page, selector: str) -> None:
    """Pictures come, and go on coming."""
    await expect(page.locator(selector)).to_be_visible()
    seen = int(await page.locator(selector).get_attribute("data-frames") or 0)
    await page.wait_for_function(
        "([selector, seen]) => Number(document.querySelector(selector)?.dataset.frames) > seen + 5",
        arg=[selector, seen],
    )


@pytest.mark.parametrize("way", ["socket", pytest.param("fmp4", marks=proof_only)])
async def test_a_feed_that_changes_its_size_goes_on(
    stage: Stage, scene: Scene, window: Opener, tmp_path: Path, way: str
) -> None:
    both = tmp_path / "two-sizes.ts"
    both.write_bytes(over(stage, tmp_path, 1.0).read_bytes() + over(stage, tmp_path, 1.0, (640, 360)).read_bytes())
    await another(stage, scene, f"Deux tailles {way}", both)
    officer = await window("officer")
    # A machine that is late looks like a link that loses: the page would change the way this is about.
    await officer.context.add_init_script(NO_WEBRTC + (NO_WEBCODECS if way == "fmp4" else ""))
    page = await watches(officer, f"Deux tailles {way}")
    await goes_on(page, f"[data-video][data-state=live][data-transport={way}]")
    assert await page.locator("[data-video]").get_attribute("data-telemetry") == "corners"
    await officer.apart("(" + SIZES + ")()")
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while set(await officer.apart("[...window.storySizes]")) != {320, 640}:
            await page.wait_for_timeout(100)
    await goes_on(page, "[data-video][data-state=live]")


async def test_the_person_chooses_less_of_the_picture(scene: Scene, window: Opener) -> None:
    officer = await window("officer")
    page = await watches(officer, "Drone 1")
    await goes_on(page, "[data-video][data-state=live]")
    amount = page.get_by_role("combobox", name="Image")
    await amount.select_option("low")
    await expect(page.locator("[data-video]").get_by_text("images clés seules")).to_be_visible()
    await amount.select_option("minimal")
    await expect(page.locator("[data-video]").get_by_text("Texte seul : pas d’image sur cette liaison")).to_be_visible()
    await expect(page.get_by_text("alt.")).to_be_visible()
    await amount.select_option("automatic")
    await amount.select_option("normal")
    await goes_on(page, "[data-video][data-state=live][data-mode=normal]")


async def test_a_wall_of_pictures(stage: Stage, scene: Scene, window: Opener, tmp_path: Path) -> None:
    names = ["Mur A", "Mur B", "Mur C"]
    prefect, command = await scene.person("prefect"), await scene.person("command")
    second = (await prefect.act("orders.draft", **draft(stage.perimeter)))["id"]  # an order has a cap of its own
    await prefect.act("orders.sign", order=second)
    mission = await command.act("operations.mission.open", title="Quais", order=second, roster=["officer"])
    for name in names:
        await another(stage, scene, name, over(stage, tmp_path), "" if name == "Mur A" else mission["id"])
    officer = await window("officer")
    page = officer.page
    await officer.go("/operations")
    await page.locator("[data-source]").first.wait_for()
    await page.keyboard.press("w")
    for name in ["Drone 1", *names]:
        await page.locator("[data-source]").filter(has_text=name).first.click()
    await expect(page.locator("[data-wall-tile][data-state=live]")).to_have_count(4)
    dpo = await stage.person("dpo")
    open_ = (await dpo.act("oversight.watches"))["watches"]
    assert len(open_) == 4, "each picture is a watch of its own"
    await page.keyboard.press("2")
    await expect(page.locator("[data-wall-tile]").nth(1)).to_be_focused()
    await page.keyboard.press("Delete")
    await expect(page.locator("[data-wall-tile]")).to_have_count(3)
    await page.keyboard.press("1")
    await page.keyboard.press("Enter")
    await goes_on(page, "[data-video][data-state=live]")
    await expect(page.locator("[data-wall-tile]")).to_have_count(0)
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while len((await dpo.act("oversight.watches"))["watches"]) != 1:
            await asyncio.sleep(0.1)


@pytest.mark.skipif(
    os.environ.get("EGIDE_PROOF") != "1",
    reason="a long run: the page weighs a link by time, and must have a core of its own for that",
)
async def test_on_a_link_with_losses_webrtc_takes_over_and_ends_with_the_order(stage: Stage, scene: Scene) -> None:
    program = chromium()
    assert program is not None, "the other stories found one"
    port = int(stage.base.rpartition(":")[2])
    relay = ConnectionRelay(("127.0.0.1", port), Impairment(loss=0.04, delay_s=0.06, jitter_s=0.02))
    rule = f"--host-resolver-rules=MAP localhost:{port} 127.0.0.1:{await relay.start()}"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=[*ARGS, rule])
        officer = await opened(browser, stage.base)
        await officer.enter("officer")
        page = await watches(officer, "Drone 1")
        await expect(page.locator("[data-video][data-transport=webrtc]")).to_be_visible(timeout=30_000)
        await goes_on(page, "[data-video][data-state=live][data-transport=webrtc]")
        await expect(page.get_by_text("liaison avec pertes : WebRTC")).to_be_visible()
        prefect: Any = await scene.person("prefect")
        await prefect.act("orders.revoke", order=scene.order, reason="Fin")
        await page.wait_for_function(NOTHING_SHOWN, timeout=PICTURE_GONE_S * 1000)
        # Why travels on the socket, through the losses.
        await expect(page.locator("[data-video] canvas")).to_have_count(0, timeout=30_000)
        await expect(page.locator("[data-video]")).to_have_attribute("data-why", "refused")
        assert not officer.stopped
        assert not officer.crashed
        await browser.close()
    await relay.close()
