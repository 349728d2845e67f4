"""The platform is replaced under an officer who watches: the picture comes back by itself, and nothing alarming is said."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from egide.operations.media.recorder import genesis, link
from tests.stories.stage import ENVIRONMENT, Flying, Stage, egide, platform
from tests.stories.test_officer import live
from tests.stories.window import opened

pytestmark = [
    pytest.mark.anyio, pytest.mark.story, pytest.mark.timeout(300, method="signal"),
    pytest.mark.skipif(os.environ.get("EGIDE_PROOF") != "1", reason="a long run: two minutes of a machine; test_supervisor has its parts"),
]  # fmt: skip

BACK_MS = 2000  # ms without a picture at most
PATIENCE_S = 60.0  # s until the old generation has gone, on a busy machine
# What the officer would see: the longest time without a new picture, and every word said over the picture or on top.
WATCHING = """() => { const story = window.story = { gap: 0, last: performance.now(), frames: '', said: new Set() };
  const look = () => { const video = document.querySelector('[data-video]'), now = performance.now();
    const frames = video?.dataset.state === 'live' ? video.dataset.watch + video.dataset.frames : '';
    if (frames && frames !== story.frames) { story.gap = Math.max(story.gap, now - story.last); story.last = now; story.frames = frames; }
    for (const said of document.querySelectorAll('[data-video] [role=status], [data-video] [role=alert], [role=alert], dialog[open]'))
      if (said.textContent.trim()) story.said.add(said.textContent.trim());
    requestAnimationFrame(look); }; look(); }"""
ALARMING = ("perdu", "coupé", "lien", "refus", "échou", "erreur", "cessé")


@pytest.fixture
async def pair(stage: Stage, flying: Flying, tmp_path: Path) -> AsyncIterator[Stage]:
    await stage.clear()  # its camera of the last story still has the drone's port
    running = await platform(tmp_path, flying.drone, flying.udp, "--processes", "2")
    yield running
    await running.stop()


def processes(folder: Path) -> set[str]:
    with closing(sqlite3.connect(folder / "data" / "egide.db", timeout=30)) as db:
        return {row[0] for row in db.execute("SELECT id FROM process")}


async def gone(folder: Path, before: set[str]) -> None:
    """Waits until none of these processes serves any more."""
    for _ in range(int(PATIENCE_S / 0.2)):
        if not before & processes(folder):
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the old generation did not leave")


async def test_the_platform_is_replaced_under_an_officer_who_watches(
    pair: Stage, browser: Browser, tmp_path: Path
) -> None:
    scene = await pair.scene()
    # Two generations of two processes, a browser and a drone on two cores: the page would take that for a bad link.
    officer = await opened(browser, pair.base, before="delete globalThis.RTCPeerConnection;")
    try:
        await officer.enter("officer")
        page = officer.page
        await officer.go("/operations")
        await page.locator("[data-source]").filter(has_text="Drone 1").click()
        await page.get_by_role("button", name="Regarder", exact=True).click()
        picture = await live(page)
        first = await picture.get_attribute("data-watch")
        await page.evaluate(WATCHING)
        before = processes(tmp_path)

        upgrade = await asyncio.create_subprocess_exec(
            *egide("upgrade", "--data", str(tmp_path / "data")), env=ENVIRONMENT, stdout=subprocess.DEVNULL
        )
        assert await asyncio.wait_for(upgrade.wait(), 100) == 0
        await gone(tmp_path, before)
        picture = await live(page)
        assert await picture.get_attribute("data-watch") != first, "each view is a new act"
        story: dict[str, Any] = await page.evaluate("({gap: story.gap, said: [...story.said]})")
        sys.stdout.write(f"upgrade: {story['gap']:.0f} ms without a picture; said: {story['said']}\n")
        assert story["gap"] < BACK_MS
        assert not [said for said in story["said"] if any(word in said.lower() for word in ALARMING)], story["said"]
        await expect(page.get_by_role("button", name="Ne plus regarder")).to_be_visible()
        assert officer.stopped == officer.crashed == []
    finally:
        await officer.close()

    command = await scene.person("command")
    deployment = scene.deployments["Drone 1"]
    await command.act("operations.camera.stop", deployment=deployment, reason="Fin")
    await pair.stop()  # the last segment is sealed by the process that filmed, which need not be the one that was asked
    with closing(sqlite3.connect(tmp_path / "data" / "egide.db", timeout=30)) as db:
        rows = db.execute("SELECT id, segments, chain FROM recording WHERE deployment = ?", (deployment,)).fetchall()
        assert len(rows) == 1, "one recording goes on through the upgrade"
    chained(tmp_path / "data", *rows[0])


def chained(data: Path, recording: str, count: int, chain: str) -> None:
    """The kept segments are one unbroken chain."""
    from egide.app import build
    from egide.kernel.settings import Settings
    from egide.operations import archive

    kernel, _ = build(Settings(data=str(data), demo=True))
    try:
        kept = list(archive.segments(kernel, recording))
    finally:
        kernel.store.close()
        kernel.vault.close()
    links = [genesis(recording)]
    for segment in kept:
        links.append(link(links[-1], segment))
    assert (len(kept), links[-1]) == (count, chain)
    assert count >= 2
