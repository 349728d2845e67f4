"""The table of requests to wallets: each lives five minutes and is answered once."""

from __future__ import annotations

from sqlalchemy import Column, Integer, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.services.tables import metadata

request = Table(
    "service_wallet",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("secret", String(64), nullable=False),  # SHA-256 of what the browser holds that asked
    Column("level", Integer, nullable=False),  # the least that was asked for
    Column("until", BIG, nullable=False),  # µs
    Column("state", String(16), nullable=False),  # asked, proved, or why it was refused
    # before the answer, what it must answer and the key it is encrypted to; then, who it is
    Column("body", LargeBinary, nullable=False, info={"sealed": ("wallet:{id}", "resident-identity", "{id}")}),
)
