"""Which records go to which viewport: cells of a grid, sorted once, cut out once for all terminals that look at the same cells.

The world is cut into square cells whose size doubles from level to level; a viewport takes the level at which it is at most
`ROWS` cells high. Sorted row by row, each of its rows is one slice of the tick's records, so that a viewport is a handful of
slices joined: 16 bytes an entity are copied once and nothing is encoded again. Whatever crosses from one cell into another is
put into both, so that a terminal hears the first place outside its cells too, and knows that the entity has left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from egide.operations.moving import Bools, Changed, Records
from egide.protocols.positions import SCALE, View

if TYPE_CHECKING:
    from collections.abc import Hashable

FINEST = 20_000  # 1e-7 degrees of a cell at level 0: some 220 m
LEVELS = 18  # at the last one the world is one cell high
ROWS = 8  # cells of a viewport's height, at most one more
SOUTH, WEST = -90 * SCALE, -180 * SCALE
WIDE = 1 << 21  # more than the cells of any row
SIZE = 16  # bytes of a record


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a viewport: a level, rows, and one or two (across the 180th meridian) ranges of columns, all inclusive."""

    level: int
    first: int
    last: int
    columns: tuple[tuple[int, int], ...]

    def keys(self) -> tuple[list[int], list[int]]:
        """(first, one past the last) key of each slice."""
        low = [row * WIDE + first for row in range(self.first, self.last + 1) for first, _ in self.columns]
        high = [row * WIDE + last + 1 for row in range(self.first, self.last + 1) for _, last in self.columns]
        return low, high

    def holds(self, records: Records) -> Bools:
        """Which records lie in these cells."""
        size = FINEST << self.level
        row = (records["lat"].astype(np.int64) - SOUTH) // size
        column = (records["lon"].astype(np.int64) - WEST) // size
        inside: Bools = np.zeros(len(records), np.bool_)
        for first, last in self.columns:
            inside |= (column >= first) & (column <= last)
        return inside & (row >= self.first) & (row <= self.last)


def cells(view: View) -> Cells:
    """The cells that cover a viewport."""
    height = max(view.north - view.south, 1)
    level = next((n for n in range(LEVELS) if FINEST << n >= height / ROWS), LEVELS - 1)
    size = FINEST << level
    west, east = (view.west - WEST) // size, (view.east - WEST) // size
    columns = ((west, east),) if view.west <= view.east else ((west, (360 * SCALE) // size), (0, east))
    return Cells(level, (view.south - SOUTH) // size, (view.north - SOUTH) // size, columns)


@dataclass(slots=True)
class _Level:
    """Everyone who looks at one level through one filter, by the cells they look at."""

    watchers: dict[Cells, dict[Any, None]] = field(default_factory=dict)
    cut: tuple[NDArray[np.int64], NDArray[np.int64], list[int]] | None = None

    def edges(self) -> tuple[NDArray[np.int64], NDArray[np.int64], list[int]]:
        """(low keys, high keys, where each cells' slices begin), put together again only after somebody has moved."""
        if self.cut is None:
            low: list[int] = []
            high: list[int] = []
            starts = [0]
            for each in self.watchers:
                first, last = each.keys()
                low += first
                high += last
                starts.append(len(low))
            self.cut = np.array(low, np.int64), np.array(high, np.int64), starts
        return self.cut


class Viewports:
    """Who looks where. `seat` is whatever the caller knows a terminal by."""

    def __init__(self) -> None:
        self._levels: dict[tuple[Hashable, int], _Level] = {}
        self._at: dict[Any, tuple[Hashable, Cells]] = {}

    def look(self, seat: Any, audience: Hashable, where: Cells) -> None:
        """A terminal looks there from now on."""
        self.leave(seat)
        level = self._levels.setdefault((audience, where.level), _Level())
        level.watchers.setdefault(where, {})[seat] = None
        level.cut = None
        self._at[seat] = audience, where

    def leave(self, seat: Any) -> None:
        """A terminal looks nowhere any more."""
        found = self._at.pop(seat, None)
        if found is None:
            return
        audience, where = found
        level = self._levels[audience, where.level]
        del level.watchers[where][seat]
        if not level.watchers[where]:
            del level.watchers[where]
        level.cut = None
        if not level.watchers:
            del self._levels[audience, where.level]

    def cut(
        self, changed: Changed, allowed: Mapping[Any, Bools | None]
    ) -> Iterator[tuple[list[Any], list[memoryview]]]:
        """(terminals, slices of records) for all cells in which something moved.

        `allowed`: by filter, which audiences it lets through (None: all).
        """
        sorted_: dict[int, tuple[NDArray[np.int64], Records, NDArray[np.int32]]] = {}
        for (audience, number), level in self._levels.items():
            if number not in sorted_:
                sorted_[number] = _sorted(changed, number)
            keys, records, whose = sorted_[number]
            may = allowed[audience]
            if may is not None:
                kept = np.flatnonzero(may.take(whose))
                keys, records = keys.take(kept), records.take(kept)
            low, high, starts = level.edges()
            begins = (np.searchsorted(keys, low) * SIZE).tolist()
            ends = (np.searchsorted(keys, high) * SIZE).tolist()
            data = memoryview(records.tobytes())
            for place, watchers in enumerate(level.watchers.values()):
                parts = [
                    data[begins[n] : ends[n]] for n in range(starts[place], starts[place + 1]) if ends[n] > begins[n]
                ]
                if parts:
                    yield list(watchers), parts


def _keys(lat: NDArray[np.int32], lon: NDArray[np.int32], level: int) -> NDArray[np.int64]:
    size = FINEST << level
    keys: NDArray[np.int64] = (lat.astype(np.int64) - SOUTH) // size * WIDE + (lon.astype(np.int64) - WEST) // size
    return keys


def _sorted(changed: Changed, level: int) -> tuple[NDArray[np.int64], Records, NDArray[np.int32]]:
    """(keys, records, audiences) by cell; what went from one cell to another stands in both."""
    keys = _keys(changed.records["lat"], changed.records["lon"], level)
    before = _keys(changed.lat, changed.lon, level)
    left = np.flatnonzero(changed.seen & (before != keys))
    keys = np.concatenate([keys, before[left]])
    order = np.argsort(keys, kind="stable")
    from_ = np.concatenate([np.arange(len(changed.records)), left])[order]
    return keys[order], changed.records[from_], changed.audience[from_]
