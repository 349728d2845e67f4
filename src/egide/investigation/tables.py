"""Investigation's tables: cases, and the pieces that were handed over for each. What they say is sealed."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, MetaData, String, Table

from egide.kernel.tables import BIG

metadata = MetaData()

case = Table(
    "case_file",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("number", String(40), nullable=False),  # of the file it began with
    Column("service", String(40), nullable=False),
    Column("opened", BIG, nullable=False),  # µs
    Column("closed", BIG),
    Index("case_by_number", "number"),
)

piece = Table(
    "case_piece",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("case_id", String(40), nullable=False),
    Column("number", String(40), nullable=False),  # of the file it comes from
    Column("service", String(40), nullable=False),
    Column("at", BIG, nullable=False),  # µs
    # what was handed over
    Column("body", LargeBinary, nullable=False, info={"sealed": ("case:{case_id}", "cases", "{id}")}),
    Index("case_piece_by_case", "case_id"),
    Index("case_piece_by_number", "number"),
)
