"""reports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "reports",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("is_awaited", sa.Boolean(), nullable=False),
        sa.Column("figures", sa.JSON().with_variant(JSONB(), "postgresql"), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("bears_until", sa.Date(), nullable=False),
        sa.Column("stale_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("built_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('monthly', 'yearly')", name=op.f("ck_reports_kind")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed')", name=op.f("ck_reports_state")
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_reports_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_reports")),
        sa.UniqueConstraint(
            "user_id",
            "kind",
            "period_start",
            "currency",
            name=op.f("uq_reports_user_id_kind_period_start_currency"),
        ),
    )
    for name, columns, condition in (
        ("ix_reports_fresh", ["user_id", "bears_until"], "stale_since IS NULL"),
        ("ix_reports_stale", ["stale_since"], "stale_since IS NOT NULL"),
        ("ix_reports_running", ["ends_at"], "ends_at IS NOT NULL"),
    ):
        where = sa.text(condition)
        op.create_index(name, "reports", columns, unique=False, postgresql_where=where, sqlite_where=where)
    op.create_index("ix_reports_sha256", "reports", ["sha256"], unique=False)


def downgrade() -> None:
    op.drop_table("reports")
