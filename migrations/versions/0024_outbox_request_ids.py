"""follow-up jobs carry the ids of the requests that have led to them."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("outbox", sa.Column("request_ids", sa.String(length=519), nullable=True))


def downgrade() -> None:
    op.drop_column("outbox", "request_ids")
