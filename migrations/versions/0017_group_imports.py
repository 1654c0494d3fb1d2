"""imports into groups."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.add_column(
        "group_expenses", sa.Column("is_quiet", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column("imports", sa.Column("members", json, nullable=True))


def downgrade() -> None:
    op.drop_column("imports", "members")
    op.drop_column("group_expenses", "is_quiet")
