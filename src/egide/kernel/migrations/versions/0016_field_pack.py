"""Services: which files an officer's device took along. Operations: homes that patrols pass by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "service_device_file",
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("device", "file"),
    )
    with op.batch_alter_table("service_device_file", schema=None) as batch_op:
        batch_op.create_index("service_device_file_by_file", ["file"], unique=False)
