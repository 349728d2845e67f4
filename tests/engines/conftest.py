"""The engines under test, started once for all: each a private server in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from tests.engines.postgres import Server, postgres

_numbers = count()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL for the whole run."""
    with postgres() as server:
        yield server


@pytest.fixture
def postgres_dsn(postgres_server: Server) -> str:
    """An empty database."""
    return postgres_server.dsn(f"egide{next(_numbers)}")
