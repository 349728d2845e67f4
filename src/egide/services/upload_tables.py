"""Files that people send: the grant under which one comes, its parts as they lie sealed, what became of it.

Names and types, as people write them, are sealed with the file's own key, whose destruction erases the file.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.services.tables import metadata

PURPOSE = "service-uploads"  # the activity, and with it what the keys are for

upload = Table(
    "service_upload",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("owner", String(80), nullable=False),  # the draft or file it belongs to, by its opaque id
    Column("person", String(40), info={"person": "null"}),  # the officer who opened it; nobody for a resident
    Column("secret", String(64), nullable=False),  # SHA-256 of the grant
    Column("until", BIG, nullable=False),  # µs; the grant's end
    Column("opened", BIG, nullable=False),
    Column("bytes", BIG, nullable=False),  # declared; of a form without script the most it may be, until it is sealed
    Column("exact", Integer, nullable=False),  # 1: `bytes` is what it must have; 0: the most it may have
    Column("sha256", String(64), nullable=False),  # declared; once sealed, what the server found; empty: not known yet
    Column("sealed", BIG),  # µs; from then nothing is added
    Column("kind", String(24), nullable=False),  # of upload_kinds.toml, once sealed
    Column(
        "held", String(24), nullable=False
    ),  # why no copy may be had of it: see quarantine.HELD; empty: for no reason
    Column("scan", String(16), nullable=False),  # waiting, clean, found, unscanned
    Column("scanner", String(120), nullable=False),  # which scanner and base said so
    Column("copy", String(16), nullable=False),  # waiting, ready, none, failed
    Column("copy_bytes", BIG, nullable=False),
    # name and type, as declared
    Column("body", LargeBinary, nullable=False, info={"sealed": ("upload:{id}", PURPOSE, "{id}")}),
    Index("service_upload_by_owner", "owner"),
)

part = Table(
    "service_upload_part",
    metadata,
    Column("upload", String(40), primary_key=True),
    Column("start", BIG, primary_key=True),  # bytes from the beginning
    Column("length", BIG, nullable=False),
    Column("sha256", String(64), nullable=False),
)
