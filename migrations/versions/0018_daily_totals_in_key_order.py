"""daily totals lie in the order of their key.

SQLite only, where a total was found by an index and then fetched from elsewhere: a range of days takes half
the time now. A million totals are moved in a few seconds.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

MAX_DAILY_TOTAL_MINOR = 10**16


def upgrade() -> None:
    _move(is_in_key_order=True)


def downgrade() -> None:
    _move(is_in_key_order=False)


def _move(*, is_in_key_order: bool) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    _move_into(
        "daily_spending",
        [
            *_key("currency"),
            sa.Column("amount_minor", sa.BigInteger(), nullable=False),
            sa.Column("count", sa.Integer(), nullable=False),
        ],
        sa.CheckConstraint(
            f"amount_minor BETWEEN -{MAX_DAILY_TOTAL_MINOR} AND {MAX_DAILY_TOTAL_MINOR}",
            name=op.f("ck_daily_spending_amount_in_range"),
        ),
        is_in_key_order=is_in_key_order,
    )
    _move_into(
        "daily_conversions",
        [
            *_key("currency", "into_currency"),
            sa.Column("amount_minor", sa.BigInteger(), nullable=False),
            sa.Column("converted_minor", sa.BigInteger(), nullable=False),
            sa.Column("count", sa.Integer(), nullable=False),
        ],
        sa.CheckConstraint(
            f"converted_minor BETWEEN -{MAX_DAILY_TOTAL_MINOR} AND {MAX_DAILY_TOTAL_MINOR}",
            name=op.f("ck_daily_conversions_converted_amount_in_range"),
        ),
        is_in_key_order=is_in_key_order,
    )


def _key(*currencies: str) -> list[sa.Column[Any]]:
    return [
        sa.Column("user_id", sa.Uuid(), primary_key=True),
        sa.Column("day", sa.Date(), primary_key=True),
        sa.Column("category_id", sa.Uuid(), primary_key=True),
        *(sa.Column(name, sa.String(length=3), primary_key=True) for name in currencies),
    ]


def _move_into(
    name: str, columns: list[sa.Column[Any]], check: sa.CheckConstraint, *, is_in_key_order: bool
) -> None:
    op.rename_table(name, f"old_{name}")
    op.create_table(
        name,
        *columns,
        check,
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f(f"fk_{name}_user_id"), ondelete="CASCADE"
        ),
        sqlite_with_rowid=not is_in_key_order,
    )
    names = ", ".join(column.name for column in columns)
    op.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM old_{name} ORDER BY {names}")  # noqa: S608
    op.drop_table(f"old_{name}")
