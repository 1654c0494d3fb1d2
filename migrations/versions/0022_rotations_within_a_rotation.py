"""webhooks know the oldest of their secrets that still signs."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("channels", sa.Column("oldest_issue", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("channels", "oldest_issue")
