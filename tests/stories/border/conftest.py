"""An airport that serves its pages, and a browser whose camera the story writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser

from egide.border.room import parent
from tests.border.airport import Airport
from tests.serving import serving
from tests.stories.border.filmed import Filmed
from tests.stories.border.moving_face import NURSERY
from tests.stories.conftest import Opener, launched, windows


@pytest.fixture(autouse=True)
def drawn_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is drawn is asked for what a drawing can do."""
    monkeypatch.setattr(parent, "NURSERY", NURSERY)


@pytest.fixture(scope="package")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Filmed:
    return Filmed(tmp_path_factory.mktemp("camera") / "camera.y4m")


@pytest.fixture(scope="package")
async def filming(anyio_backend: str, camera: Filmed) -> AsyncIterator[Browser]:
    async with launched(*camera.arguments) as running:
        yield running


@pytest.fixture
async def gates(tmp_path: Path) -> AsyncIterator[Airport]:
    async with serving(Airport, tmp_path / "data") as airport:
        yield airport


@pytest.fixture
async def screen(filming: Browser, gates: Airport, camera: Filmed) -> AsyncIterator[Opener]:
    """Opens windows of the airport before that camera."""
    camera.nobody()
    async with windows(filming, gates.settings.origin) as open_:
        yield open_
