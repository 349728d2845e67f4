"""Services: officers' devices without network, and what each has sent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "service_device",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=True),
        sa.Column("label", sa.LargeBinary(), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("escrow", sa.LargeBinary(), nullable=True),
        sa.Column("enrolled", BIG, nullable=False),
        sa.Column("seen", BIG, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("revoked", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("service_device", schema=None) as batch_op:
        batch_op.create_index("service_device_by_person", ["person"], unique=False)

    op.create_table(
        "service_outbox_entry",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("seq", BIG, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("prev", sa.String(length=64), nullable=False),
        sa.Column("made", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=True),
        sa.Column("unit", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("device", "seq"),
    )
    with op.batch_alter_table("service_outbox_entry", schema=None) as batch_op:
        batch_op.create_index("service_outbox_entry_by_state", ["state", "at"], unique=False)
        batch_op.create_index("service_outbox_entry_by_id", ["device", "id"], unique=False)
