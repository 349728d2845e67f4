"""RTSP out: a ticket opens one camera to one player, on a lease, and to nobody else."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import av
import pytest

from egide.kernel.errors import NotFound, Unavailable
from egide.operations import rtsp_out
from egide.operations.media.ingest import Ingest
from egide.operations.media.source import SourceSpec
from egide.operations.media.units import KlvUnit, Unit
from tests.ports import free_port
from tests.waiting import PATIENCE_S
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def out(tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path / "data", rtsp_port=free_port())
    await made.start()
    yield made
    await made.stop()


class Player:
    """FFmpeg's RTSP client in a thread: an implementation that is not ours."""

    def __init__(self, url: str, transport: str) -> None:
        self.url, self.transport = url, transport
        self.pictures: list[int] = []
        self.error: Exception | None = None
        self.ended = threading.Event()
        self._stop = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        options = {
            "rtsp_transport": self.transport,
            "stimeout": "3000000",
            "timeout": "3000000",
            "analyzeduration": "300000",
        }
        try:
            with av.open(self.url, options=options, timeout=5) as source:
                for frame in source.decode(video=0):
                    self.pictures.append(frame.width)
                    if self._stop.is_set():
                        break
        except (av.FFmpegError, OSError) as error:
            self.error = error
        self.ended.set()

    def stop(self) -> None:
        self._stop.set()


async def address(world: World) -> tuple[str, dict[str, Any]]:
    """(order, what the act told)."""
    order, _mission, deployment = await world.flying()
    await world.until(lambda: world.kernel.things["relay"].hub.passed > 3)
    return order, await world.act("officer", "operations.watch.rtsp", deployment=deployment)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffmpeg_plays_it_until_the_order_ends(out: World, transport: str) -> None:
    order, told = await address(out)
    assert told["order"]["id"] == order
    player = Player(told["url"].replace("localhost", "127.0.0.1"), transport)
    await out.until(lambda: len(player.pictures) > 5 or player.error)
    assert player.error is None
    assert set(player.pictures) == {320}
    watches = await out.act("dpo", "oversight.watches")
    assert [w["id"] for w in watches["watches"]] == [told["watch"]]
    asked = time.monotonic()
    await out.act("prefect", "orders.revoke", order=order, reason="Fin")
    await out.until(lambda: out.kernel.things["relay"].hub.stats(told["source"]).viewers == 0, 2.5)
    assert time.monotonic() - asked < 2.5
    assert rtsp_out.views(out.kernel) == {}
    if transport == "tcp":
        await out.until(player.ended.is_set)
    player.stop()


async def test_our_own_reader_gets_pictures_and_telemetry(out: World) -> None:
    _order, told = await address(out)
    units: list[Unit] = []
    klv: list[KlvUnit] = []
    reader = Ingest(
        SourceSpec("x", "rtsp", told["url"].replace("localhost", "127.0.0.1")),
        units.append,
        klv.append,
        lambda *_: None,
    )
    reader.start()
    await out.until(lambda: len(units) > 5 and len(klv) > 3)
    assert units[0].key
    assert all(unit.frame is not None and unit.frame.tail == "F-TEST" for unit in klv)
    await asyncio.to_thread(reader.stop)
    await out.until(lambda: out.kernel.things["relay"].hub.stats(told["source"]).viewers == 0)
    assert told["watch"] in rtsp_out.views(out.kernel), "it may come back"
    await out.act("officer", "operations.watch.rtsp_close", watch=told["watch"])
    assert rtsp_out.views(out.kernel) == {}


async def test_a_standing_address_asks_anew_each_time(out: World) -> None:
    """What a TAK client's list of videos holds: worth what the law gives its person at the moment of playing."""
    _order, mission, deployment = await out.flying()
    listed = (await out.act("officer", "operations.tak.feeds"))["feeds"]
    assert [feed["id"] for feed in listed] == [deployment]
    assert (await out.act("officer", "operations.tak.feeds"))["feeds"] == listed, "it stays the same"
    assert (await out.act("other-officer", "operations.tak.feeds"))["feeds"] == []
    assert rtsp_out.views(out.kernel) == {}, "a list opens nothing"
    url = listed[0]["url"].replace("localhost", "127.0.0.1")
    player = Player(url, "tcp")
    await out.until(lambda: len(player.pictures) > 3 or player.error)
    assert player.error is None
    assert len(rtsp_out.views(out.kernel)) == 1
    player.stop()
    await out.act("command", "operations.roster.change", mission=mission, remove=["officer"])
    await out.until(lambda: rtsp_out.views(out.kernel) == {}, 2.5)
    late = Player(url, "tcp")
    await out.until(late.ended.is_set)
    assert late.error is not None
    assert late.pictures == []


async def test_nobody_comes(out: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtsp_out, "UNUSED_S", 0.2)
    _order, told = await address(out)
    assert told["watch"] in rtsp_out.views(out.kernel)
    await out.until(lambda: not rtsp_out.views(out.kernel))
    player = Player(told["url"].replace("localhost", "127.0.0.1"), "tcp")
    await out.until(player.ended.is_set)
    assert player.error is not None
    assert player.pictures == []


async def test_the_law_is_that_of_watching(out: World) -> None:
    _order, _mission, deployment = await out.flying()
    assert await out.refused("other-officer", "operations.watch.rtsp", deployment=deployment) == ["CSI-242-2"]
    told = await out.act("officer", "operations.watch.rtsp", deployment=deployment)
    with pytest.raises(NotFound):
        await out.act("other-officer", "operations.watch.rtsp_close", watch=told["watch"])


async def test_without_a_port_there_is_none(world: World) -> None:
    _order, _mission, deployment = await world.flying()
    with pytest.raises(Unavailable):
        await world.act("officer", "operations.watch.rtsp", deployment=deployment)
    assert (await world.act("officer", "operations.picture"))["rtsp"] is False


SAID = [
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 200"),
    (b"DESCRIBE rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 404"),
    (b"DESCRIBE rtsp://x/%s RTSP/1.0\r\nCSeq: 1\r\n\r\n" % (b"0" * 32), b"RTSP/1.0 404"),
    (b"RECORD rtsp://x/ RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"RTSP/1.0 405"),
    (b"GET / HTTP/1.1\r\n\r\n", b"RTSP/1.0 400"),
    (b"\x16\x03\x01" * 400 + b"\r\n\r\n", b"RTSP/1.0 400"),
    (b"A" * 9000, b"RTSP/1.0 413"),
    (b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 999999999\r\n\r\n", b"RTSP/1.0 413"),
]


async def test_who_has_no_ticket_learns_nothing(out: World) -> None:
    _order, told = await address(out)
    port = out.kernel.things["rtsp"].port
    for said, wanted in SAID:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        answer = await asyncio.wait_for(reader.read(4096), PATIENCE_S)
        assert answer.startswith(wanted), (said[:60], answer[:60])
        assert b"m=video" not in answer
        writer.close()
    base = told["url"].replace("localhost", "127.0.0.1").encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for transport, wanted in (
        (b"RTP/AVP;unicast;destination=192.0.2.7", b"461"), (b"RTP/AVP;multicast;client_port=5000-5001", b"461"),
        (b"RTP/AVP/TCP;interleaved=3-4", b"455"), (b"RTP/AVP;unicast;client_port=99999-99999", b"461"),
    ):  # fmt: skip
        writer.write(b"SETUP " + base + b"/video RTSP/1.0\r\nCSeq: 2\r\nTransport: " + transport + b"\r\n\r\n")
        assert wanted in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S), transport
    writer.write(b"PLAY " + base + b" RTSP/1.0\r\nCSeq: 3\r\nSession: guess\r\n\r\n")
    assert b"454" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE_S)
    writer.close()
