"""One platform, one drone and one browser for all stories; a scene and windows for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, async_playwright

from egide.exercise.idp import IdentityProvider
from egide.exercise.story import Scene
from egide.exercise.town import TownError
from egide.exercise.wallet import Wallet
from egide.gateways.wallet_setup import EXERCISE
from tests.conftest import missing
from tests.serving import serving
from tests.stories.stage import Flying, Stage, platform
from tests.stories.window import ARGS, Window, chromium, opened
from tests.world import World

Opener = Callable[..., Awaitable[Window]]


@pytest.fixture(scope="package")
def anyio_backend() -> str:
    """One loop for all stories: the browser and the platform live on it."""
    return "asyncio"


@asynccontextmanager
async def launched(*more: str) -> AsyncIterator[Browser]:
    """Chromium, told `more` than every story's."""
    program = chromium()
    if program is None:
        missing("stories need Chromium: install it or set EGIDE_CHROMIUM")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=[*ARGS, *more])
        yield running
        await running.close()


@asynccontextmanager
async def windows(browser: Browser, base: str) -> AsyncIterator[Opener]:
    """Opens windows; at the end none may have broken its policy or crashed."""
    made: list[Window] = []

    async def open_(persona: str | None = None, **how: Any) -> Window:
        one = await opened(browser, base, **how)
        made.append(one)
        if persona is not None:
            await one.enter(persona)
        return one

    yield open_
    for one in made:
        await one.close()
    assert [one.stopped for one in made if one.stopped] == []
    assert [one.crashed for one in made if one.crashed] == []


@pytest.fixture(scope="package")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with launched() as running:
        yield running


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
    async with windows(browser, stage.base) as open_:
        yield open_


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[World]:
    """For stories that need no drone."""
    async with serving(World, tmp_path / "data") as desk:
        yield desk
