"""recurring expenses."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
KINDS_BEFORE = "'category', 'rule', 'expense', 'attachment', 'budget', 'settings'"


def upgrade() -> None:
    op.create_table(
        "recurring_expenses",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=True),
        sa.Column("payee", sa.String(length=200), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("lines", JSON, nullable=False),
        sa.Column("rule", sa.String(length=500), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("last_on", sa.Date(), nullable=True),
        sa.Column("remind_days_before", sa.SmallInteger(), nullable=True),
        sa.Column("is_variable", sa.Boolean(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("handled_through", sa.Date(), nullable=False),
        sa.Column("reminded_through", sa.Date(), nullable=False),
        sa.Column("ahead_on", sa.Date(), nullable=True),
        sa.Column("next_on", sa.Date(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=True),
        sa.Column("numbered_version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("remind_days_before > 0", name=op.f("ck_recurring_expenses_reminder_is_before")),
        sa.CheckConstraint("ends_on IS NULL OR count IS NULL", name=op.f("ck_recurring_expenses_one_end")),
        sa.ForeignKeyConstraint(
            ["user_id", "category_id"],
            ["categories.user_id", "categories.id"],
            name=op.f("fk_recurring_expenses_user_id_category_id"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_recurring_expenses_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_recurring_expenses")),
    )
    op.create_index("ix_recurring_expenses_next_at", "recurring_expenses", ["next_at"], unique=False)
    op.create_index(
        "ix_recurring_expenses_category", "recurring_expenses", ["user_id", "category_id"], unique=False
    )
    op.create_table(
        "recurring_occurrences",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("recurring_id", sa.Uuid(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("expense_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('posted', 'skipped', 'awaiting', 'missed')",
            name=op.f("ck_recurring_occurrences_state"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id", "recurring_id"],
            ["recurring_expenses.user_id", "recurring_expenses.id"],
            name=op.f("fk_recurring_occurrences_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "recurring_id", "due_on", name=op.f("pk_recurring_occurrences")),
    )
    _let_kinds_be(f"{KINDS_BEFORE}, 'recurring'")


def downgrade() -> None:
    op.execute("DELETE FROM imported_records WHERE kind = 'recurring'")
    _let_kinds_be(KINDS_BEFORE)
    op.drop_table("recurring_occurrences")
    op.drop_table("recurring_expenses")


def _let_kinds_be(kinds: str) -> None:
    """Of imported records. SQLite cannot change a condition, so there the table is made anew."""
    name, condition = op.f("ck_imported_records_kind"), f"kind IN ({kinds})"
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(name, "imported_records", type_="check")
        op.create_check_constraint(name, "imported_records", condition)
        return
    op.rename_table("imported_records", "old_imported_records")
    op.create_table(
        "imported_records",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.CheckConstraint(condition, name=name),
        sa.ForeignKeyConstraint(
            ["user_id", "import_id"],
            ["imports.user_id", "imports.id"],
            name=op.f("fk_imported_records_user_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "import_id", "kind", "id", name=op.f("pk_imported_records")),
    )
    op.execute("INSERT INTO imported_records SELECT * FROM old_imported_records")
    op.drop_table("old_imported_records")
