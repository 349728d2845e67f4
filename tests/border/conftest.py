"""An airport in a temporary folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.border.airport import Airport


@pytest.fixture
async def airport(tmp_path: Path) -> AsyncIterator[Airport]:
    made = Airport(tmp_path / "data")
    await made.start()
    yield made
    await made.stop()
