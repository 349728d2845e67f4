"""Services' tables: drafts, identities, files, their events and documents. What people wrote or are called is sealed."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, LargeBinary, MetaData, String, Table

from egide.kernel.tables import BIG

metadata = MetaData()

draft = Table(
    "service_draft",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of what the resident's page holds
    Column("service", String(40), nullable=False),
    Column("version", Integer, nullable=False),  # the one it was begun with, until it is filed
    Column("at", BIG, nullable=False),  # µs; when it was last saved
    # the answers so far
    Column("body", LargeBinary, nullable=False, info={"sealed": ("draft:{id}", "service-drafts", "{id}")}),
)

identity = Table(
    "service_identity",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of the cookie
    Column("level", Integer, nullable=False),  # 2 to 4: eIDAS low, substantial, high
    Column("until", BIG, nullable=False),  # µs
    # who the identity provider says it is
    Column("body", LargeBinary, nullable=False, info={"sealed": ("identity:{id}", "resident-identity", "{id}")}),
    Index("service_identity_until", "until"),
)

file = Table(
    "service_file",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("number", String(40), nullable=False, unique=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of the code on the receipt
    Column("service", String(40), nullable=False),
    Column("version", Integer, nullable=False),
    Column("channel", String(8), nullable=False),
    Column("level", Integer, nullable=False),  # how the person was identified; 5: an officer saw the document
    Column("lang", String(2), nullable=False),
    Column("opened", BIG, nullable=False),  # µs
    Column("state", String(40), nullable=False),
    Column("since", BIG, nullable=False),  # µs; in this state
    Column("due", BIG),  # µs; after which it is late
    Column("unit", String(40), nullable=False),  # whose desk it lies on; "" for everyone's
    Column("officer", String(40), info={"person": "null"}),
    Column("events", Integer, nullable=False),
    Column("head", String(64), nullable=False),  # the last link of its chain
    Column("closed", BIG),
    Column("right", String(16)),  # that the person exercises and nobody has answered yet
    Column("right_due", BIG),  # µs; when the answer is late
    # the answers, and who gave them
    Column("body", LargeBinary, nullable=False, info={"sealed": ("file:{id}", "service-files", "{id}")}),
    Index("service_file_queue", "closed", "due"),
)

event = Table(
    "service_event",
    metadata,
    Column("file", String(40), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", BIG, nullable=False),
    Column("step", String(40), nullable=False),
    Column("state", String(40), nullable=False),
    Column("officer", String(40), info={"person": "null"}),  # None: the person whose file it is
    Column("link", String(64), nullable=False),  # SHA-256 over the one before and this one
    # words
    Column("body", LargeBinary, nullable=False, info={"sealed": ("file:{file}", "service-files", "{file}.{seq}")}),
)

document = Table(
    "service_document",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("file", String(40), nullable=False),
    Column("output", String(40), nullable=False),  # which of its service's documents
    Column("at", BIG, nullable=False),  # µs
    Column("sha256", String(64), nullable=False),
    Column("level", String(8), nullable=False),  # of the seal: B-B, B-T, B-LT
    # the PDF
    Column("body", LargeBinary, nullable=False, info={"sealed": ("file:{file}", "service-files", "document.{id}")}),
    Index("service_document_by_file", "file"),
)

count = Table(
    "service_count",
    metadata,
    Column("series", String(20), primary_key=True),  # code and year
    Column("last", Integer, nullable=False),
)
