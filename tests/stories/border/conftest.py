"""An airport that serves its pages, and a browser whose camera the story writes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import Browser, async_playwright

from tests.border.airport import Airport
from tests.conftest import missing
from tests.stories.border.filmed import Filmed
from tests.stories.window import ARGS, Window, chromium, opened

Opener = Callable[..., Awaitable[Window]]


@pytest.fixture(scope="package")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    return Filmed(tmp_path_factory.mktemp("camera") / "camera.y4m")


@pytest.fixture(scope="package")
async def filming(anyio_backend: str, camera: Filmed) -> AsyncIterator[Browser]:
    program = chromium()
    if program is None:
        missing("stories need Chromium: install it or set EGIDE_CHROMIUM")
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=program, args=[*ARGS, *camera.arguments])
        yield running
        await running.close()


@pytest.fixture
async def gates(tmp_path: Path) -> AsyncIterator[Airport]:
    """An airport whose pages are served."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    airport = Airport(tmp_path / "data", port=port)
    await airport.start()
    server = uvicorn.Server(uvicorn.Config(airport.application, port=port, lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve())
    await airport.until(lambda: server.started, 20)
    yield airport
    server.should_exit = True
    await serving
    await airport.stop()


@pytest.fixture
async def screen(filming: Browser, gates: Airport, camera: Filmed) -> AsyncIterator[Opener]:
    """Opens windows of the airport before that camera; at the end none may have broken its policy or crashed."""
    windows: list[Window] = []
    camera.nobody()

    async def open_(persona: str | None = None, **how: Any) -> Window:
        made = await opened(filming, gates.settings.origin, **how)
        windows.append(made)
        if persona is not None:
            await made.enter(persona)
        return made

    yield open_
    for one in windows:
        await one.close()
    assert [one.stopped for one in windows if one.stopped] == []
    assert [one.crashed for one in windows if one.crashed] == []
