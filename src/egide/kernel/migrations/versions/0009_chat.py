"""Services: help by chat."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "service_chat",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lang", sa.String(length=2), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("officer", sa.String(length=40), nullable=True),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("words", sa.Boolean(), nullable=False),
        sa.Column("closed", BIG, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "service_chat_line",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("chat", sa.String(length=40), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("officer", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(length=40), nullable=True),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("service_chat_line", schema=None) as batch_op:
        batch_op.create_index("service_chat_line_by_chat", ["chat", "at"], unique=False)
