"""exchange rates of the user's own."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MAX_DAILY_TOTAL_MINOR = 10**16


def upgrade() -> None:
    op.add_column("expenses", sa.Column("rate_currency", sa.String(length=3), nullable=True))
    op.add_column("expenses", sa.Column("rate", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_expenses_own_rate",
        "expenses",
        ["user_id"],
        unique=False,
        postgresql_where=sa.text("rate IS NOT NULL"),
        sqlite_where=sa.text("rate IS NOT NULL"),
    )
    op.create_table(
        "daily_conversions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("category_id", sa.Uuid(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("into_currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("converted_minor", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            f"converted_minor BETWEEN -{MAX_DAILY_TOTAL_MINOR} AND {MAX_DAILY_TOTAL_MINOR}",
            name=op.f("ck_daily_conversions_converted_amount_in_range"),
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_daily_conversions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "user_id", "day", "category_id", "currency", "into_currency", name=op.f("pk_daily_conversions")
        ),
    )


def downgrade() -> None:
    op.drop_table("daily_conversions")
    op.drop_index("ix_expenses_own_rate", "expenses")
    op.drop_column("expenses", "rate")
    op.drop_column("expenses", "rate_currency")
