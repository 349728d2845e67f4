"""Authorities on sockets of the loopback address: they agree, and what else calls them changes nothing."""

from __future__ import annotations

import gc
import logging
import socket
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from egide.border.ledger import tcp
from egide.border.ledger.authority import Authority
from egide.border.ledger.chain import Chain
from egide.border.ledger.embedded import EmbeddedLedger
from egide.border.ledger.messages import MAX_MESSAGE, Genesis
from egide.border.ledger.tcp import TcpTransport
from egide.engines.chain_store import SqliteChainStore
from tests.border.ledger.parties import member, members, signing_key
from tests.ports import free_port
from tests.waiting import PATIENCE_S

ROOT = b"r" * 32


class Seat:
    """One authority, its transport and its ledger."""

    def __init__(self, number: int, ports: list[int], place: Path, genesis: Genesis) -> None:
        peers = {member(at).address: ("127.0.0.1", port) for at, port in enumerate(ports) if at != number}
        self.transport = TcpTransport(("127.0.0.1", ports[number]), peers)
        self.store = SqliteChainStore(place)
        self.authority = Authority(
            Chain(genesis, self.store), member(number).address, signing_key(number), self.transport
        )
        self.ledger = EmbeddedLedger(self.authority, time.time, self.transport.settle, self.transport.guard)

    def start(self) -> None:
        self.transport.start(self.authority, time.time)

    def stop(self) -> None:
        self.transport.stop()
        self.store.close()


@pytest.fixture
def seats(tmp_path: Path) -> Iterator[list[Seat]]:
    ports = [free_port() for _ in range(4)]
    genesis = Genesis(members(), int(time.time()))
    made = [Seat(number, ports, tmp_path / str(number), genesis) for number in range(4)]
    for each in made:
        each.start()
    yield made
    for each in made:
        each.stop()


def test_four_agree_while_strangers_call(seats: list[Seat]) -> None:
    port = seats[0].transport._listen[1]
    with (
        socket.create_connection(("127.0.0.1", port)) as noise,
        socket.create_connection(("127.0.0.1", port)) as long,
        socket.create_connection(("127.0.0.1", port)) as silent,
    ):
        noise.sendall(b"\x00\x00\x00\x05hello")
        long.sendall((MAX_MESSAGE + 1).to_bytes(4))
        long.settimeout(PATIENCE_S)
        assert long.recv(1) == b""  # hung up on
        assert seats[0].transport.settle(lambda: seats[0].authority.joined)
        seats[0].ledger.checkpoint(ROOT, 7)
        silent.sendall(b"\x00")
    for seat in seats:
        assert seat.transport.settle(lambda seat=seat: seat.authority.chain.height == 1)
        last = seat.ledger.last_checkpoint(member(0).address)
        assert last is not None
        assert last.size == 7
    assert {each.kind for each in seats[0].authority.faults} == {"malformed"}
    assert len({each.ledger.state() for each in seats}) == 1


def test_a_place_that_is_taken_is_said(seats: list[Seat], tmp_path: Path) -> None:
    taken = TcpTransport(seats[0].transport._listen, {})
    with pytest.raises(OSError, match="in use"):
        taken.start(seats[0].authority, time.time)
    taken.stop()


class Full(SqliteChainStore):
    """A store on a disk that is full for these writes."""

    full: frozenset[str] = frozenset()

    def append(self, height: int, block: bytes) -> None:
        self._room("append")
        super().append(height, block)

    def add_fault(self, fault: bytes) -> None:
        self._room("add_fault")
        super().add_fault(fault)

    def remember(self, words: Mapping[str, bytes]) -> None:
        self._room("remember")
        super().remember(words)

    def _room(self, what: str) -> None:
        if what in self.full:
            raise sqlite3.OperationalError("database or disk is full")


class Lonely:
    """An authority without others, on such a disk."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.genesis = Genesis(members(1), int(time.time()))
        self.open()

    def open(self) -> None:
        self.transport = TcpTransport(("127.0.0.1", free_port()), {})
        self.store = Full(self.place)
        self.authority = Authority(Chain(self.genesis, self.store), member(0).address, signing_key(0), self.transport)
        self.ledger = EmbeddedLedger(self.authority, time.time, self.transport.settle, self.transport.guard)
        self.transport.start(self.authority, time.time)

    def ends(self) -> bool:
        thread = self.transport._thread
        assert thread is not None
        thread.join(PATIENCE_S)
        return not self.transport.running

    def close(self) -> None:
        self.transport.stop()
        self.store.close()


@pytest.fixture
def lonely(tmp_path: Path) -> Iterator[Lonely]:
    made = Lonely(tmp_path)
    yield made
    made.close()


def said(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == level]


def test_stopping_with_open_links_logs_nothing(lonely: Lonely, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(lonely.transport._listen):
        assert lonely.transport.settle(lambda: lonely.transport._links == 1)
        lonely.transport.stop()
    assert not lonely.transport.running
    assert caplog.records == []


def test_who_calls_while_it_stops_is_hung_up_on(lonely: Lonely) -> None:
    for _ in range(10):
        callers = [socket.create_connection(lonely.transport._listen) for _ in range(5)]
        lonely.transport.stop()
        for each in callers:
            each.close()
        gc.collect()  # a link that is left open warns, and a warning fails
        lonely.close()
        lonely.open()


def test_a_fault_that_cannot_be_kept_is_logged_once_and_the_authority_goes_on(
    lonely: Lonely, caplog: pytest.LogCaptureFixture
) -> None:
    lonely.store.full = frozenset({"add_fault"})
    with socket.create_connection(lonely.transport._listen) as stranger:
        stranger.sendall(2 * b"\x00\x00\x00\x05hello")
        assert lonely.transport.settle(lambda: bool(lonely.authority.faults))
        lonely.ledger.checkpoint(ROOT, 7)
    assert lonely.transport.running
    assert said(caplog, logging.ERROR) == ["the authority failed at something and goes on"]


def test_a_block_that_cannot_be_kept_was_not_made_and_is_decided_again_once_there_is_room(
    lonely: Lonely, caplog: pytest.LogCaptureFixture
) -> None:
    before = lonely.ledger.state()
    lonely.store.full = frozenset({"append"})
    with pytest.raises(sqlite3.OperationalError):
        lonely.ledger.checkpoint(ROOT, 7)
    assert (lonely.authority.chain.height, lonely.ledger.state()) == (0, before)
    assert lonely.transport.running
    lonely.store.full = frozenset()
    assert lonely.transport.settle(lambda: lonely.authority.chain.height == 1)
    lonely.ledger.erasure_root(ROOT, 7)
    assert said(caplog, logging.CRITICAL) == []
    lonely.close()
    lonely.open()
    assert lonely.authority.chain.height == 2, "no gap on the disk"


def test_a_block_that_vanished_from_the_disk_ends_the_authority_loudly_and_the_transport_starts_again(
    lonely: Lonely, caplog: pytest.LogCaptureFixture
) -> None:
    lonely.ledger.checkpoint(ROOT, 7)
    lonely.store._run("DELETE FROM block")
    lonely.transport._kept = 0
    assert lonely.ends()
    assert said(caplog, logging.CRITICAL) == ["the authority has ended"]
    again = Authority(Chain(lonely.genesis, lonely.store), member(0).address, signing_key(0), lonely.transport)
    lonely.transport.start(again, time.time)
    assert lonely.transport.running


def test_words_that_cannot_be_kept_end_it_once_nothing_is_decided_any_more(
    lonely: Lonely, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tcp, "STUCK_S", 0.0)
    lonely.store.full = frozenset({"remember"})
    with pytest.raises(sqlite3.OperationalError):
        lonely.ledger.checkpoint(ROOT, 7)
    assert lonely.ends()
    assert said(caplog, logging.CRITICAL) == ["the authority has ended"]
