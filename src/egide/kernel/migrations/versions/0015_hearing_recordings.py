"""Services: recordings of hearings by video."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "service_recording",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("officer", sa.String(length=40), nullable=True),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("began", BIG, nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("seen", BIG, nullable=False),
        sa.Column("ended", BIG, nullable=True),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("chain", sa.String(length=64), nullable=False),
        sa.Column("erased", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("service_recording", schema=None) as batch_op:
        batch_op.create_index("service_recording_by_file", ["file"], unique=False)

    op.create_table(
        "service_recording_part",
        sa.Column("recording", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("start", BIG, nullable=False),
        sa.Column("length", BIG, nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("recording", "number"),
    )
    op.create_table(
        "service_recording_view",
        sa.Column("ticket", sa.String(length=64), nullable=False),
        sa.Column("recording", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("act", sa.String(length=80), nullable=False),
        sa.Column("purpose", sa.String(length=40), nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.PrimaryKeyConstraint("ticket"),
    )
