"""Services: the files that people send, the documents they are given; cases, and the pieces handed over for them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the tables."""
    op.create_table(
        "service_upload",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner", sa.String(length=80), nullable=False),
        sa.Column("person", sa.String(length=40), nullable=True),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("until", BIG, nullable=False),
        sa.Column("opened", BIG, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.Column("exact", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sealed", BIG, nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("held", sa.String(length=24), nullable=False),
        sa.Column("scan", sa.String(length=16), nullable=False),
        sa.Column("scanner", sa.String(length=120), nullable=False),
        sa.Column("copy", sa.String(length=16), nullable=False),
        sa.Column("copy_bytes", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("service_upload", schema=None) as batch_op:
        batch_op.create_index("service_upload_by_owner", ["owner"], unique=False)
    op.create_table(
        "service_upload_part",
        sa.Column("upload", sa.String(length=40), nullable=False),
        sa.Column("start", BIG, nullable=False),
        sa.Column("length", BIG, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("upload", "start"),
    )
    op.create_table(
        "service_document",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("file", sa.String(length=40), nullable=False),
        sa.Column("output", sa.String(length=40), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("service_document", schema=None) as batch_op:
        batch_op.create_index("service_document_by_file", ["file"], unique=False)
    op.create_table(
        "case_file",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("opened", BIG, nullable=False),
        sa.Column("closed", BIG, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("case_file", schema=None) as batch_op:
        batch_op.create_index("case_by_number", ["number"], unique=False)
    op.create_table(
        "case_piece",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("case_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("service", sa.String(length=40), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("case_piece", schema=None) as batch_op:
        batch_op.create_index("case_piece_by_case", ["case_id"], unique=False)
