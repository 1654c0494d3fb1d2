"""categories and expenses."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "categories",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("name_key", sa.String(length=200), nullable=False),
        sa.Column("color", sa.String(length=7), nullable=True),
        sa.Column("icon", sa.String(length=40), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "parent_id"],
            ["categories.user_id", "categories.id"],
            name=op.f("fk_categories_user_id_parent_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_categories_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_categories")),
    )
    op.create_index(
        "uq_categories_child_name", "categories", ["user_id", "parent_id", "name_key"], unique=True
    )
    op.create_index(
        "uq_categories_top_level_name",
        "categories",
        ["user_id", "name_key"],
        unique=True,
        postgresql_where=sa.text("parent_id IS NULL"),
        sqlite_where=sa.text("parent_id IS NULL"),
    )
    op.create_table(
        "expenses",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("spent_on", sa.Date(), nullable=False),
        sa.Column("payee", sa.String(length=200), nullable=True),
        sa.Column("payee_key", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("line_count", sa.SmallInteger(), nullable=False),
        sa.Column("tag_count", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "category_id"],
            ["categories.user_id", "categories.id"],
            name=op.f("fk_expenses_user_id_category_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_expenses_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_expenses")),
    )
    op.create_index(
        "ix_expenses_category", "expenses", ["user_id", "category_id", "spent_on", "id"], unique=False
    )
    op.create_index("ix_expenses_spent_on", "expenses", ["user_id", "spent_on", "id"], unique=False)
    op.create_index(
        "ix_expenses_trash",
        "expenses",
        ["deleted_at"],
        unique=False,
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.create_table(
        "expense_lines",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expense_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "category_id"],
            ["categories.user_id", "categories.id"],
            name=op.f("fk_expense_lines_user_id_category_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "expense_id"],
            ["expenses.user_id", "expenses.id"],
            name=op.f("fk_expense_lines_user_id_expense_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "expense_id", "position", name=op.f("pk_expense_lines")),
    )
    op.create_index(
        "ix_expense_lines_category", "expense_lines", ["user_id", "category_id", "expense_id"], unique=False
    )
    op.create_table(
        "expense_tags",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("expense_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.String(length=50), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "expense_id"],
            ["expenses.user_id", "expenses.id"],
            name=op.f("fk_expense_tags_user_id_expense_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "expense_id", "tag", name=op.f("pk_expense_tags")),
    )
    op.create_index("ix_expense_tags_tag", "expense_tags", ["user_id", "tag", "expense_id"], unique=False)
    op.create_table(
        "daily_spending",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "amount_minor BETWEEN -10000000000000000 AND 10000000000000000",
            name=op.f("ck_daily_spending_amount_in_range"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_daily_spending_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "day", "category_id", "currency", name=op.f("pk_daily_spending")),
    )


def downgrade() -> None:
    op.drop_table("daily_spending")
    op.drop_index("ix_expense_tags_tag", table_name="expense_tags")
    op.drop_table("expense_tags")
    op.drop_index("ix_expense_lines_category", table_name="expense_lines")
    op.drop_table("expense_lines")
    op.drop_index(
        "ix_expenses_trash",
        table_name="expenses",
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
        sqlite_where=sa.text("deleted_at IS NOT NULL"),
    )
    op.drop_index("ix_expenses_spent_on", table_name="expenses")
    op.drop_index("ix_expenses_category", table_name="expenses")
    op.drop_table("expenses")
    op.drop_index(
        "uq_categories_top_level_name",
        table_name="categories",
        postgresql_where=sa.text("parent_id IS NULL"),
        sqlite_where=sa.text("parent_id IS NULL"),
    )
    op.drop_index("uq_categories_child_name", table_name="categories")
    op.drop_table("categories")
