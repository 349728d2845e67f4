"""The sources of the soak: aircraft's links of every kind the platform takes, that can be killed and come again.

No picture is coded while the soak runs: a clip is coded once, and each source puts its access units into a transport stream with
a running clock, so that a receiver sees a camera that goes on and not a file that begins again. They all live on the test's own
loop, but for the senders that are killed with -9.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from av import VideoFrame

from egide.exercise.encoder import AccessUnit, Encoder
from egide.operations.media.tsmux import TsMuxer
from egide.protocols import klv, mavlink, remoteid
from egide.protocols.geodesy import Pose
from tests.attacks.soak_sender import DATAGRAM, RATE
from tests.ports import free_port

GROUP = 4  # pictures from one key picture to the next: half a second
SIZE = (160, 96)
PLACE = (60.17, 24.945)  # lat, lon: inside the order's perimeter


def clip(pictures: int = 4 * GROUP) -> list[AccessUnit]:
    """The pictures that all cameras show, coded once."""
    encoder, made = Encoder(SIZE, RATE, 100_000), []
    for number in range(pictures):
        image = np.full((SIZE[1] * 3 // 2, SIZE[0]), 90, np.uint8)
        image[: SIZE[1], number * 9 % SIZE[0] :][:, :20] = 220
        frame = VideoFrame.from_ndarray(image, format="yuv420p")
        made.append(encoder.encode(frame, key=number % GROUP == 0))
    return made


class Reel:
    """The clip as one aircraft sends it: with a clock that runs on and telemetry of its own."""

    def __init__(self, pictures: list[AccessUnit], number: int, *, telemetry: bool = True) -> None:
        self._pictures, self._telemetry = pictures, telemetry
        self._mux = TsMuxer(with_klv=telemetry)
        self._number = number
        self._begun = time.monotonic_ns() // 1000
        self._turn = 0

    @property
    def first(self) -> AccessUnit:
        """The first picture: a key picture with its parameter sets."""
        return self._pictures[0]

    def picture(self) -> AccessUnit:
        """The next one."""
        self._turn += 1
        return self._pictures[(self._turn - 1) % len(self._pictures)]

    def said(self) -> bytes:
        """The telemetry of this moment: the aircraft circles over its place."""
        angle = time.monotonic() / 20 + self._number
        pose = Pose(
            PLACE[0] + 0.001 * math.sin(angle), PLACE[1] + 0.002 * math.cos(angle), 120.0, heading=0.0, rel_elevation=-60.0, hfov=50.0
        )  # fmt: skip
        return klv.encode(klv.frame_of(pose, time.time_ns() // 1000, mission="SOAK", tail=f"F-S{self._number:03d}"))

    def piece(self, now_us: int | None = None, more: bytes = b"") -> bytes:
        """The packets of the next picture, with `more` NAL units in it; of this moment or of another (µs since the first)."""
        unit, now = self.picture(), time.monotonic_ns() // 1000 - self._begun if now_us is None else now_us
        if unit.key:
            self._mux.tables()
        self._mux.video(unit.data + more, now, now, unit.key)
        if self._telemetry:
            self._mux.klv(self.said(), now)
        return self._mux.take()


@dataclass(eq=False)
class Source:
    """A sender. `alive` is the monotonic time since which it sends, None while it does not; `life` counts its lives."""

    name: str
    number: int
    port: int = field(default_factory=free_port)
    alive: float | None = None
    life: int = 0

    async def join(self) -> None:
        """It sends from now on."""
        await self.up()
        self.alive, self.life = time.monotonic(), self.life + 1

    async def kill(self, draw: random.Random) -> str:
        """It sends no more, in one of the ways in which senders end; which."""
        self.alive = None
        return await self.down(draw)

    async def up(self) -> None:
        raise NotImplementedError

    async def down(self, draw: random.Random) -> str:
        raise NotImplementedError


class Camera(Source):
    """A source of pictures; `deployment` is the platform's word for it while it is in service."""

    kind = "udp"
    klv = True
    tags: tuple[str, ...] = ()

    def __init__(self, name: str, number: int, pictures: list[AccessUnit]) -> None:
        super().__init__(name, number)
        self.pictures = pictures
        self.source = self.deployment = ""
        self.since = 0.0  # monotonic time at which it was put into service
        self.reel = Reel(pictures, number, telemetry=self.klv)
        self._task: asyncio.Task[None] | None = None

    def in_service(self, deployment: str) -> None:
        """The platform receives it from now on."""
        self.deployment, self.since = deployment, time.monotonic()

    def out_of_service(self) -> str:
        """It does not any more; what it was called."""
        deployment, self.deployment = self.deployment, ""
        return deployment

    @property
    def url(self) -> str:
        """As the operator writes it."""
        return f"udp://127.0.0.1:{self.port}"

    async def up(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def down(self, draw: random.Random) -> str:
        silent = draw.random() < 0.4
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return self.silence() if silent else self.cut()

    def cut(self) -> str:
        """Gone at once."""
        return "stopped"

    def silence(self) -> str:
        """Nothing comes any more, and nobody says so."""
        return self.cut()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.ready()
            self.send(self.piece())
            due = max(due + 1 / RATE, loop.time() - 1)
            await asyncio.sleep(max(0.0, due - loop.time()))

    def piece(self) -> bytes:
        """The next picture's packets."""
        return self.reel.piece()

    async def ready(self) -> None:
        """Reaches the platform."""

    def send(self, piece: bytes) -> None:
        """One picture's packets; what is not taken is lost, as on the air."""
        raise NotImplementedError


class UdpCamera(Camera):
    """MPEG-TS over UDP."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._socket: socket.socket | None = None

    async def up(self) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        await super().up()

    def cut(self) -> str:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        return "stopped"

    def send(self, piece: bytes) -> None:
        if self._socket is None:
            return
        for at in range(0, len(piece), DATAGRAM):
            with contextlib.suppress(OSError):
                self._socket.sendto(piece[at : at + DATAGRAM], ("127.0.0.1", self.port))


class PilotedCamera(UdpCamera):
    """The same without telemetry in the video: its autopilot speaks for itself (MAVLink)."""

    klv = False

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.pilot = Autopilot(f"{self.name} autopilot", self.number)
        self.tags = (f"mavlink:{self.pilot.port}",)


class ProcessCamera(Camera):
    """The same from a process, which is killed with -9."""

    def __init__(self, *given: Any, folder: Path) -> None:
        super().__init__(*given)
        self._process: subprocess.Popen[bytes] | None = None
        self._file = folder / f"reel-{self.number}"
        pieces = [self.reel.piece(turn * 1_000_000 // RATE) for turn in range(len(self.pictures) * 4)]
        self._file.write_bytes(b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces))

    async def up(self) -> None:
        if self._process is None:
            program = Path(__file__).with_name("soak_sender.py")
            self._process = subprocess.Popen(
                [sys.executable, "-S", "-E", str(program), str(self._file), str(self.port)]
            )

    def cut(self) -> str:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        return "kill -9"


class Beacon(Source):
    """A sender of small datagrams; it falls silent."""

    every = 1.0  # s

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name, number, free_port())
        self._turn = itertools.count()
        self._task: asyncio.Task[None] | None = None

    async def up(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def down(self, draw: random.Random) -> str:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return "silent"

    async def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while True:
                for said in self.said(next(self._turn)):
                    with contextlib.suppress(OSError):
                        out.sendto(said, ("127.0.0.1", self.port))
                await asyncio.sleep(self.every)

    def place(self, turn: int) -> tuple[float, float]:
        """Where it is: around, slowly."""
        angle = turn / 50 + self.number
        return PLACE[0] + 0.002 * math.sin(angle), PLACE[1] + 0.004 * math.cos(angle)

    def said(self, turn: int) -> list[bytes]:
        """The datagrams of one moment."""
        raise NotImplementedError


class Autopilot(Beacon):
    """MAVLink, as an aircraft's autopilot speaks."""

    every = 0.2

    def said(self, turn: int) -> list[bytes]:
        lat, lon = self.place(turn)
        position = mavlink.GlobalPosition(turn * 200, lat, lon, 150.0, 120.0, 5.0, 0.0, 0.0, 0.0)
        return [mavlink.write(mavlink.GLOBAL_POSITION_INT, mavlink.encode_position(position), system=7, sequence=turn)]


class Receiver(Beacon):
    """A receiver of remote identification, which hears two aircraft."""

    def __init__(self, name: str, number: int) -> None:
        super().__init__(name, number)
        self.source = ""

    def said(self, turn: int) -> list[bytes]:
        lat, lon = self.place(turn)
        hour = time.time() % remoteid.HOUR_S
        return [
            remoteid.pack([
                remoteid.BasicId(1, 2, f"SOAK{self.number:04d}{each}"),
                remoteid.Location(2, lat + each / 1000, lon, 150.0, None, 120.0, 1, 90.0, 5.0, 0.0, hour, 10, 4),
            ])
            for each in range(2)
        ]  # fmt: skip
