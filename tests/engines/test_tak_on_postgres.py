"""TAK's packages, missions and erasure on PostgreSQL: the same tests that the embedded store passes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines.postgres import Server
from tests.operations.tak.marti import test_erasure, test_marti
from tests.operations.tak.marti.client import Client
from tests.operations.tak.marti.ports import TakWorld

pytestmark = pytest.mark.anyio


@pytest.fixture
async def tak(on_postgres: Server, tmp_path: Path) -> AsyncIterator[TakWorld]:
    assert on_postgres
    made = TakWorld(tmp_path / "data")
    await made.start()
    yield made
    await made.stop()


async def team(tak: TakWorld) -> tuple[Client, Client, Client]:
    await tak.mission(await tak.order(), "officer", "command")
    return (
        await tak.device("officer", "ANDROID-1"),
        await tak.device("command", "ANDROID-2"),
        await tak.device("other-officer", "ANDROID-3"),
    )


async def test_a_mission(tak: TakWorld) -> None:
    await test_marti.test_a_mission_from_creation_to_removal(tak, await team(tak))


async def test_an_erased_person(tak: TakWorld) -> None:
    await test_erasure.test_an_erased_officer_is_nowhere(tak)
