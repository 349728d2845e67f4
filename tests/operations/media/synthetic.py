"""Streams made here for the tests: small H.264 transport streams with or without KLV and sound, and a UDP sender."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Self

import av
import numpy as np

from egide.protocols import klv

PACKET = 188


def klv_packet(number: int) -> bytes:
    """One ST 0601 packet: time, heading and position move with `number`."""
    frame = klv.UasFrame(timestamp=1_700_000_000_000_000 + number * 40_000, heading=float(number % 360))
    return klv.encode(frame)


def make_ts(
    pictures: int = 30,
    *,
    fps: int = 25,
    size: tuple[int, int] = (320, 240),
    gop: int = 10,
    with_klv: bool = False,
    with_audio: bool = False,
    codec: str = "libx264",
    start: int = 0,
    container: str = "mpegts",
    lengths: bool = False,
    bframes: int = 0,
) -> bytes:
    """An encoded clip in memory, muxed by FFmpeg: the other side of what our own demuxer reads."""
    buffer = io.BytesIO()
    options = {"omit_video_pes_length": "0"} if lengths else {}
    with av.open(buffer, "w", format=container, options=options) as out:
        video = out.add_stream(codec, rate=fps)
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        if codec == "libx264":
            tune = {} if bframes else {"tune": "zerolatency"}
            video.options = {"preset": "ultrafast", "g": str(gop), "bf": str(bframes), "sc_threshold": "0", **tune}
        data = out.add_data_stream("klv") if with_klv else None
        sound = out.add_stream("aac", rate=48000) if with_audio else None
        noise = np.random.default_rng(7).integers(0, 255, (size[1] * 3 // 2, size[0]), dtype=np.uint8)
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number * 3, axis=1) // 16, format="yuv420p")
            frame.pts, frame.time_base = start + number, Fraction(1, fps)
            for packet in video.encode(frame):
                out.mux(packet)
            if data is not None:
                packet = av.Packet(klv_packet(number))
                packet.stream, packet.time_base = data, Fraction(1, 90000)
                packet.pts = packet.dts = (start + number) * 90000 // fps
                out.mux(packet)
            if sound is not None:
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 48000 // fps), np.float32), "fltp", "mono")
                silence.sample_rate, silence.pts = 48000, number * 48000 // fps
                for packet in sound.encode(silence):
                    out.mux(packet)
        for packet in video.encode(None):
            out.mux(packet)
    return buffer.getvalue()


def packets(ts: bytes) -> list[bytes]:
    """The 188-byte packets of a transport stream."""
    return [ts[at : at + PACKET] for at in range(0, len(ts) - PACKET + 1, PACKET)]


def free_port() -> int:
    """A UDP port that nobody holds at this moment."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Sender:
    """Sends transport streams to a local UDP port at a steady pace, from a thread."""

    def __init__(self, port: int, clips: Iterable[bytes], *, seconds: float = 1.0) -> None:
        self._clips = list(clips)
        self._seconds = seconds
        self._stop = threading.Event()
        self._port = port
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for clip in self._clips:
                pieces = [clip[at : at + 7 * PACKET] for at in range(0, len(clip), 7 * PACKET)]
                begin = time.monotonic()
                for number, piece in enumerate(pieces):
                    if self._stop.wait(max(0.0, begin + number * self._seconds / len(pieces) - time.monotonic())):
                        return
                    sock.sendto(piece, ("127.0.0.1", self._port))


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """True as soon as `condition` holds, False when it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()


class Receiver:
    """Holds a UDP port, as a rival would."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
