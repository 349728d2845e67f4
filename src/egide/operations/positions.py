"""Positions on the wire: 16 bytes an entity, the newest wins, encoded once for everyone, sent in ticks.

A subscription is an act; what then passes is counted and sealed each minute as one leaf with its sub-root (design, “Busy wires”).
"""

from __future__ import annotations

import asyncio
import struct
import threading
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from egide.kernel.merkle import Frontier, leaf_hash

if TYPE_CHECKING:
    from egide.kernel.door import Kernel

TICK_S = 0.05  # s: at most 20 frames a second a terminal, whatever the sources send
MINUTE_S = 60.0  # s between sealed counts
KIND = 4  # frame kind of positions (contract of the live socket)
HEADER = struct.Struct("<BBHQQ")
RECORD = struct.Struct("<IiiHH")


class Wire(Protocol):
    """What a terminal's socket offers (gateways.live.Channel)."""

    def send(self, data: bytes) -> None:
        """Queues a frame."""

    def push(self, message: dict[str, Any]) -> None:
        """Queues a message."""

    def pending(self) -> int:
        """Bytes still queued."""


MAX_BEHIND = 256 * 1024  # bytes queued on a terminal; beyond, it misses ticks (the next one holds the newest anyway)


class Positions:
    """Latest positions and who wants them."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._numbers: dict[str, int] = {}
        self._entities: dict[int, dict[str, Any]] = {}
        self._latest: dict[int, bytes] = {}
        self._changed: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._wires: set[Wire] = set()
        self._task: asyncio.Task[None] | None = None
        self._passed = 0
        self._frontier = Frontier()

    def start(self) -> None:
        """Starts the ticks."""
        self._task = asyncio.create_task(self._run(), name="positions")

    async def stop(self) -> None:
        """Stops the ticks."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def number(self, id_: str, name: str, kind: str) -> int:
        """The wire number of an entity; terminals are told its name."""
        with self._lock:
            number = self._numbers.setdefault(id_, len(self._numbers) + 1)
            self._entities[number] = {"number": number, "id": id_, "name": name, "kind": kind}
        for wire in tuple(self._wires):
            wire.push({"push": "entities", "entities": [self._entities[number]]})
        return number

    def put(self, number: int, lat: float, lon: float, heading: float) -> None:
        """The newest position (degrees, WGS84). Any thread."""
        record = RECORD.pack(number, round(lat * 1e7), round(lon * 1e7), round(heading % 360 * 100) % 36000, 0)
        with self._lock:
            self._changed[number] = record

    def put_many(self, records: list[tuple[int, float, float, float]]) -> None:
        """Many at once. Any thread."""
        pack = RECORD.pack
        made = {
            n: pack(n, round(lat * 1e7), round(lon * 1e7), round(heading % 360 * 100) % 36000, 0)
            for n, lat, lon, heading in records
        }
        with self._lock:
            self._changed.update(made)

    def drop(self, id_: str) -> None:
        """The entity is gone."""
        with self._lock:
            number = self._numbers.get(id_)
            if number is not None:
                self._latest.pop(number, None)
                self._changed.pop(number, None)

    def join(self, wire: Wire) -> None:
        """A terminal subscribes: names and last places first."""
        wire.push({"push": "entities", "entities": list(self._entities.values())})
        if self._latest:
            wire.send(_frame(b"".join(self._latest.values())))
        self._wires.add(wire)

    def leave(self, wire: Wire) -> None:
        """A terminal goes."""
        self._wires.discard(wire)

    def tick(self) -> int:
        """Sends what changed; returns how many records went to each terminal."""
        with self._lock:
            if not self._changed:
                return 0
            changed, self._changed = self._changed, {}
        self._latest.update(changed)
        payload = b"".join(changed.values())
        self._passed += len(changed)
        self._frontier.extend([leaf_hash(payload)])
        frame = _frame(payload)
        for wire in self._wires:
            if wire.pending() < MAX_BEHIND:
                wire.send(frame)
        return len(changed)

    async def _run(self) -> None:
        sealed = monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()
            if monotonic() - sealed >= MINUTE_S:
                sealed = monotonic()
                await self.seal()

    async def seal(self) -> None:
        """One leaf for what passed since the last one."""
        if not self._passed:
            return
        given = msgspec.json.encode(
            {"records": self._passed, "terminals": len(self._wires), "root": self._frontier.root().hex()}
        )
        self._passed, self._frontier = 0, Frontier()
        await self._kernel.perform("operations.track.seal", given, self._kernel.system("picture"))


def _frame(payload: bytes) -> bytes:
    return HEADER.pack(KIND, 0, 0, 0, time_ns() // 1000) + payload
