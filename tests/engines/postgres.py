"""A private PostgreSQL for tests: skips, or fails in CI, where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from egide.bench import servers
from egide.bench.servers import Postgres as Server
from tests.conftest import missing

__all__ = ["Server", "postgres"]


@contextmanager
def postgres(*options: str, folder: Path | None = None) -> Iterator[Server]:
    """A running server."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(servers.postgres(*options, folder=folder))
        except servers.Absent as absent:
            missing(str(absent))
        yield server
