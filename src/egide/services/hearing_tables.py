"""The tables of the hearing by video: what is kept beside its file's chain, sealed with the file's key, erased with it."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.services.tables import metadata

hearing = Table(
    "service_hearing",
    metadata,
    Column("file", String(40), primary_key=True),
    # the times proposed and chosen, the statement, what the person answered
    Column("body", LargeBinary, nullable=False, info={"sealed": ("file:{file}", "service-files", "{file}.hearing")}),
)

line = Table(
    "service_hearing_line",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("file", String(40), nullable=False),
    Column("at", BIG, nullable=False),  # µs
    Column("officer", Boolean, nullable=False),
    Column("by", String(40), info={"person": "null"}),  # which officer
    # what was written in the room
    Column("body", LargeBinary, nullable=False, info={"sealed": ("file:{file}", "service-files", "{file}.line.{id}")}),
    Index("service_hearing_line_by_file", "file", "at"),
)
