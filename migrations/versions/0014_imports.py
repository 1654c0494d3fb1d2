"""imports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    op.create_table(
        "import_mappings",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("mapping", json, nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_import_mappings_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "fingerprint", name=op.f("pk_import_mappings")),
    )
    op.create_table(
        "imports",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("format", sa.String(length=20), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("group_id", sa.Uuid(), nullable=True),
        sa.Column("mapping", json, nullable=True),
        sa.Column("has_own_mapping", sa.Boolean(), nullable=False),
        sa.Column("findings", json, nullable=False),
        sa.Column("choice", json, nullable=True),
        sa.Column("category_ids", json, nullable=True),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("problem_count", sa.Integer(), nullable=False),
        sa.Column("duplicate_count", sa.Integer(), nullable=False),
        sa.Column("credit_count", sa.Integer(), nullable=False),
        sa.Column("chosen_count", sa.Integer(), nullable=False),
        sa.Column("committed_count", sa.Integer(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("failure", json, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_imports_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_imports")),
    )
    op.create_index("ix_imports_sha256", "imports", ["sha256"], unique=False)
    op.create_index("ix_imports_state", "imports", ["state", "updated_at"], unique=False)
    op.create_index(
        "uq_imports_under_way",
        "imports",
        ["user_id"],
        unique=True,
        postgresql_where=sa.text("state IN ('committing', 'undoing')"),
        sqlite_where=sa.text("state IN ('committing', 'undoing')"),
    )
    op.create_table(
        "import_rows",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("match_key", sa.BigInteger(), nullable=True),
        sa.Column("bank_key", sa.BigInteger(), nullable=True),
        sa.Column("is_pending", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("duplicate_reason", sa.String(length=12), nullable=True),
        sa.Column("duplicate_of", sa.Uuid(), nullable=True),
        sa.Column("expense_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "import_id"],
            ["imports.user_id", "imports.id"],
            name=op.f("fk_import_rows_user_id_import_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "import_id", "position", name=op.f("pk_import_rows")),
    )
    for name, column, condition in (
        ("ix_import_rows_match_key", "match_key", "state = 'committed'"),
        ("ix_import_rows_bank_key", "bank_key", "state = 'committed' AND bank_key IS NOT NULL"),
    ):
        op.create_index(
            name,
            "import_rows",
            ["user_id", column],
            unique=False,
            postgresql_where=sa.text(condition),
            sqlite_where=sa.text(condition),
        )
    op.create_index(
        "ix_import_rows_pending",
        "import_rows",
        ["user_id", "day"],
        unique=False,
        postgresql_where=sa.text("state = 'committed' AND is_pending"),
        sqlite_where=sa.text("state = 'committed' AND is_pending = 1"),
    )


def downgrade() -> None:
    op.drop_table("import_rows")
    op.drop_table("imports")
    op.drop_table("import_mappings")
