"""A platform with TAK's ports open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.operations.tak.marti.ports import TakWorld


@pytest.fixture
async def tak(tmp_path: Path) -> AsyncIterator[TakWorld]:
    made = TakWorld(tmp_path / "data")
    await made.start()
    yield made
    await made.stop()
