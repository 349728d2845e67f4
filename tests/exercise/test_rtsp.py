from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import threading

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.waiting import PATIENCE_S

from egide.exercise import rtsp
from egide.exercise.drone import Drone
from egide.exercise.rtsp import RtspServer
from egide.protocols import klv
from egide.protocols.rtp import HEADER, MTU, Sender, h264_payloads, nal_units
from egide.protocols.rtsp import MAX_BODY, MAX_HEAD, Request, RtspError, body_length, parse_request

FUZZ = int(os.environ.get("EGIDE_FUZZ", "500"))
nals = st.lists(
    st.integers(1, 23).flatmap(
        lambda kind: st.binary(min_size=1, max_size=5000).map(
            lambda body: bytes([0x60 | kind]) + body.replace(b"\0", b"\1")
        )
    ),
    min_size=1,
    max_size=6,
)


def put_together(payloads: list[bytes]) -> list[bytes]:
    """The receiver's half of RFC 6184."""
    out: list[bytes] = []
    for payload in payloads:
        kind = payload[0] & 0x1F
        if kind == 24:
            at = 1
            while at < len(payload):
                (size,) = struct.unpack_from("!H", payload, at)
                out.append(payload[at + 2 : at + 2 + size])
                at += 2 + size
        elif kind == 28:
            if payload[1] & 0x80:
                out.append(bytes([payload[0] & 0xE0 | payload[1] & 0x1F]))
            out[-1] += payload[2:]
        else:
            out.append(payload)
    return out


@settings(max_examples=FUZZ, deadline=None)
@given(nals)
def test_an_access_unit_survives_its_packets(units):
    data = b"".join(b"\0\0\0\1" + nal for nal in units)
    assert list(nal_units(data)) == units
    payloads = list(h264_payloads(data))
    assert put_together(payloads) == units
    packets = Sender(96, 7, 65_530).video(data, 2**32 + 5)
    assert all(len(packet) <= MTU for packet in packets)
    assert [packet[1] >> 7 for packet in packets] == [0] * (len(packets) - 1) + [1]
    sequence = [struct.unpack_from("!H", packet, 2)[0] for packet in packets]
    assert sequence == [(65_530 + i) & 0xFFFF for i in range(len(packets))]
    assert [packet[HEADER:] for packet in packets] == payloads


def test_a_long_telemetry_packet_is_cut():
    packets = Sender(97, 1).data(bytes(3000), 9)
    assert [len(packet) for packet in packets] == [1400, 1400, 12 + 3000 - 2 * 1388]
    assert b"".join(packet[HEADER:] for packet in packets) == bytes(3000)


def test_a_report_is_whole_words():
    report = Sender(96, 3).report(1_790_000_000_500_000, 1234)
    assert len(report) % 4 == 0
    assert struct.unpack_from("!H", report, 2)[0] == 6
    assert struct.unpack_from("!I", report, 12)[0] == 2**31, "half a second in NTP's fraction"


@settings(max_examples=FUZZ, deadline=None)
@given(st.binary(max_size=2000) | st.binary(max_size=400).map(lambda b: b"DESCRIBE /x RTSP/1.0\r\n" + b + b"\r\n\r\n"))
def test_no_bytes_break_the_parser(data):
    with contextlib.suppress(RtspError):
        request = parse_request(data)
        assert isinstance(request, Request)
        assert 0 <= body_length(request) <= MAX_BODY


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"OPTIONS * RTSP/2.0\r\n\r\n", 505),
        (b"OPTIONS *\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\nCSeq: x\r\n\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n" + b"A: b\r\n" * 100 + b"\r\n", 400),
        (b"OPTIONS * RTSP/1.0\r\n" + b"A" * MAX_HEAD + b"\r\n\r\n", 413),
        ("OPTIONS * RTSP/1.0\r\nÀ: b\r\n\r\n".encode(), 400),
    ],
)
def test_a_bad_head_is_refused(head, status):
    with pytest.raises(RtspError) as refusal:
        parse_request(head)
    assert refusal.value.status == status


@pytest.mark.parametrize(("given_length", "status"), [("99999", 413), ("-1", 400), ("9" * 50, 413)])
def test_a_bad_body_is_refused(given_length, status):
    request = parse_request(f"OPTIONS * RTSP/1.0\r\nContent-Length: {given_length}\r\n\r\n".encode())
    with pytest.raises(RtspError) as refusal:
        body_length(request)
    assert refusal.value.status == status


class Serving:
    """A server in a thread of its own; ``port``."""

    def __init__(self, drone: Drone) -> None:
        self.ready = threading.Event()
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve(drone)))
        self.thread.start()
        assert self.ready.wait(PATIENCE_S)

    async def serve(self, drone: Drone) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        self.server = RtspServer(drone)
        await self.server.start(port=0)
        self.port = self.server.port
        self.ready.set()
        await self.server.run(self.stop)
        await self.server.close()

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.stop.set)
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


@pytest.fixture
def serving(drone: Drone):
    server = Serving(drone)
    yield server
    server.end()


def test_three_seconds_are_watched_through_pyav(serving: Serving, drone: Drone):
    options = {"rtsp_transport": "tcp", "timeout": "5000000", "probesize": "50000", "analyzeduration": "500000"}
    pictures, telemetry = 0, []
    with av.open(f"rtsp://127.0.0.1:{serving.port}/second", options=options) as stream:
        assert [s.type for s in stream.streams] == ["video", "data"]
        first = None
        for packet in stream.demux():
            if packet.stream.type == "video":
                first = packet.is_keyframe if first is None else first
                pictures += len(packet.decode())
            else:
                telemetry.append(klv.decode(bytes(packet)))
            if pictures >= 3 * drone.fps:
                break
    assert first, "a viewer starts on a key picture"
    assert len(telemetry) >= pictures - 2
    assert {frame.tail for frame in telemetry} == {"F-ZEG1"}


def test_two_watch_at_once(serving: Serving):
    options = {"rtsp_transport": "tcp", "timeout": "5000000", "probesize": "50000", "analyzeduration": "500000"}
    url = f"rtsp://127.0.0.1:{serving.port}/second"
    with av.open(url, options=options) as one, av.open(url, options=options) as other:
        for stream in (one, other):
            frames = stream.decode(video=0)
            assert [next(frames).width for _ in range(5)] == [640] * 5


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def ask(port: int, *messages: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with contextlib.suppress(ConnectionError):
        for message in messages:
            writer.write(message)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    answer = b""
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(PATIENCE_S):
            answer = await reader.read()
    await hang_up(writer)
    return answer


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"OPTIONS rtsp://h/second RTSP/1.0\r\nCSeq: 4\r\n\r\n", b"200 OK\r\nCSeq: 4"),
        (b"DESCRIBE rtsp://h/second RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"200"),
        (b"DESCRIBE rtsp://h/third RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"404"),
        (b"DESCRIBE rtsp://[/second RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"400"),
        (b"RECORD rtsp://h/second RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"405"),
        (b"PLAY rtsp://h/second RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"454"),
        (b"PLAY rtsp://h/second RTSP/1.0\r\nCSeq: 1\r\nSession: 0\r\n\r\n", b"454"),
        (b"SETUP rtsp://h/second RTSP/1.0\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n", b"455"),
        (b"SETUP rtsp://h/second/video RTSP/1.0\r\nTransport: RTP/AVP;client_port=5-6\r\n\r\n", b"461"),
        (b"SETUP rtsp://h/second/video RTSP/1.0\r\nTransport: RTP/AVP/TCP;interleaved=3-4\r\n\r\n", b"455"),
        (b"SETUP rtsp://h/second/video RTSP/1.0\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n", b"200"),
        (b"A" * (MAX_HEAD * 2), b"413"),
        (b"$\0\0\4abcdOPTIONS rtsp://h/second RTSP/1.0\r\nCSeq: 9\r\n\r\n", b"200 OK\r\nCSeq: 9"),
        (
            b"OPTIONS / RTSP/1.0\r\nContent-Length: 3\r\n\r\nabcOPTIONS / RTSP/1.0\r\nCSeq: 2\r\n\r\n",
            b"200 OK\r\nCSeq: 2",
        ),
    ],
)
def test_every_request_is_answered(serving: Serving, message, status):
    assert b"RTSP/1.0 " + status in asyncio.run(ask(serving.port, message))


def test_garbage_ends_one_connection_and_nothing_else(serving: Serving):
    @settings(max_examples=min(FUZZ, 60), deadline=None)
    @given(st.binary(min_size=1, max_size=500))
    def throw(data):
        answer = asyncio.run(ask(serving.port, data))
        assert answer == b"" or answer.startswith((b"RTSP/1.0 4", b"RTSP/1.0 5", b"RTSP/1.0 200"))

    throw()
    assert b"200 OK" in asyncio.run(ask(serving.port, b"OPTIONS / RTSP/1.0\r\n\r\n"))


def test_connections_are_counted(serving: Serving, monkeypatch):
    monkeypatch.setattr(rtsp, "MAX_CLIENTS", 2)

    async def crowd() -> bytes:
        held = [await asyncio.open_connection("127.0.0.1", serving.port) for _ in range(2)]
        for reader, writer in held:
            writer.write(b"OPTIONS / RTSP/1.0\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
        answer = await ask(serving.port, b"OPTIONS / RTSP/1.0\r\n\r\n")
        for _, writer in held:
            await hang_up(writer)
        return answer

    assert asyncio.run(crowd()).startswith(b"RTSP/1.0 503")


def test_the_silent_are_shown_the_door(serving: Serving, monkeypatch):
    monkeypatch.setattr(rtsp, "IDLE", 0.2)

    async def wait() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        async with asyncio.timeout(PATIENCE_S):
            rest = await reader.read()
        await hang_up(writer)
        return rest

    assert asyncio.run(wait()) == b""
