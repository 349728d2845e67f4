"""TAK: enrolled devices, data packages, missions, partners of the federation."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "tak_device",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("callsign", sa.LargeBinary(), nullable=False),
        sa.Column("uid", sa.LargeBinary(), nullable=True),
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("token_until", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("enrolment", sa.String(length=32), nullable=False),
        sa.Column("signed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("until", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("revoked", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tak_device", schema=None) as batch_op:
        batch_op.create_index("tak_device_by_fingerprint", ["fingerprint"], unique=True)
        batch_op.create_index("tak_device_by_person", ["person"], unique=False)

    op.create_table(
        "tak_mission",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("tool", sa.String(length=40), nullable=False),
        sa.Column("created", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("removed", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("person", sa.String(length=40), nullable=True),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tak_mission", schema=None) as batch_op:
        batch_op.create_index("tak_mission_by_name", ["name"], unique=False)

    op.create_table(
        "tak_mission_change",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("mission", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tak_mission_change", schema=None) as batch_op:
        batch_op.create_index("tak_mission_change_at", ["mission", "at"], unique=False)

    op.create_table(
        "tak_mission_content",
        sa.Column("mission", sa.String(length=40), nullable=False),
        sa.Column("ref", sa.String(length=200), nullable=False),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("package", sa.String(length=40), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("mission", "ref"),
    )
    with op.batch_alter_table("tak_mission_content", schema=None) as batch_op:
        batch_op.create_index("tak_mission_content_by_package", ["package"], unique=False)

    op.create_table(
        "tak_mission_group",
        sa.Column("mission", sa.String(length=40), nullable=False),
        sa.Column("shared", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("mission", "shared"),
    )
    with op.batch_alter_table("tak_mission_group", schema=None) as batch_op:
        batch_op.create_index("tak_mission_group_by_group", ["shared"], unique=False)

    op.create_table(
        "tak_mission_invitation",
        sa.Column("mission", sa.String(length=40), nullable=False),
        sa.Column("invited", sa.String(length=40), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("mission", "invited"),
    )
    op.create_table(
        "tak_mission_log",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("mission", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=True),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tak_mission_log", schema=None) as batch_op:
        batch_op.create_index("tak_mission_log_at", ["mission", "at"], unique=False)

    op.create_table(
        "tak_mission_subscriber",
        sa.Column("mission", sa.String(length=40), nullable=False),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("mission", "device"),
    )
    op.create_table(
        "tak_package",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("tool", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=True),
        sa.Column("device", sa.String(length=40), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("tak_package", schema=None) as batch_op:
        batch_op.create_index("tak_package_by_hash", ["hash"], unique=False)

    op.create_table(
        "tak_package_group",
        sa.Column("package", sa.String(length=40), nullable=False),
        sa.Column("shared", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("package", "shared"),
    )
    with op.batch_alter_table("tak_package_group", schema=None) as batch_op:
        batch_op.create_index("tak_package_group_by_group", ["shared"], unique=False)

    op.create_table(
        "tak_peer",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("authority", sa.LargeBinary(), nullable=False),
        sa.Column("sends", sa.String(length=2000), nullable=False),
        sa.Column("receives", sa.String(length=2000), nullable=False),
        sa.Column("since", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("revoked", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
