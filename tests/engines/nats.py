"""A private NATS server with JetStream for tests: skips, or fails in CI, where it is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from egide.bench import servers
from egide.bench.servers import Nats
from tests.conftest import missing

__all__ = ["Nats", "nats"]


@contextmanager
def nats() -> Iterator[Nats]:
    """A running server."""
    with ExitStack() as stack:
        try:
            server = stack.enter_context(servers.nats())
        except servers.Absent as absent:
            missing(str(absent))
        yield server
