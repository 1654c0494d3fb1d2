"""indexes for analytics: the largest expenses, and those with lines."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_expenses_amount", "expenses", ["user_id", "currency", "amount_minor"], unique=False)
    op.create_index(
        "ix_expenses_with_lines",
        "expenses",
        ["user_id", "spent_on"],
        unique=False,
        postgresql_where=sa.text("line_count > 0"),
        sqlite_where=sa.text("line_count > 0"),
    )


def downgrade() -> None:
    op.drop_index("ix_expenses_with_lines", "expenses")
    op.drop_index("ix_expenses_amount", "expenses")
