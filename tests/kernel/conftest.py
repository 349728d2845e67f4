"""A platform with the demonstration plug-in that works, for what the kernel promises any capability."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import cache
from pathlib import Path

import pytest

from egide.kernel.law import PACKS, LawBook
from tests.plugins import crashes, works
from tests.world import World


@pytest.fixture
async def plugged(tmp_path: Path) -> AsyncIterator[World]:
    """A platform with the plug-ins `works` and `crashes` (its late half)."""
    made = World(tmp_path / "data", extra=(works.capability(), crashes.late()))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture(scope="session", autouse=True)
def law_is_read_once_a_day() -> Iterator[None]:
    """Our own packs do not change while tests run: reading them costs a third of a start, and there are hundreds of starts."""
    real = LawBook.load

    @cache
    def ours(jurisdiction: str, at: datetime) -> LawBook:
        return real(PACKS, jurisdiction, at)

    def load(root: Path, jurisdiction: str, at: datetime) -> LawBook:
        whole = at.replace(hour=0, minute=0, second=0, microsecond=0)
        return ours(jurisdiction, whole) if root == PACKS else real(root, jurisdiction, at)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(LawBook, "load", staticmethod(load))
        yield
