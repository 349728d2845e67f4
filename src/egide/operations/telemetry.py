"""Positions that come beside the video: MAVLink of our own aircraft, and receivers of remote identification.

One line of configuration each: the tag `mavlink:PORT` or `mavlink:PORT:SYSTEM` on a source listens to its autopilot while its
camera runs; a source of kind `remoteid` with `udp://host:port` is a receiver and listens as long as it is declared.
A UDP port is shared between the processes of an installation, and between aircraft, as for video (media/port.py).
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic, time_ns
from typing import Final
from urllib.parse import urlsplit

from egide.operations.media.errors import SourceError, source_error
from egide.operations.media.port import Port
from egide.operations.plausible import AIRCRAFT, Plausible
from egide.operations.positions import Positions
from egide.operations.signals import Signals
from egide.protocols import mavlink

TAG: Final = re.compile(r"^mavlink:(\d{1,5})(?::(\d{1,3}))?$")
RECEIVER: Final = "remoteid"
MAX_RATE: Final = 1_000
"""Datagrams in one second of a port; what is more is dropped and counted."""
AGAIN_S: Final = 2.0
"""Seconds until a port that could not be had is tried again."""
SILENCE_S: Final = 5.0
"""Seconds after which another autopilot on the same port may be believed."""
_DATAGRAM: Final = 4096


def mavlink_of(tags: list[str]) -> tuple[int, int] | None:
    """(port, system or 0) of a source's tags.  Raises ValueError for a tag of that kind that is none."""
    for tag in tags:
        if tag.startswith("mavlink"):
            found = TAG.match(tag)
            if found is None or not 0 < int(found[1]) < 65536 or int(found[2] or 0) > 255:
                raise ValueError(tag)
            return int(found[1]), int(found[2] or 0)
    return None


class Listener:
    """One port in a thread of its own, bounded in rate; a port that cannot be had is tried again, and told in `problem`."""

    def __init__(self, host: str, port: int, secret: bytes, take: Callable[[bytes, object], None]) -> None:
        self.dropped = 0
        self.problem: tuple[str, str] | None = None
        self.listening = False
        self._address = (host, port, secret)
        self._take = take
        self._stop = threading.Event()
        self._window = (0, 0)
        self._thread = threading.Thread(target=self._run, name=f"telemetry-{port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends within 0.2 s, or within the 1.5 s that sharing a port may take."""
        self._stop.set()
        self._thread.join(2.0)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                port = Port(*self._address)
            except SourceError as error:
                self.problem = error.text
                self._stop.wait(AGAIN_S)
                continue
            self.problem, self.listening = None, True
            try:
                self._receive(port)
            finally:
                port.close()
                self.listening = False

    def _receive(self, port: Port) -> None:
        while not self._stop.is_set():
            try:
                data, sender = port.recvfrom(_DATAGRAM, 0)
            except TimeoutError:
                continue
            except OSError:
                return  # the interface went away: the port is opened again
            port.accepted(data)
            if self._admits():
                self._take(data, sender)

    def _admits(self) -> bool:
        second, count = self._window
        now = int(monotonic())
        self._window = (now, count + 1) if now == second else (now, 1)
        self.dropped += self._window[1] > MAX_RATE
        return self._window[1] <= MAX_RATE


@dataclass(slots=True)
class Autopilot:
    """What one source's autopilot says. `place` and `heading` in degrees; `heard` in monotonic seconds."""

    system: int
    on_place: Callable[[float, float, float], None]
    track: Plausible = field(default_factory=lambda: Plausible(AIRCRAFT))
    counts: mavlink.Counts = field(default_factory=mavlink.Counts)
    yaw: float = 0.0
    heard: float = 0.0
    believed: int = 0
    """The system listened to: the one asked for, else the first that tells a place."""

    def take(self, data: bytes, _sender: object) -> None:
        """One datagram."""
        for frame in mavlink.frames(data, self.counts):
            if self.system and frame.system != self.system:
                continue
            said = mavlink.decode(frame)
            if isinstance(said, mavlink.Attitude) and frame.system == self.believed:
                self.yaw = said.yaw
            elif isinstance(said, mavlink.GlobalPosition):
                self._place(frame.system, said)

    def _place(self, system: int, said: mavlink.GlobalPosition) -> None:
        now = monotonic()
        if system != self.believed and self.believed and now - self.heard < SILENCE_S:
            return
        self.believed = system
        if self.track.judge(said.lat, said.lon, time_ns() // 1000) is None:
            self.heard = now
            self.on_place(said.lat, said.lon, said.heading if said.heading is not None else self.yaw)


class Telemetry:
    """The listeners of this process."""

    def __init__(self, positions: Positions, loop: asyncio.AbstractEventLoop) -> None:
        self.signals = Signals(positions)
        self._loop = loop
        self.autopilots: dict[str, Autopilot] = {}
        self._listeners: dict[str, Listener] = {}
        self._receivers: set[str] = set()
        self._worker = ThreadPoolExecutor(1, "receivers")  # one, so that what was declared last is done last

    def follow(
        self, source: str, port: int, system: int, secret: bytes, on_place: Callable[[float, float, float], None]
    ) -> None:
        """Listens to the autopilot of a source; a port that cannot be had is told by `problem`."""
        pilot = self.autopilots[source] = Autopilot(system, on_place)
        self._listen(source, "", port, secret, pilot.take)

    def receive(self, source: str, url: str, secret: bytes) -> None:
        """Listens to a receiver of remote identification.  Raises SourceError address."""
        host, port = receiver_address(url)
        self._listen(source, host, port, secret, self._signalled)

    def _signalled(self, data: bytes, sender: object) -> None:
        """To the event loop: what comes and goes on the map is told to terminals, and theirs are the loop's sockets."""
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to tell
            self._loop.call_soon_threadsafe(self.signals.take, data, sender)

    def receivers(self, declared: dict[str, tuple[str, bytes]]) -> None:
        """Listens to these receivers, by source (address, secret), and soon to no other: closing may take a moment."""
        self._worker.submit(self._keep, declared)

    def _keep(self, declared: dict[str, tuple[str, bytes]]) -> None:
        for source in self._receivers - declared.keys():
            self.leave(source)
        for source in declared.keys() - self._receivers:
            self.receive(source, *declared[source])
        self._receivers = set(declared)

    def leave(self, source: str) -> None:
        """Listens no more."""
        self.autopilots.pop(source, None)
        listener = self._listeners.get(source)
        if listener is not None:
            listener.close()
            self._listeners.pop(source, None)

    def close(self) -> None:
        """Ends every listener; once."""
        self._worker.shutdown()
        for source in list(self._listeners):
            self.leave(source)

    def problem(self, source: str) -> tuple[str, str] | None:
        """Why a source's positions cannot be listened to (French, English)."""
        listener = self._listeners.get(source)
        return listener.problem if listener is not None else None

    def listening(self, source: str) -> bool:
        """Whether a source's positions are listened to now."""
        listener = self._listeners.get(source)
        return listener is not None and listener.listening

    def refused(self, source: str) -> dict[str, int]:
        """What was refused of a source's positions, by fault."""
        pilot = self.autopilots.get(source)
        found = dict(pilot.track.refused if pilot is not None else self.signals.refused)
        if pilot is not None and pilot.counts.damaged:
            found["damaged"] = pilot.counts.damaged
        listener = self._listeners.get(source)
        if listener is not None and listener.dropped:
            found["too-fast"] = listener.dropped
        return found

    def _listen(self, source: str, host: str, port: int, secret: bytes, take: Callable[[bytes, object], None]) -> None:
        old = self._listeners.pop(source, None)
        if old is not None:
            old.close()
        self._listeners[source] = Listener(host, port, secret, take)


def receiver_address(url: str) -> tuple[str, int]:
    """(host, port) of a receiver's address.  Raises SourceError address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as problem:
        raise source_error("address") from problem
    if parts.scheme != "udp" or not port:
        raise source_error("address")
    return host, port
