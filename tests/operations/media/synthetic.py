"""Streams made here for the tests: small H.264 transport streams with or without KLV and sound, and a UDP sender."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Self

import av
import numpy as np
from tests.waiting import PATIENCE_S

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
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for clip in self._clips:
                pieces = [clip[at : at + 7 * PACKET] for at in range(0, len(clip), 7 * PACKET)]
                begin = time.monotonic()
                for number, piece in enumerate(pieces):
                    if self._stop.wait(max(0.0, begin + number * self._seconds / len(pieces) - time.monotonic())):
                        return
                    sock.sendto(piece, ("127.0.0.1", self._port))


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
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


class FakeCamera:
    """A small RTSP camera: one connection at a time, media interleaved, optional password, telemetry and sound."""

    def __init__(
        self,
        pictures: list[bytes],
        *,
        password: str = "",
        scheme: str = "Digest",
        audio: bool = False,
        encoding: str = "H264",
        telemetry: bool = True,
        statuses: dict[str, int] | None = None,
        hint: str = "",
        raw: bytes | None = None,
        silent_after: int | None = None,
    ) -> None:
        self.pictures, self.password, self.scheme = pictures, password, scheme
        self.audio, self.encoding, self.telemetry = audio, encoding, telemetry
        self.statuses, self.hint, self.raw, self.silent_after = statuses or {}, hint, raw, silent_after
        self.requests: list[str] = []
        self._stop = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self._thread = threading.Thread(target=self._accept, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def url(self, user: str = "") -> str:
        return f"rtsp://{user + '@' if user else ''}127.0.0.1:{self.port}/live"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_S)
        self._server.close()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(0.05)
                try:
                    self._serve(connection)
                except OSError:
                    continue

    def _serve(self, connection: socket.socket) -> None:
        buffer = b""
        while not self._stop.is_set():
            try:
                data = connection.recv(65536)
            except TimeoutError:
                continue
            if not data:
                return
            buffer += data
            while b"\r\n\r\n" in buffer:
                head, _, buffer = buffer.partition(b"\r\n\r\n")
                if self._answer(connection, head.decode()):
                    self._play(connection)
                    return

    def _answer(self, connection: socket.socket, head: str) -> bool:
        self.requests.append(head)
        if self.raw is not None:
            connection.sendall(self.raw)
            return False
        method, url, _ = head.partition("\r\n")[0].split(" ")
        number = next(line for line in head.split("\r\n") if line.startswith("CSeq"))
        status, headers, body = self.statuses.get(method, 200), [], ""
        if self.password and not self._admits(method, url, head):
            status = 401
            challenge = 'realm="cam", nonce="n0nce", qop="auth"' if self.scheme == "Digest" else 'realm="cam"'
            headers = [f"WWW-Authenticate: {self.scheme} {challenge}"]
        elif method == "DESCRIBE":
            body = self._sdp()
            headers = [f"Content-Base: {url}/", "Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        elif method == "SETUP":
            line = next(line for line in head.split("\r\n") if line.startswith("Transport"))
            headers = [line, "Session: 77;timeout=60"]
        text = "\r\n".join([f"RTSP/1.0 {status} X", number, *headers]) + "\r\n\r\n" + body
        connection.sendall(text.encode())
        return method == "PLAY" and status == 200

    def _admits(self, method: str, url: str, head: str) -> bool:
        line = next((line for line in head.split("\r\n") if line.startswith("Authorization")), "")
        if self.scheme == "Basic":
            return base64.b64encode(f"chef:{self.password}".encode()).decode() in line
        fields = dict(re.findall(r'(\w+)="([^"]*)"', line))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

        one, two = md5(f"chef:cam:{self.password}"), md5(f"{method}:{url}")
        return fields.get("response") == md5(f"{one}:n0nce:00000001:{fields.get('cnonce')}:auth:{two}")

    def _sdp(self) -> str:
        lines = ["v=0", "s=x", "m=video 0 RTP/AVP 96", f"a=rtpmap:96 {self.encoding}/90000", "a=control:v"]
        if self.hint:
            lines.append(f"a=fmtp:96 packetization-mode=1;sprop-parameter-sets={self.hint}")
        if self.telemetry:
            lines += ["m=application 0 RTP/AVP 97", "a=rtpmap:97 smpte336m/90000", "a=control:k"]
        if self.audio:
            lines += ["m=audio 0 RTP/AVP 0", "a=control:a"]
        return "\r\n".join([*lines, ""])

    def _play(self, connection: socket.socket) -> None:
        sequences = {0: 65_530, 2: 10}

        def send(channel: int, payload: bytes, stamp: int, *, marker: bool) -> None:
            number = sequences[channel] = (sequences[channel] + 1) % 65536
            head = struct.pack("!BBHII", 0x80, marker << 7 | 96 + channel // 2, number, stamp % 2**32, 5)
            packet = head + payload
            connection.sendall(struct.pack("!BBH", 0x24, channel, len(packet)) + packet)

        base = 2**32 - 9000  # the 32-bit clock wraps after 0.1 s
        for index in range(len(self.pictures) * 50):
            if self._stop.wait(0.01):
                return
            if self.silent_after is not None and index >= self.silent_after:
                self._stop.wait()
                return
            stamp = base + index * 3600
            if self.telemetry:
                send(2, klv_packet(index), stamp, marker=True)
            payloads = list(rtp_payloads(self.pictures[index % len(self.pictures)]))
            for at, payload in enumerate(payloads):
                send(0, payload, stamp, marker=at == len(payloads) - 1)


def rtp_payloads(picture: bytes, room: int = 1200) -> Iterator[bytes]:
    """RFC 6184 payloads of one Annex B picture: parameter sets aggregated, long slices fragmented."""
    nals = [
        nal.rstrip(b"\x00")
        for nal in picture.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01")
        if nal
    ]
    small = [nal for nal in nals if nal[0] & 0x1F > 5]
    if small:
        yield b"\x78" + b"".join(len(nal).to_bytes(2, "big") + nal for nal in small)
    for nal in (nal for nal in nals if nal[0] & 0x1F <= 5):
        if len(nal) <= room:
            yield nal
            continue
        pieces = [nal[at : at + room] for at in range(1, len(nal), room)]
        for at, piece in enumerate(pieces):
            first, last = at == 0, at == len(pieces) - 1
            yield bytes((nal[0] & 0xE0 | 28, first << 7 | last << 6 | nal[0] & 0x1F)) + piece
