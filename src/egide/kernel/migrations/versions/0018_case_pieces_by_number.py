"""Cases are found by the number of a file that was handed over: each that came was looked for in all that came before."""

from __future__ import annotations

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Adds the index."""
    op.create_index("case_piece_by_number", "case_piece", ["number"], unique=False)
