"""Terminals: devices and their leases, acts done once for a device that asks twice, wake-ups; a note's own time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables and columns."""
    op.create_table(
        "client_act",
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("client", sa.String(length=64), nullable=False),
        sa.Column("act", sa.String(length=80), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("entry", sa.String(length=32), nullable=False),
        sa.Column("idx", BIG, nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("person", "client"),
    )
    with op.batch_alter_table("client_act", schema=None) as batch_op:
        batch_op.create_index("client_act_by_time", ["at"], unique=False)

    op.create_table(
        "terminal",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("session", sa.String(length=64), nullable=True),
        sa.Column("label", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=True),
        sa.Column("registered", BIG, nullable=False),
        sa.Column("seen", BIG, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("revoked", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("terminal", schema=None) as batch_op:
        batch_op.create_index("terminal_by_person", ["person"], unique=False)

    op.create_table(
        "push_subscription",
        sa.Column("terminal", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("place", sa.LargeBinary(), nullable=False),
        sa.Column("added", BIG, nullable=False),
        sa.PrimaryKeyConstraint("terminal"),
    )
    with op.batch_alter_table("push_subscription", schema=None) as batch_op:
        batch_op.create_index("push_by_person", ["person"], unique=False)

    op.create_table(
        "push_key",
        sa.Column("id", sa.String(length=8), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("note", schema=None) as batch_op:
        batch_op.add_column(sa.Column("made", BIG, nullable=True))
