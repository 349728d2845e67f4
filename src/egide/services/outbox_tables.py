"""Officers' devices that work without network, and what each has sent, in the order of its chain."""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table

from egide.kernel.tables import BIG
from egide.services.tables import metadata

PURPOSE = "field-outbox"  # the activity, and with it what the keys are for
LEASE = "field-lease"  # whose destruction ends what a device keeps

device = Table(
    "service_device",
    metadata,
    Column("id", String(40), primary_key=True),  # 128 drawn bits: who knows it may ask whether it was revoked
    Column("person", String(40), nullable=False, info={"person": "delete"}),
    Column("session", String(64)),  # SHA-256 of the cookie with which it made contact last
    Column("label", LargeBinary, nullable=False, info={"sealed": ("{person}", PURPOSE, "{id}")}),
    Column("public", LargeBinary, nullable=False),  # P-256, uncompressed point: what its entries are signed with
    # What opens the device's store, under a key of its own: revoking destroys that key and empties this.
    Column("key", LargeBinary, info={"sealed": ("device:{id}", LEASE, "{id}")}),
    # What opens a queue that is brought as a file: the private half of a key to which the device seals its store's key.
    Column("escrow", LargeBinary, info={"sealed": ("device:{id}", LEASE, "escrow.{id}")}),
    Column("enrolled", BIG, nullable=False),  # µs
    Column("seen", BIG, nullable=False),
    Column("until", BIG, nullable=False),  # µs; end of the lease it was given last
    Column("revoked", BIG),
    Index("service_device_by_person", "person"),
)

# What a device took along, so that what comes back for it is known to be meant for it, whoever has it by then.
carried = Table(
    "service_device_file",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("file", String(40), primary_key=True),
    Column("at", BIG, nullable=False),  # µs; the last time
    Index("service_device_file_by_file", "file"),
)

entry = Table(
    "service_outbox_entry",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("seq", BIG, primary_key=True),
    Column("id", String(64), nullable=False),  # drawn by the device
    Column("hash", String(64), nullable=False),
    Column("prev", String(64), nullable=False),
    Column("made", BIG, nullable=False),  # µs; by the device's clock
    Column("at", BIG, nullable=False),  # µs; when it came
    Column("state", String(16), nullable=False),  # recorded, review, refused, waits, aside
    Column("reason", String(16), nullable=False),  # why it is to be looked at; "" for no reason
    Column("file", String(40)),  # what it became, or is about
    Column("unit", String(40), nullable=False),  # on whose desk it is looked at
    # what is to be looked at, as it was sent
    Column("body", LargeBinary, info={"sealed": ("entry:{device}.{seq}", PURPOSE, "{id}")}),
    Index("service_outbox_entry_by_state", "state", "at"),
    Index("service_outbox_entry_by_id", "device", "id"),
)
