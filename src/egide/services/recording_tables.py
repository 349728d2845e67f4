"""The tables of recordings of hearings: each one, its sealed parts, and who may watch it for the next minutes. Nothing in them is
said by anybody: picture and sound lie sealed among the objects.
"""  # fmt: skip

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from egide.kernel.tables import BIG
from egide.services.tables import metadata

recording = Table(
    "service_recording",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("file", String(40), nullable=False),
    Column("officer", String(40), info={"person": "null"}),
    Column("secret", String(64), nullable=False),  # SHA-256 of the grant under which its parts come
    Column("began", BIG, nullable=False),  # µs
    Column("until", BIG, nullable=False),  # µs; the grant's end
    Column("seen", BIG, nullable=False),  # µs; when the last part came
    Column("ended", BIG),  # µs; from then no byte is added
    Column("how", String(16), nullable=False),  # it ended: stop, withdraw, cut, over; "" while it runs
    Column("parts", Integer, nullable=False),
    Column("bytes", BIG, nullable=False),
    Column("chain", String(64), nullable=False),  # the last link over its parts
    Column("erased", BIG),  # µs
    Index("service_recording_by_file", "file"),
)

part = Table(
    "service_recording_part",
    metadata,
    Column("recording", String(40), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("start", BIG, nullable=False),  # bytes from the beginning
    Column("length", BIG, nullable=False),
    Column("link", String(64), nullable=False),
)

view = Table(
    "service_recording_view",
    metadata,
    Column("ticket", String(64), primary_key=True),  # SHA-256 of the address
    Column("recording", String(40), nullable=False),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("act", String(80), nullable=False),  # by which it was opened
    Column("purpose", String(40), nullable=False),
    Column("until", BIG, nullable=False),  # µs
)
