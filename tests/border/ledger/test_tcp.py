"""Authorities on sockets of the loopback address: they agree, and what else calls them changes nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from egide.border.ledger.authority import Authority
from egide.border.ledger.chain import Chain
from egide.border.ledger.embedded import EmbeddedLedger
from egide.border.ledger.messages import MAX_MESSAGE, Genesis
from egide.border.ledger.tcp import TcpTransport
from egide.engines.chain_store import SqliteChainStore
from tests.border.ledger.parties import member, members, signing_key

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
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
    ports = [each.getsockname()[1] for each in probes]
    for each in probes:
        each.close()
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
        long.settimeout(5)
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
