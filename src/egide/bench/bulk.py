"""A capability that only the bench has: one act that brings many rows (design, “Bulk”: one act, N rows, one sub-root)."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Float, Integer, MetaData, String, Table

from egide.kernel.act import Ctx, Effect, Input, act
from egide.kernel.capability import Capability
from egide.kernel.merkle import Frontier, leaf_hashes
from egide.kernel.tables import BIG

metadata = MetaData()
record = Table(
    "bench_record",
    metadata,
    Column("batch", BIG, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("plate", String(16), nullable=False),
    Column("at", BIG, nullable=False),
    Column("lat", Float, nullable=False),
    Column("lon", Float, nullable=False),
)
MAX_BYTES = 8 * 1024 * 1024

_encode = msgspec.json.Encoder().encode


class Record(msgspec.Struct, array_like=True, frozen=True):
    """One row of an import."""

    plate: str
    at: int
    lat: float
    lon: float


class Records(Input):
    """An import."""

    records: list[Record]


class Imported(msgspec.Struct):
    """How many rows came in."""

    rows: int


@act(
    "bench.records.import", verb="collect", activity="bench-import", roles=["command"], duty=True, input=Records, output=Imported,
    max_bytes=MAX_BYTES, fr="Importer des enregistrements (mesure)", en="Import records (bench)",
)  # fmt: skip
def bring(ctx: Ctx, given: Records) -> Effect:
    records, batch = given.records, ctx.now_us
    tree = Frontier()
    tree.extend(leaf_hashes(map(_encode, records)))
    rows = [
        (record, {"batch": batch, "number": number, "plate": one.plate, "at": one.at, "lat": one.lat, "lon": one.lon})
        for number, one in enumerate(records)
    ]
    return Effect(Imported(len(records)), rows=rows, bulk=(len(records), tree.root()))


def capability() -> Capability:
    """What `egide.app.build` takes as `extra`."""
    return Capability(name="bench", package="egide.bench", acts=(bring,), tables=metadata)
