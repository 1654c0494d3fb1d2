"""reminders by schedule, invitations that have expired, results of checks.

SQLite cannot change a constraint: where one changes, the table is made anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE groups ADD COLUMN debt_reminder_days SMALLINT"
        " CONSTRAINT ck_groups_debt_reminder_days CHECK (debt_reminder_days BETWEEN 1 AND 90)"
    )
    op.create_index(
        "ix_groups_reminding",
        "groups",
        ["id"],
        unique=False,
        postgresql_where=sa.text("debt_reminder_days IS NOT NULL"),
        sqlite_where=sa.text("debt_reminder_days IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_groups_reminding", table_name="groups")
    op.drop_column("groups", "debt_reminder_days")
