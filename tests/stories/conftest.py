"""One platform, one drone and one browser for all stories; a scene and windows for each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, async_playwright

from egide.exercise.idp import IdentityProvider
from egide.exercise.story import Scene
from egide.exercise.town import TownError
from egide.exercise.wallet import Wallet
from egide.gateways.wallet_setup import EXERCISE
from tests.conftest import missing
from tests.stories.stage import Flying, Stage, platform
from tests.stories.window import ARGS, Window, chromium, opened
from tests.world import World

Opener = Callable[..., Awaitable[Window]]


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """One loop for all stories: the browser and the platform live on it."""
    return "asyncio"


@pytest.fixture(scope="package")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    program = chromium()
    if program is None:
        missing("stories need Chromium: install it or set EGIDE_CHROMIUM")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=ARGS)
        yield running
        await running.close()


@pytest.fixture(scope="package")
def flying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flying]:
    try:
        drone = Flying(tmp_path_factory.mktemp("ground"))
    except TownError as absent:
        missing(str(absent))
    with drone:
        yield drone


@pytest.fixture(scope="package")
async def stage(browser: Browser, flying: Flying, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("platform")
    with IdentityProvider() as provider, Wallet(folder / "data" / EXERCISE) as wallet:
        settings = {"identity": "development", "identity_issuer": provider.issuer}
        settings |= {"wallet": "development", "wallet_address": wallet.address, "record_hearings": "hearing"}
        running = await platform(folder, flying.drone, flying.udp, **settings)
        yield running
        await running.stop()
    assert not running.reports(), "pages broke their policy"


@pytest.fixture
async def scene(stage: Stage) -> Scene:
    """An order in force, a mission, the drone's camera on."""
    return await stage.scene()


@pytest.fixture
async def window(browser: Browser, stage: Stage) -> AsyncIterator[Opener]:
    """Opens windows; at the end none may have broken its policy or crashed."""
    windows: list[Window] = []

    async def open_(persona: str | None = None, **how: Any) -> Window:
        made = await opened(browser, stage.base, **how)
        windows.append(made)
        if persona is not None:
            await made.enter(persona)
        return made

    yield open_
    for one in windows:
        await one.close()
    assert [one.stopped for one in windows if one.stopped] == []
    assert [one.crashed for one in windows if one.crashed] == []


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[World]:
    """A platform in this process, with what its inside knows at hand: for stories that need no drone."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    desk = World(tmp_path / "data", port=port)
    await desk.start()
    server = uvicorn.Server(uvicorn.Config(desk.application, port=port, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    await desk.until(lambda: server.started, 20)
    yield desk
    server.should_exit = True
    await serving
    await desk.stop()
