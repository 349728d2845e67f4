"""What every test may use: real inputs where they are, a kernel of its own in a temporary folder, people to act."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import proven
from tests.world import World

# How long one case takes says more of the machine than of the case; what a test takes altogether is bounded by pytest-timeout.
settings.register_profile("egide", deadline=None)
settings.load_profile("egide")

REQUIRED = os.environ.get("EGIDE_REQUIRED") == "1"


proof_only = pytest.mark.skipif(os.environ.get("EGIDE_PROOF") != "1", reason="a long run: make proof")
"""For what takes a machine half a minute and has its parts tested elsewhere too."""


def missing(reason: str) -> None:
    """Skips where a thing may be absent (a developer's machine), fails where it is required (CI)."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


# The longest first, so that no lane ends long after the other.
FIRST = ("attacks", "gateways", "engines")
# Stories that promise a time, or whose page weighs its link by it: they need the machine for themselves.
TIMED = ("test_alert", "test_cheyenne", "test_cut", "test_delivery", "test_incident", "test_officer", "test_upgrade")
# s; and the story alone fails: a worker that is ended takes the lane with it, for pytest-xdist then waits for ever.
STORY_S = 7200 if os.environ.get("EGIDE_PROOF") == "1" else 300


def pytest_configure(config: pytest.Config) -> None:
    proven.plugin(config)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """For `make test` (pytest-xdist): the longest first; after all else stories, two beside each other, then one alone."""

    def part(item: pytest.Item) -> str:
        return item.path.relative_to(Path(__file__).parent).parts[0]

    for item in items:
        if part(item) == "stories":
            item.add_marker("alone" if item.path.stem in TIMED else "beside")
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(STORY_S, method="signal"))
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: FIRST.index(part(item)) if part(item) in FIRST else len(FIRST))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real inputs ($EGIDE_SHARED_DATA or ../shared/data)."""
    place = Path(os.environ.get("EGIDE_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not (place / "MANIFEST.md").exists():
        missing(f"real inputs are not at {place}: set EGIDE_SHARED_DATA")
    return place


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A whole platform in demo mode, in this process, with a clock one can move."""
    made = World(tmp_path / "data")
    await made.start()
    yield made
    await made.stop()
