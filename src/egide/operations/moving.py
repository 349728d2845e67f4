"""The newest place of everything that moves, as arrays: one row an entity, the row's index is its number on the wire.

Why arrays: a tick looks at ten thousand of them for a thousand terminals; one Python object each would take the whole tick.
Any thread may put; the ticks alone take. Held in memory only: what is not here any more is nowhere.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egide.protocols.positions import MAX_AGE, SCALE

RECORD = np.dtype([("number", "<u4"), ("lat", "<i4"), ("lon", "<i4"), ("heading", "<u2"), ("flags", "<u2")])
ROOM = 1024  # rows at the start; doubled when full
Records = NDArray[np.void]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Changed:
    """What moved since the last tick: the records, for whom each is, and where those that were seen before had been."""

    records: Records
    audience: NDArray[np.int32]
    seen: Bools
    lat: NDArray[np.int32]
    lon: NDArray[np.int32]


class Moving:
    """Latest records, when each was measured and heard, and for whom it is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.size = 1  # numbers begin at 1
        self.records: Records = np.zeros(ROOM, RECORD)
        self.at: NDArray[np.int64] = np.zeros(ROOM, np.int64)  # µs; when the place was measured
        self.heard: NDArray[np.int64] = np.zeros(ROOM, np.int64)  # µs; when it came
        self.audience: NDArray[np.int32] = np.zeros(ROOM, np.int32)
        self.here: Bools = np.zeros(ROOM, np.bool_)
        self._changed: Bools = np.zeros(ROOM, np.bool_)
        self._seen: Bools = np.zeros(ROOM, np.bool_)
        self._lat: NDArray[np.int32] = np.zeros(ROOM, np.int32)
        self._lon: NDArray[np.int32] = np.zeros(ROOM, np.int32)

    def add(self, audience: int) -> int:
        """A new number."""
        with self.lock:
            number = self.size
            if number == len(self.records):
                self._grow()
            self.records["number"][number] = number
            self.audience[number] = audience
            self.size += 1
        return number

    def _grow(self) -> None:
        for name in ("records", "at", "heard", "audience", "here", "_changed", "_seen", "_lat", "_lon"):
            old: NDArray[Any] = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(len(old), old.dtype)]))

    def put(self, number: int, lat: float, lon: float, heading: float, at_us: int, now_us: int) -> None:
        """The newest place of one (degrees, WGS84)."""
        made = (number, round(lat * SCALE), round(lon * SCALE), round(heading % 360 * 100) % 36_000, 0)
        with self.lock:
            self.records[number] = made
            self.at[number], self.heard[number] = at_us, now_us
            self.here[number] = self._changed[number] = True

    def put_many(self, rows: NDArray[np.float64], now_us: int) -> None:
        """The newest places of many: rows of number, latitude, longitude, heading."""
        numbers = rows[:, 0].astype(np.intp)
        with self.lock:
            self.records["lat"][numbers] = np.rint(rows[:, 1] * SCALE)
            self.records["lon"][numbers] = np.rint(rows[:, 2] * SCALE)
            self.records["heading"][numbers] = np.rint(rows[:, 3] % 360 * 100) % 36_000
            self.at[numbers] = self.heard[numbers] = now_us
            self.here[numbers] = self._changed[numbers] = True

    def drop(self, numbers: NDArray[np.intp]) -> None:
        """Gone: nothing of their places is left here."""
        with self.lock:
            self.here[numbers] = self._changed[numbers] = self._seen[numbers] = False
            for field in ("lat", "lon", "heading"):
                self.records[field][numbers] = 0
            self._lat[numbers] = self._lon[numbers] = 0
            self.at[numbers] = self.heard[numbers] = 0

    def take(self, now_us: int) -> Changed | None:
        """What moved since it was last asked; None where nothing did."""
        with self.lock:
            which = np.flatnonzero(self._changed[: self.size])
            if not which.size:
                return None
            self._changed[which] = False
            records = self.records[which]
            records["flags"] = self._ages(which, now_us)
            found = Changed(records, self.audience[which], self._seen[which], self._lat[which], self._lon[which])
            self._seen[which] = True
            self._lat[which], self._lon[which] = records["lat"], records["lon"]
        return found

    def whole(self, now_us: int) -> tuple[Records, NDArray[np.int32]]:
        """(every record, for whom each is) as they stand."""
        with self.lock:
            which = np.flatnonzero(self.here[: self.size])
            records = self.records[which]
            records["flags"] = self._ages(which, now_us)
            return records, self.audience[which]

    def silent(self, since_us: int) -> NDArray[np.intp]:
        """The numbers not heard of since a time."""
        with self.lock:
            return np.flatnonzero(self.here[: self.size] & (self.heard[: self.size] < since_us))

    def _ages(self, which: NDArray[np.intp], now_us: int) -> NDArray[np.uint16]:
        return np.clip((now_us - self.at[which]) // 1_000_000, 0, MAX_AGE).astype(np.uint16)
