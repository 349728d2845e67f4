"""PostgreSQL away and back: every wait ends, and who read before reads again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from egide.engines.circuit import READ_S
from egide.engines.postgres import PostgresStore
from egide.kernel.errors import Unavailable
from tests.engines.postgres import Server, postgres

ONE = text("SELECT 1")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with postgres() as found:
        yield found


@pytest.fixture
def store(server: Server) -> Iterator[PostgresStore]:
    opened = PostgresStore(server.dsn("away"))
    yield opened
    opened.close()


def reads(store: PostgresStore, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            assert store.reader().execute(ONE).scalar() == 1
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def test_a_reader_of_a_server_that_went_away_is_opened_anew(server: Server, store: PostgresStore) -> None:
    reads(store)
    server.stop()
    for _ in range(3):
        with pytest.raises(Exception):  # noqa: B017, PT011 — refused, cut off or away: not what matters here
            store.reader().execute(ONE)
        time.sleep(0.3)
    server.start()
    reads(store)


def test_a_read_of_a_stopped_server_ends(server: Server, store: PostgresStore) -> None:
    reads(store)
    server.pause()
    try:
        before = time.monotonic()
        with pytest.raises(Exception):  # noqa: B017, PT011
            store.reader().execute(ONE)
        assert time.monotonic() - before < READ_S + 1.0
        with pytest.raises(Unavailable):
            store.reader()
        assert time.monotonic() - before < READ_S + 1.2, "known to be away: refused at once"
    finally:
        server.resume()
    reads(store)


def test_threads_have_readers_of_their_own(store: PostgresStore) -> None:
    found = []
    threads = [threading.Thread(target=lambda: found.append(store.reader())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in found}) == 4
