"""A platform with the demonstration plug-in that works, for what the kernel promises any capability."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.plugins import crashes, works
from tests.world import World


@pytest.fixture
async def plugged(tmp_path: Path) -> AsyncIterator[World]:
    """A platform with the plug-ins `works` and `crashes` (its late half)."""
    made = World(tmp_path / "data", extra=(works.capability(), crashes.late()))
    await made.start()
    yield made
    await made.stop()
