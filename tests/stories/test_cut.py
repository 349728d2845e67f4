"""The network is cut for real: the officer's browser lives in a network namespace whose only cable is pulled, and put back.

Ten minutes under EGIDE_PROOF=1, some seconds otherwise. Needs root and `ip`: without them there is no namespace to cut.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright, expect

from egide.exercise.story import Scene
from tests.stories.stage import Stage
from tests.stories.test_terminal import note, noted, pocket, prepared
from tests.stories.window import ARGS, PHONE, Window, chromium, opened

pytestmark = [pytest.mark.anyio, pytest.mark.story]

PROOF = os.environ.get("EGIDE_PROOF") == "1"
CUT_S = 600.0 if PROOF else 8.0  # s without a cable
OURS, THEIRS = "10.213.77.1", "10.213.77.2"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True, timeout=10)


@dataclass
class Cable:
    """A namespace and the pair of interfaces that joins it to this one."""

    name: str
    end: str

    def pull(self) -> None:
        ip("link", "set", self.end, "down")

    def plug(self) -> None:
        ip("link", "set", self.end, "up")


@pytest.fixture
def cable() -> Iterator[Cable]:
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("a network namespace needs root and the program ip")
    name, end = f"egide{os.getpid() % 100_000}", f"eg{os.getpid() % 100_000}"
    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine gives no network namespace: {error.stderr.strip()}")
    try:
        ip("link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{OURS}/30", "dev", end)
        ip("link", "set", end, "up")
        for words in (
            ("addr", "add", f"{THEIRS}/30", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("link", "set", "lo", "up"),
        ):
            ip("-n", name, *words)
        yield Cable(name, end)
    finally:
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", end)
        ip("netns", "del", name)


@pytest.fixture
async def door(stage: Stage, cable: Cable) -> AsyncIterator[int]:
    """The platform answers on this side of the cable: bytes are handed on to its loopback address."""
    inner = urlsplit(stage.base).port
    ends: list[asyncio.StreamWriter] = []

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                target.write(data)
                await target.drain()
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        away, back = await asyncio.open_connection("127.0.0.1", inner)
        ends.extend((writer, back))
        await asyncio.gather(pump(reader, back), pump(away, writer))

    server = await asyncio.start_server(serve, OURS, inner)
    yield int(inner or 0)
    server.close()
    for end in ends:  # no last word comes over a cable that is gone
        end.transport.abort()
    await asyncio.sleep(0.1)


@pytest.fixture
async def phone(stage: Stage, cable: Cable, door: int, tmp_path: Path) -> AsyncIterator[Window]:
    """A browser inside the namespace; `localhost` is the other end of the cable, so that its pages are as trusted as ever."""
    program = chromium()
    assert program is not None
    starter = tmp_path / "chromium"
    starter.write_text(f'#!/bin/sh\nexec ip netns exec {cable.name} {program} "$@"\n')
    starter.chmod(0o755)
    async with async_playwright() as playwright:
        args = [*ARGS, f"--host-resolver-rules=MAP localhost {OURS}"]
        browser = await playwright.chromium.launch(executable_path=starter, args=args)
        window = await opened(browser, stage.base, size=PHONE, touch=True)
        await window.enter("officer")
        yield window
        assert window.crashed == []
        await browser.close()


@pytest.mark.timeout(180 + CUT_S, method="signal")
async def test_ten_minutes_without_a_cable(stage: Stage, scene: Scene, cable: Cable, phone: Window) -> None:
    dpo = await stage.person("dpo")
    before = (await dpo.act("oversight.river"))["size"] - 1
    page = phone.page
    await prepared(phone)
    await expect(pocket(page)).to_have_attribute("data-kept", "true")
    await page.get_by_role("button", name="Regarder Drone 1").click()
    await expect(page.locator("[data-video]")).to_have_attribute("data-state", "live")

    cable.pull()
    pulled = time.monotonic()
    await expect(pocket(page)).to_have_attribute("data-offline", "true", timeout=30_000)
    await note(page, "Câble coupé", "Garder : partira seule")
    await page.reload()
    await expect(pocket(page)).to_have_attribute("data-terminal", "open")
    await expect(page.locator("[data-map]")).to_have_attribute("data-map", "idle")
    for number in range(2):
        await note(page, f"Toujours coupé, {number}", "Garder : partira seule")
    await asyncio.sleep(max(0.0, CUT_S - (time.monotonic() - pulled)))
    await expect(pocket(page)).to_have_attribute("data-waiting", "3")
    assert await noted(dpo, before) == []

    cable.plug()
    await expect(pocket(page)).to_have_attribute("data-waiting", "0", timeout=60_000)
    assert [entry["outcome"] for entry in await noted(dpo, before)] == ["allowed"] * 3
    await expect(pocket(page)).to_have_attribute("data-offline", "false")
