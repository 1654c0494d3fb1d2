"""What must always be true, asked of the database itself; a beat job reports what these find."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, literal, or_, select, true, union_all
from sqlalchemy.orm import Session

from core.models import DailyConversion, DailySpending, Expense, ExpenseLine, ExpenseTag, table_of
from core.models.spending import UNCATEGORISED
from core.rules.conversion import convert_parts

TOTALS = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)
EXPENSES = table_of(Expense)
LINES = table_of(ExpenseLine)
TAGS = table_of(ExpenseTag)

MAX_DIFFERENCES = 1_000
"""Enough to see what went wrong; whoever mends it counts everything anew."""


@dataclass(frozen=True, slots=True)
class SpendingDifference:
    """A daily total that is not the sum of its expenses; where one side has nothing, it counts as zero."""

    user_id: UUID
    day: date
    category_id: UUID
    currency: str
    kept_minor: int
    kept_count: int
    actual_minor: int
    actual_count: int


def spending_differences(session: Session, *, user_id: UUID | None = None) -> list[SpendingDifference]:
    """Where `daily_spending` differs from the sum of the expenses outside the trash, for all users or one.

    An expense with lines counts as its lines, each under its own category. Answers `MAX_DIFFERENCES` at most.
    """
    parts = union_all(_kept(user_id), _whole_expenses(user_id), _lines(user_id)).subquery()
    key = (parts.c.user_id, parts.c.day, parts.c.category_id, parts.c.currency)
    sums = [
        func.sum(parts.c[name]).label(name)
        for name in ("kept_minor", "kept_count", "actual_minor", "actual_count")
    ]
    kept_minor, kept_count, actual_minor, actual_count = sums
    differs = or_(kept_minor != actual_minor, kept_count != actual_count)
    query = select(*key, *sums).group_by(*key).having(differs).order_by(*key).limit(MAX_DIFFERENCES)
    return [
        # PostgreSQL adds up 64-bit numbers as numeric, so that a sum cannot overflow.
        SpendingDifference(*row[:4], *(int(value) for value in row[4:]))
        for row in session.execute(query)
    ]


def _kept(user_id: UUID | None) -> Select[UUID, date, UUID, str, int, int, int, int]:
    return select(
        TOTALS.c.user_id,
        TOTALS.c.day,
        TOTALS.c.category_id,
        TOTALS.c.currency,
        TOTALS.c.amount_minor.label("kept_minor"),
        TOTALS.c["count"].label("kept_count"),
        literal(0).label("actual_minor"),
        literal(0).label("actual_count"),
    ).where(_is_of(TOTALS, user_id))


def _whole_expenses(user_id: UUID | None) -> Select[UUID, date, UUID, str, int, int, int, int]:
    return select(
        EXPENSES.c.user_id,
        EXPENSES.c.spent_on,
        _or_uncategorised(EXPENSES.c.category_id),
        EXPENSES.c.currency,
        literal(0),
        literal(0),
        EXPENSES.c.amount_minor,
        literal(1),
    ).where(_is_of(EXPENSES, user_id), EXPENSES.c.deleted_at.is_(None), EXPENSES.c.line_count == 0)


def _lines(user_id: UUID | None) -> Select[UUID, date, UUID, str, int, int, int, int]:
    is_part = (EXPENSES.c.user_id == LINES.c.user_id) & (EXPENSES.c.id == LINES.c.expense_id)
    return (
        select(
            LINES.c.user_id,
            EXPENSES.c.spent_on,
            _or_uncategorised(LINES.c.category_id),
            EXPENSES.c.currency,
            literal(0),
            literal(0),
            LINES.c.amount_minor,
            literal(1),
        )
        .join(EXPENSES, is_part)
        .where(_is_of(LINES, user_id), EXPENSES.c.deleted_at.is_(None))
    )


def _or_uncategorised(category_id: ColumnElement[UUID]) -> ColumnElement[UUID]:
    return func.coalesce(category_id, literal(UNCATEGORISED, category_id.type))


def _is_of(table: Table, user_id: UUID | None) -> ColumnElement[bool]:
    return true() if user_id is None else table.c.user_id == user_id


@dataclass(frozen=True, slots=True)
class ConversionDifference:
    """A day's sum of conversions at the user's own rates that is not that of its expenses.

    Both sides are amount, converted amount and count.
    """

    key: tuple[date, UUID, str, str]
    kept: tuple[int, int, int]
    actual: tuple[int, int, int]


def conversion_differences(session: Session, *, user_id: UUID) -> list[ConversionDifference]:
    """Where `daily_conversions` differs from the expenses outside the trash, each converted anew."""
    actual: dict[tuple[date, UUID, str, str], tuple[int, int, int]] = {}
    expenses = session.execute(
        select(
            EXPENSES.c.id,
            EXPENSES.c.spent_on,
            EXPENSES.c.category_id,
            EXPENSES.c.currency,
            EXPENSES.c.amount_minor,
            EXPENSES.c.rate_currency,
            EXPENSES.c.rate,
        ).where(EXPENSES.c.user_id == user_id, EXPENSES.c.rate.is_not(None), EXPENSES.c.deleted_at.is_(None))
    ).all()
    for one in expenses:
        lines = session.execute(
            select(LINES.c.category_id, LINES.c.amount_minor)
            .where(LINES.c.user_id == user_id, LINES.c.expense_id == one.id)
            .order_by(LINES.c.position)
        ).all()
        parts = [(line.category_id, line.amount_minor) for line in lines] or [
            (one.category_id, one.amount_minor)
        ]
        converted = convert_parts([minor for _, minor in parts], one.currency, one.rate_currency, one.rate)
        for (category_id, minor), part in zip(parts, converted, strict=True):
            key = (one.spent_on, category_id or UNCATEGORISED, one.currency, one.rate_currency)
            so_far = actual.get(key, (0, 0, 0))
            actual[key] = (so_far[0] + minor, so_far[1] + part, so_far[2] + 1)
    kept = {
        (row.day, row.category_id, row.currency, row.into_currency): (
            row.amount_minor,
            row.converted_minor,
            row.count_of,
        )
        for row in session.execute(
            select(CONVERSIONS, CONVERSIONS.c["count"].label("count_of")).where(
                CONVERSIONS.c.user_id == user_id
            )
        )
    }
    nothing = (0, 0, 0)
    return [
        ConversionDifference(key, kept.get(key, nothing), actual.get(key, nothing))
        for key in sorted(kept.keys() | actual.keys())
        if kept.get(key, nothing) != actual.get(key, nothing)
    ][:MAX_DIFFERENCES]


@dataclass(frozen=True, slots=True)
class PartsDifference:
    """An expense whose lines do not add up to its amount, or that has other lines or tags than it says.

    Both sides are the lines' amount, their count and the count of tags.
    """

    expense_id: UUID
    expected: tuple[int, int, int]
    found: tuple[int, int, int]


def parts_differences(session: Session, *, user_id: UUID) -> list[PartsDifference]:
    """Where the lines and tags of expenses are not what the expenses say; also of those in the trash."""
    lines = (
        select(
            LINES.c.expense_id,
            func.sum(LINES.c.amount_minor).label("minor"),
            func.count().label("count"),
        )
        .where(LINES.c.user_id == user_id)
        .group_by(LINES.c.expense_id)
        .subquery()
    )
    tags = (
        select(TAGS.c.expense_id, func.count().label("count"))
        .where(TAGS.c.user_id == user_id)
        .group_by(TAGS.c.expense_id)
        .subquery()
    )
    line_count, tag_count = func.coalesce(lines.c["count"], 0), func.coalesce(tags.c["count"], 0)
    # What has no lines counts as a whole, and has nothing to add up.
    minor = func.coalesce(lines.c.minor, EXPENSES.c.amount_minor)
    query = (
        select(EXPENSES.c.id, EXPENSES.c.amount_minor, EXPENSES.c.line_count, EXPENSES.c.tag_count)
        .add_columns(minor, line_count, tag_count)
        .outerjoin(lines, lines.c.expense_id == EXPENSES.c.id)
        .outerjoin(tags, tags.c.expense_id == EXPENSES.c.id)
        .where(
            EXPENSES.c.user_id == user_id,
            or_(
                minor != EXPENSES.c.amount_minor,
                line_count != EXPENSES.c.line_count,
                tag_count != EXPENSES.c.tag_count,
            ),
        )
        .limit(MAX_DIFFERENCES)
    )
    # PostgreSQL adds up 64-bit numbers as numeric.
    return [
        PartsDifference(row[0], row[1:4], (int(row[4]), row[5], row[6])) for row in session.execute(query)
    ]
