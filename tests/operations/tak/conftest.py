"""A platform for a whole module of this folder, and for each test a router and a server of its own on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.operations.tak.field import Authority, Field, deployed
from tests.world import World


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[World, Authority]]:
    """Starting a platform takes longer than a test here: they share one, as officers do."""
    folder = tmp_path_factory.mktemp("tak")
    made = World(folder / "data", department_cap=100)
    await made.start()
    yield made, Authority(folder / "pki")
    await made.stop()


@pytest.fixture
async def tak(shared: tuple[World, Authority]) -> AsyncIterator[Field]:
    async with deployed(*shared) as found:
        yield found
