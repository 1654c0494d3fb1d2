"""exports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("format", sa.String(length=10), nullable=False),
        sa.Column("dialect", sa.String(length=20), nullable=True),
        sa.Column(
            "filters",
            sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql"),
            nullable=False,
        ),
        sa.Column("sort", sa.String(length=20), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("progress", sa.SmallInteger(), nullable=False),
        sa.Column("row_count", sa.BigInteger(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("format IN ('csv', 'xlsx', 'json')", name=op.f("ck_exports_format")),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'expired')", name=op.f("ck_exports_state")
        ),
        sa.CheckConstraint("(state = 'succeeded') = (sha256 IS NOT NULL)", name=op.f("ck_exports_file")),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_exports_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_exports")),
    )
    op.create_index("ix_exports_sha256", "exports", ["sha256"], unique=False)
    op.create_index(
        "ix_exports_expires_at",
        "exports",
        ["expires_at"],
        unique=False,
        postgresql_where=sa.text("state = 'succeeded'"),
        sqlite_where=sa.text("state = 'succeeded'"),
    )
    op.create_index("ix_exports_finished_at", "exports", ["finished_at"], unique=False)


def downgrade() -> None:
    op.drop_table("exports")
