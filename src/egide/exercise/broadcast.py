"""The first drone's link: H.264 and KLV in an MPEG transport stream over UDP, as STANAG 4609 aircraft send it.

What: takes pictures, codes and multiplexes them, and sends datagrams of seven transport packets, in real time.
Source: ISO/IEC 13818-1 (transport stream), MISB ST 1402 (KLV in it, asynchronous), ST 0601 (the telemetry).

Two settings keep the link as quick as its pictures. PES packets carry their length (``omit_video_pes_length=0``), so that a
receiver need not wait for the next one to know that one has ended. And every picture is followed by its telemetry:
libavformat holds a packet back until every stream has given one, so that telemetry at 10 Hz would hold two pictures of
three back by one or two periods (measured); it also gives each picture its own exact pose.
"""

from __future__ import annotations

import logging
import socket
import threading
from fractions import Fraction

import av
import numpy as np

from egide.exercise.drone import Drone
from egide.exercise.encoder import BITRATE, h264_options
from egide.exercise.links import Sink, Waiting

DATAGRAM = 7 * 188
"""Bytes: seven transport packets, the most that an Ethernet frame carries."""
AUDIO_RATE = 48_000
CLOCK = Fraction(1, 90_000)

_log = logging.getLogger(__name__)


class DatagramSink(Waiting):
    """What the multiplexer writes to: gathers bytes, sends them as datagrams when told."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__()
        self._socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
        self._address = address
        self.sent = 0
        self.lost = 0

    def send(self) -> None:
        """Send all that waits. A datagram that the network refuses is lost, as on the air; the first is logged."""
        data = self._taken()
        for at in range(0, len(data), DATAGRAM):
            try:
                self._socket.sendto(data[at : at + DATAGRAM], self._address)
                self.sent += 1
            except OSError as error:
                if not self.lost:
                    _log.warning("datagrams to %s:%d are refused: %s", *self._address, error)
                self.lost += 1

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()


def broadcast(
    drone: Drone, to: tuple[str, int] | Sink, stop: threading.Event, *, seconds: float | None = None,
    bitrate: int = BITRATE, audio: bool = False, telemetry_every: int = 1,
) -> int:  # fmt: skip
    """Fly and send until ``stop`` is set or ``seconds`` have passed; returns the number of pictures sent.

    ``to`` is an address for UDP, or another link (links.py), which is closed at the end.
    ``audio`` adds a silent sound track, to show that the platform refuses one. ``telemetry_every`` sends telemetry with
    one picture of so many only, at the price told above.
    """
    sink = DatagramSink(to) if isinstance(to, tuple) else to
    options = {"omit_video_pes_length": "0", "flush_packets": "1", "max_interleave_delta": "1", "pat_period": "0.25"}
    out = av.open(sink, "w", format="mpegts", options=options)
    pictures = 0
    try:
        video = out.add_stream("libx264", rate=drone.fps, options=h264_options(drone.fps, bitrate))
        video.width, video.height = drone.size
        video.pix_fmt = "yuv420p"
        video.time_base = CLOCK
        video.codec_context.time_base = Fraction(1, drone.fps)
        data = out.add_data_stream("klv")
        silence = _Silence(out) if audio else None
        for tick in drone.ticks(stop, seconds):
            frame = drone.picture(tick.t)
            frame.pts, frame.time_base = tick.number, Fraction(1, drone.fps)
            out.mux(video.encode(frame))
            if tick.number % telemetry_every == 0:
                packet = av.Packet(drone.telemetry(tick.t))
                packet.stream, packet.time_base = data, CLOCK
                packet.pts = packet.dts = tick.number * 90_000 // drone.fps
                out.mux(packet)
            if silence:
                silence.until(tick.number / drone.fps)
            sink.send()
            pictures += 1
    finally:
        if pictures:
            out.close()
            sink.send()
        sink.close()
    return pictures


class _Silence:
    """A sound track with nothing on it."""

    def __init__(self, out: av.container.OutputContainer) -> None:
        stream = out.add_stream("mp2", rate=AUDIO_RATE)
        stream.codec_context.layout = "mono"
        self._out, self._stream, self._samples = out, stream, 0

    def until(self, seconds: float) -> None:
        """Write silence up to a time."""
        size = 1152  # samples of a frame of MPEG-1 layer II
        while self._samples < seconds * AUDIO_RATE:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, size), np.int16), format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = AUDIO_RATE, self._samples, Fraction(1, AUDIO_RATE)
            self._samples += size
            self._out.mux(self._stream.encode(frame))
