"""Shares of former members lead to no account that is gone."""

from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "UPDATE group_shares SET mirror_user_id = NULL, mirror_expense_id = NULL "
        "WHERE mirror_user_id IS NOT NULL AND mirror_user_id NOT IN (SELECT id FROM users)"
    )


def downgrade() -> None:
    """There is nothing to bring back."""
