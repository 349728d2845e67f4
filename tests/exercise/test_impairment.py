"""The bad network: what it says of itself is what it does, the same each time."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from itertools import pairwise

import pytest
from tests.waiting import PATIENCE_S

from egide.exercise.impairment import MSS, ConnectionRelay, DatagramRelay, Impairment, Line

pytestmark = pytest.mark.anyio
LOSSY = Impairment(loss=0.02, delay_s=0.05, jitter_s=0.02)


def handed(impairment: Impairment, seed: int, segments: int, every_s: float) -> tuple[Line, list[float]]:
    """When each of a steady sender's segments is handed over, and how long it took."""
    line = Line(impairment, random.Random(seed))
    now, found = 0.0, []
    for number in range(segments):
        now = max(now, number * every_s)
        while (wait := line.may_send(now)) > 0:
            now += wait
        found.append((now, line.send(now, MSS, followed=True)))
    return line, [arrives - sent for sent, arrives in found]


def test_without_impairment_nothing_waits():
    _line, took = handed(Impairment(), 1, 1000, 0.001)
    assert max(took) == 0


def test_a_loss_holds_up_what_comes_behind_it_and_never_changes_the_order():
    line = Line(LOSSY, random.Random(3))
    arrivals = [line.send(n * 0.005, MSS, followed=True) for n in range(2000)]
    assert all(a <= b for a, b in pairwise(arrivals))
    assert 20 <= line.lost <= 70, "two in a hundred"
    waits = [arrives - n * 0.005 for n, arrives in enumerate(arrivals)]
    assert min(waits) >= 0.03
    assert sorted(waits)[len(waits) // 2] < 0.12
    assert sum(wait > 0.12 for wait in waits) > 3 * line.lost, "each loss holds up the segments behind it"


def test_a_lost_last_segment_waits_for_the_timeout():
    line = Line(Impairment(loss=0.999999, delay_s=0.05), random.Random(1))
    assert line.send(0.0, MSS, followed=False) >= 10, "lost again and again: the timeout doubles"
    alone = Line(Impairment(loss=0.5, delay_s=0.05), random.Random(2))
    took = {
        round(Line(Impairment(loss=0.5, delay_s=0.05), random.Random(n)).send(0.0, MSS, followed=False), 3)
        for n in range(60)
    }
    assert {0.05, 0.25, 0.65} <= took, "at once, after 200 ms, after 200 and 400 ms"
    assert alone.flying == 0


def test_the_window_carries_what_tcp_would_at_that_loss():
    """Mathis et al. 1997: about 1.22 × MSS / (round trip × √loss); ours is a Reno, so within a factor of two of it."""
    line, now, segments = Line(LOSSY, random.Random(7)), 0.0, 6000
    for _ in range(segments):
        while (wait := line.may_send(now)) > 0:
            now += wait
        line.send(now, MSS, followed=True)
    rate = segments * MSS / now
    predicted = 1.22 * MSS / (0.1 * 0.02**0.5)
    assert predicted / 2 < rate < predicted * 2, (rate, predicted)


def test_a_seed_tells_the_same_story_again():
    assert handed(LOSSY, 5, 500, 0.005)[1] == handed(LOSSY, 5, 500, 0.005)[1]
    assert handed(LOSSY, 5, 500, 0.005)[1] != handed(LOSSY, 6, 500, 0.005)[1]


async def test_a_connection_passes_whole_and_late():
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    target = server.sockets[0].getsockname()
    relay = ConnectionRelay(target, Impairment(loss=0.03, delay_s=0.02, jitter_s=0.01))
    port = await relay.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = random.Random(1).randbytes(60_000)
    begin = time.monotonic()
    writer.write(sent)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(-1), 20) == sent
    assert time.monotonic() - begin > 0.04, "there and back"
    assert sum(line.lost for line in relay.lines) > 0
    writer.close()
    await relay.close()
    server.close()


async def test_datagrams_are_lost_late_and_out_of_order():
    got: list[tuple[int, float]] = []
    loop = asyncio.get_running_loop()

    class Far(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            got.append((int.from_bytes(data, "big"), loop.time() - begin))

    far, _ = await loop.create_datagram_endpoint(Far, ("127.0.0.1", 0))
    # Room for all of them: a machine that pauses sends what is late at once, and nothing but the relay may lose any.
    far.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    relay = DatagramRelay(Impairment(loss=0.1, delay_s=0.05, jitter_s=0.02))
    await relay.start(target=far.get_extra_info("sockname"))
    near, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
    begin = loop.time()
    try:
        for number in range(500):
            near.sendto(number.to_bytes(4, "big"), relay.outer)
            if number % 50 == 49:
                await asyncio.sleep(0.002)  # a socket holds some hundred datagrams
        async with asyncio.timeout(PATIENCE_S):
            while relay.counts["lost"] + len(got) < 500:
                await asyncio.sleep(0.01)
        assert 400 < len(got) < 480
        assert relay.counts["passed"] == len(got)
        assert relay.counts["lost"] == 500 - len(got)
        assert [n for n, _ in got] != sorted(n for n, _ in got), "a radio does not keep the order"
        assert min(late for _, late in got) >= 0.029
    finally:
        near.close()
        far.close()
        relay.close()


def test_a_narrow_link_takes_its_time():
    line = Line(Impairment(rate=1_000_000), random.Random(1))
    assert [round(line.send(0.0, 1250, followed=True), 3) for _ in range(4)] == [0.01, 0.02, 0.03, 0.04]
