"""changes.

Rows that are there wait for their numbers as new ones do, so none is rewritten; the index of those that wait
takes about a second for a million expenses.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

NUMBERED = ("categories", "budgets", "expenses")


def upgrade() -> None:
    for table in NUMBERED:
        op.add_column(table, sa.Column("change_seq", sa.BigInteger(), nullable=True))
        op.add_column(
            table, sa.Column("numbered_version", sa.Integer(), server_default=sa.text("0"), nullable=False)
        )
    op.create_index(
        "ix_expenses_unnumbered",
        "expenses",
        ["user_id", "id"],
        unique=False,
        postgresql_where=sa.text("numbered_version < version"),
        sqlite_where=sa.text("numbered_version < version"),
    )
    op.create_index(
        "ix_expenses_change_seq",
        "expenses",
        ["user_id", "change_seq"],
        unique=False,
        postgresql_where=sa.text("change_seq IS NOT NULL"),
        sqlite_where=sa.text("change_seq IS NOT NULL"),
    )
    op.create_table(
        "deletions",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("change_seq", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_deletions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_deletions")),
    )
    op.create_index("ix_deletions_change_seq", "deletions", ["user_id", "change_seq"], unique=False)
    op.create_index("ix_deletions_deleted_at", "deletions", ["deleted_at"], unique=False)
    op.create_table(
        "change_feeds",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("epoch", sa.Uuid(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("forgotten_seq", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_change_feeds_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_change_feeds")),
    )


def downgrade() -> None:
    op.drop_table("change_feeds")
    op.drop_table("deletions")
    op.drop_index("ix_expenses_change_seq", table_name="expenses")
    op.drop_index("ix_expenses_unnumbered", table_name="expenses")
    for table in NUMBERED:
        op.drop_column(table, "numbered_version")
        op.drop_column(table, "change_seq")
