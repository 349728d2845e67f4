"""Aircraft that signal themselves by radio, as receivers tell: where each is, and, apart, who flies it.

Everything is in memory and gone two minutes after an aircraft fell silent. The place goes onto the shared picture under a neutral
name; the identifiers, the pilot's place and words leave this file through the act `operations.drone.identify` alone.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Final

from egide.operations.plausible import AIRCRAFT, Plausible
from egide.protocols import mavlink, remoteid

if TYPE_CHECKING:
    from egide.operations.positions import Positions

CURRENT_S: Final = 30.0
"""Seconds after which an aircraft is no longer said to signal itself now."""
FORGET_S: Final = 120.0
"""Seconds after the last signal when all that is known of an aircraft is forgotten."""
MAX_DRONES: Final = 500
"""Aircraft kept at once; more are counted and not kept."""
_HOUR_US: Final = 3_600_000_000


@dataclass(slots=True)
class Drone:
    """One aircraft that signals itself."""

    id: str
    name: str
    number: int
    heard: float
    track: Plausible = field(default_factory=lambda: Plausible(AIRCRAFT))
    basic: dict[int, remoteid.BasicId] = field(default_factory=dict)
    location: remoteid.Location | None = None
    system: remoteid.System | None = None
    operator: remoteid.OperatorId | None = None
    words: remoteid.SelfId | None = None
    french: remoteid.FrenchSignal | None = None

    @property
    def age_s(self) -> float:
        """Seconds since it was heard."""
        return monotonic() - self.heard


class Signals:
    """What receivers hear. Any thread."""

    def __init__(self, positions: Positions) -> None:
        self.refused: Counter[str] = Counter()
        self._positions = positions
        self._drones: dict[bytes, Drone] = {}
        self._last_key: dict[object, bytes] = {}
        self._free = deque(range(1, MAX_DRONES + 1))
        self._seen = 0
        self._lock = threading.Lock()

    def drones(self) -> list[Drone]:
        """Those heard of late."""
        with self._lock:
            self._forget()
            return list(self._drones.values())

    def find(self, id_: str) -> Drone | None:
        """The one with this id."""
        return next((drone for drone in self.drones() if drone.id == id_), None)

    def take(self, datagram: bytes, receiver: object) -> None:
        """One datagram of a receiver (framing: protocols/remoteid/capture.py), or MAVLink with OPEN_DRONE_ID messages."""
        try:
            capture = remoteid.read(datagram)
        except remoteid.RemoteIdError:
            self._mavlink(datagram, receiver)
            return
        self._hear(capture.address, list(capture.messages), receiver)

    def _mavlink(self, datagram: bytes, receiver: object) -> None:
        found = False
        for frame in mavlink.frames(datagram):
            found = True
            said = mavlink.decode(frame)
            messages = said if isinstance(said, list) else [said]
            kept = [m for m in messages if isinstance(m, remoteid.Message)]
            if kept:
                self._hear(mavlink.heard_from(frame), [*kept], (receiver, frame.system))
        if not found:
            self.refused["unreadable"] += 1

    def _hear(self, address: bytes, messages: list[remoteid.Message | remoteid.FrenchSignal], receiver: object) -> None:
        with self._lock:
            self._forget()
            drone = self._drone(self._key(address, messages, receiver))
            if drone is None:
                self.refused["too-many"] += 1
                return
            drone.heard = monotonic()
            for message in messages:
                self._learn(drone, message)

    def _key(self, address: bytes, messages: list[remoteid.Message | remoteid.FrenchSignal], receiver: object) -> bytes:
        """Whose words these are: by radio address, by the identifier said with them, else by what came last that way."""
        if address:
            return b"a" + address
        for message in messages:
            if isinstance(message, remoteid.BasicId) and message.uas_id:
                key = b"i" + message.uas_id.encode()
            elif isinstance(message, remoteid.FrenchSignal) and (message.uas_id or message.serial):
                key = b"f" + (message.uas_id or message.serial).encode()
            else:
                continue
            if len(self._last_key) >= MAX_DRONES:
                self._last_key.clear()
            self._last_key[receiver] = key
            return key
        return self._last_key.get(receiver, b"r" + repr(receiver).encode())

    def _drone(self, key: bytes) -> Drone | None:
        known = self._drones.get(key)
        if known is not None or not self._free:
            return known
        slot = self._free.popleft()
        self._seen += 1
        id_, name = f"drone-{slot}", f"Signal {self._seen}"
        made = self._drones[key] = Drone(id_, name, self._positions.number(id_, name, "drone"), monotonic())
        return made

    def _learn(self, drone: Drone, message: remoteid.Message | remoteid.FrenchSignal) -> None:
        if isinstance(message, remoteid.BasicId):
            drone.basic[message.id_type] = message  # sixteen types at most
        elif isinstance(message, remoteid.Location):
            drone.location = message
            if message.lat is not None and message.lon is not None:
                self._put(drone, message.lat, message.lon, message.direction, _said_us(message.hour_s))
        elif isinstance(message, remoteid.System):
            drone.system = message
        elif isinstance(message, remoteid.OperatorId):
            drone.operator = message
        elif isinstance(message, remoteid.SelfId):
            drone.words = message
        elif isinstance(message, remoteid.FrenchSignal):
            drone.french = message
            if message.lat is not None and message.lon is not None:
                self._put(drone, message.lat, message.lon, message.course, None)

    def _put(self, drone: Drone, lat: float, lon: float, course: float | None, said_us: int | None) -> None:
        fault = drone.track.judge(lat, lon, time_ns() // 1000, said_us)
        if fault is not None:
            self.refused[fault] += 1
            return
        self._positions.put(drone.number, lat, lon, course or 0.0)

    def _forget(self) -> None:
        now = monotonic()
        for key, drone in list(self._drones.items()):
            if now - drone.heard > FORGET_S:
                del self._drones[key]
                self._positions.drop(drone.id)
                self._free.append(int(drone.id.removeprefix("drone-")))  # the longest unused is taken first


def _said_us(hour_s: float | None) -> int | None:
    """The sender's time nearest to now, of its tenths after the full hour."""
    if hour_s is None:
        return None
    now = time_ns() // 1000
    return now + (int(hour_s * 1e6) - now + _HOUR_US // 2) % _HOUR_US - _HOUR_US // 2
