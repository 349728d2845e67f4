"""The engines under test, started once for all: each a private server in a temporary folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from egide.app import capabilities
from egide.engines.postgres import PostgresStore
from egide.kernel.settings import Settings
from tests.engines.moto import Server as S3Server
from tests.engines.moto import moto
from tests.engines.postgres import Server, postgres
from tests.engines.softhsm import SoftHsm, softhsm
from tests.world import World

_numbers = count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL for the whole run, which nobody crashes: it need not wait for the disk."""
    with postgres("-c fsync=off") as server:
        yield server


@pytest.fixture(scope="session")
def fresh(postgres_server: Server) -> Callable[[], str]:
    """Gives the address of a new database whose tables are there and empty: copied, for making them takes a second."""
    made = PostgresStore(postgres_server.dsn("fresh"))
    made.create([capability.tables for capability in capabilities(Settings()) if capability.tables is not None])
    made.close()

    def copy() -> str:
        return postgres_server.dsn(f"egide{next(_numbers)}", like="fresh")

    return copy


@pytest.fixture
def postgres_dsn(fresh: Callable[[], str]) -> str:
    """A database without rows."""
    return fresh()


@pytest.fixture
def on_postgres(postgres_server: Server, fresh: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Server:
    """Every `World` of this test stands on PostgreSQL: one database for each data folder, kept over restarts."""
    known: dict[Path, str] = {}

    def dsn(folder: Path) -> str:
        if folder not in known:
            known[folder] = fresh()
        return known[folder]

    monkeypatch.setattr(World, "dsn", staticmethod(dsn))
    return postgres_server


@pytest.fixture(scope="session")
def hsm() -> Iterator[SoftHsm]:
    """A SoftHSM for the whole run: its library reads its configuration once per process."""
    with softhsm() as found:
        yield found


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 for the whole run."""
    with moto() as server:
        yield server


@pytest.fixture
def s3_address(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and the environment that opens it."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server.bucket(f"egide{next(_numbers)}")
