"""Border: consents, status indexes and erasures of facilitation; keys, lanes and counts of both realms, each its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    for prefix in ("border", "border_police"):
        _realm(prefix)
    op.create_table(
        "border_consent",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "border_issued",
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("consent", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("idx"),
    )
    op.create_index("border_issued_by_consent", "border_issued", ["consent"], unique=False)
    op.create_table(
        "border_status",
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("idx"),
    )
    op.create_table(
        "border_leaf",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("batch", sa.String(length=32), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_index("border_leaf_by_batch", "border_leaf", ["batch", "place"], unique=False)
    op.create_table(
        "border_batch",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("total", BIG, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("anchored", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("border_batch_by_time", "border_batch", ["at"], unique=False)


def _realm(prefix: str) -> None:
    op.create_table(
        f"{prefix}_key",
        sa.Column("kid", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("x", sa.String(length=43), nullable=False),
        sa.Column("y", sa.String(length=43), nullable=False),
        sa.Column("since", BIG, nullable=False),
        sa.Column("until", BIG, nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("kid"),
    )
    op.create_table(
        f"{prefix}_lane",
        sa.Column("point", sa.String(length=32), nullable=False),
        sa.Column("equal_open", sa.Boolean(), nullable=False),
        sa.Column("staffed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("point"),
    )
    op.create_table(
        f"{prefix}_count",
        sa.Column("point", sa.String(length=32), nullable=False),
        sa.Column("hour", BIG, nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("point", "hour", "outcome"),
    )
    op.create_table(
        f"{prefix}_spent",
        sa.Column("mark", sa.String(length=64), nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mark"),
    )
    op.create_table(
        f"{prefix}_ticket",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("point", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(f"{prefix}_ticket_by_time", f"{prefix}_ticket", ["at"], unique=False)
    op.create_table(
        f"{prefix}_wait",
        sa.Column("point", sa.String(length=32), nullable=False),
        sa.Column("lane", sa.String(length=8), nullable=False),
        sa.Column("slot", BIG, nullable=False),
        sa.Column("band", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("point", "lane", "slot", "band"),
    )
