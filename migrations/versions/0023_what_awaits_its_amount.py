"""what awaits its amount is found without reading all that was posted."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_recurring_occurrences_awaiting",
        "recurring_occurrences",
        ["user_id", "recurring_id", "due_on"],
        unique=False,
        postgresql_where=sa.text("state = 'awaiting'"),
        sqlite_where=sa.text("state = 'awaiting'"),
    )


def downgrade() -> None:
    op.drop_index("ix_recurring_occurrences_awaiting", table_name="recurring_occurrences")
