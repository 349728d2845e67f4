"""Tables of the officers' terminals: the devices, their leases, and where each may be woken."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.operations.tables import metadata

terminal = Table(
    "terminal",
    metadata,
    Column("id", String(40), primary_key=True),  # 128 drawn bits: who knows it may ask whether it was revoked
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("session", String(64)),  # SHA-256 of the cookie with which it made contact last
    Column("label", LargeBinary, nullable=False, info={"sealed": ("{person}", "terminals", "{id}")}),
    # What opens the device's store, under a key of its own: revoking destroys that key and empties this.
    Column("key", LargeBinary, info={"sealed": ("terminal:{id}", "terminal-lease", "{id}")}),
    Column("registered", BIG, nullable=False),
    Column("seen", BIG, nullable=False),
    Column("until", BIG, nullable=False),  # µs; end of the lease it was given last
    Column("revoked", BIG),
    Index("terminal_by_person", "person"),
)

push_subscription = Table(
    "push_subscription",
    metadata,
    Column("terminal", String(40), primary_key=True),
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    # its address at its push service (RFC 8030); no keys: a wake-up has no content
    Column("place", LargeBinary, nullable=False, info={"sealed": ("{person}", "terminals", "{terminal}")}),
    Column("added", BIG, nullable=False),
    Index("push_by_person", "person"),
)

push_key = Table(
    "push_key",
    metadata,
    Column("id", String(8), primary_key=True),
    # the platform's private key towards push services (RFC 8292), drawn at the first start with wake-ups on
    Column("key", LargeBinary, nullable=False, info={"sealed": ("system:push", "terminals", "{id}")}),
)
