"""The ledger's tiles in SQL: what ledger.Log reads to recover and to prove (C2SP tlog-tiles, 256 hashes a tile)."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, func, select

from egide.kernel import tables
from egide.kernel.merkle import leaf_hash


class SqlTiles:
    """`ledger.TileStore` over what `reader` gives: `Store.reader`, or one connection to one moment (`Store.moment`)."""

    def __init__(self, reader: Callable[[], Connection], realm: str) -> None:
        self._reader = reader
        self._realm = realm

    def tile(self, level: int, number: int) -> bytes | None:
        """The 256 hashes of a full tile, None while it is not full."""
        table = tables.tile
        found = (
            self._reader()
            .execute(
                select(table.c.hashes).where(
                    table.c.realm == self._realm, table.c.level == level, table.c.number == number
                )
            )
            .scalar()
        )
        return bytes(found) if found is not None else None

    def tile_root(self, level: int, number: int) -> bytes:
        """The root of a full tile."""
        table = tables.tile
        found = (
            self._reader()
            .execute(
                select(table.c.root).where(
                    table.c.realm == self._realm, table.c.level == level, table.c.number == number
                )
            )
            .scalar_one()
        )
        return bytes(found)

    def full_tiles(self, level: int) -> int:
        """How many full tiles a level has."""
        table = tables.tile
        return int(
            self._reader()
            .execute(select(func.count()).where(table.c.realm == self._realm, table.c.level == level))
            .scalar_one()
        )

    def leaf_hashes(self, start: int, end: int) -> list[bytes]:
        """Hashes of the leaves [start, end), computed from the leaves themselves."""
        table = tables.entry
        rows = self._reader().execute(
            select(table.c.leaf)
            .where(table.c.realm == self._realm, table.c.idx >= start, table.c.idx < end)
            .order_by(table.c.idx)
        )
        return [leaf_hash(bytes(row[0])) for row in rows]
