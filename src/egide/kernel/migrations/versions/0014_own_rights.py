"""Services: which right a person exercises on a file, and until when it is answered (GDPR 12(3))."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Adds the columns."""
    op.add_column("service_file", sa.Column("right", sa.String(length=16), nullable=True))
    op.add_column("service_file", sa.Column("right_due", BIG, nullable=True))
