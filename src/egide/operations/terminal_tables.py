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
    # endpoint and keys (RFC 8030, RFC 8291), JSON: the endpoint is an address of the device
    Column("place", LargeBinary, nullable=False, info={"sealed": ("{person}", "terminals", "{terminal}")}),
    Column("added", BIG, nullable=False),
    Index("push_by_person", "person"),
)
