"""The statements that sum up daily totals, and convert them by the parameters of a `RateTable`.

Built once each: building a statement costs more than running it over a month.
"""

from collections.abc import Sequence
from datetime import date
from functools import cache
from typing import Any, Literal

from sqlalchemy import (
    CTE,
    ColumnElement,
    CompoundSelect,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    case,
    extract,
    func,
    literal_column,
    null,
    select,
    true,
    union_all,
)

from core.models import DailyConversion, DailySpending, Expense, table_of
from core.queries.rate_tables import converted, has_rate

SPENDING = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)
EXPENSES = table_of(Expense)

Dimension = Literal["whole", "category", "day", "month", "currency"]

COUNTED = SPENDING.c["count"]
IS_OWN = SPENDING.c.currency == bindparam("currency")
IS_RATED = SPENDING.c.day.between(bindparam("rates_from"), bindparam("rates_to")) & has_rate(SPENDING)
FITS = func.abs(SPENDING.c.amount_minor) <= bindparam("largest_minor")
OWN_RATES = and_(
    *(CONVERSIONS.c[column.name] == column for column in SPENDING.primary_key),
    CONVERSIONS.c.into_currency == bindparam("currency"),
    CONVERSIONS.c["count"] != 0,
)
"""What of a total has rates of the user's own."""


def _conditions(table: Table, is_narrowed: bool) -> list[Any]:
    conditions = [
        table.c.user_id == bindparam("user_id"),
        table.c.day.between(bindparam("first"), bindparam("last")),
        # What has been deleted leaves a zero behind.
        table.c["count"] != 0,
    ]
    if is_narrowed:
        conditions.append(table.c.category_id.in_(bindparam("category_ids", expanding=True)))
    return conditions


def _key(by: Dimension) -> Any:
    match by:
        case "whole":
            return literal_column("''")
        case "category":
            return SPENDING.c.category_id
        case "month":
            return month_number(SPENDING.c.day)
        case _:
            return SPENDING.c[by]


def month_number(day: ColumnElement[date]) -> ColumnElement[int]:
    """Months since the year 0."""
    return extract("year", day) * 12 + extract("month", day) - 1


@cache
def own_query(by: Dimension, is_narrowed: bool) -> Select[Any]:
    """Key, amount and count of what was spent in the currency asked for."""
    if by == "month":
        days = own_query("day", is_narrowed).subquery()
        key: Any = month_number(days.c.key)
        return select(key, func.sum(days.c.minor), func.sum(days.c.count_of)).group_by(key)
    key = _key(by)
    return (
        select(
            key.label("key"),
            func.sum(SPENDING.c.amount_minor).label("minor"),
            func.sum(COUNTED).label("count_of"),
        )
        .where(*_conditions(SPENDING, is_narrowed), IS_OWN)
        .group_by(SPENDING.c.currency if by == "whole" else key)
    )


@cache
def foreign_query(is_narrowed: bool) -> Select[Any]:
    """The other currencies that the user ever spent in, each found by a look at an index.

    With whether anything in the range has a rate of the user's own into the one asked for.
    """
    is_users = EXPENSES.c.user_id == bindparam("user_id")
    found: CTE = select(func.min(EXPENSES.c.currency).label("currency")).where(is_users).cte(recursive=True)
    later = select(func.min(EXPENSES.c.currency)).where(is_users, EXPENSES.c.currency > found.c.currency)
    found = found.union_all(select(later.scalar_subquery()).where(found.c.currency.is_not(None)))
    has_own_rates = (
        select(CONVERSIONS.c.day)
        .where(*_conditions(CONVERSIONS, is_narrowed), CONVERSIONS.c.into_currency == bindparam("currency"))
        .exists()
    )
    return select(found.c.currency, has_own_rates).where(found.c.currency != bindparam("currency"))


@cache
def converted_query(
    by: Dimension, is_narrowed: bool, dialect: str, *, is_all: bool, has_own_rates: bool = False
) -> Select[Any] | CompoundSelect[Any]:
    """Key, amount, count, currency, converted amount, newest day and largest amount, by key and currency.

    With `is_all` as if everything could be converted: `largest` tells whether it could. Otherwise without
    what the statements below are for.
    """
    if by == "month":
        days = converted_query("day", is_narrowed, dialect, is_all=is_all, has_own_rates=has_own_rates)
        return _months_of(days.subquery())
    minor, conditions = SPENDING.c.amount_minor, _conditions(SPENDING, is_narrowed)
    into_minor = case((FITS, converted(SPENDING)))
    wanted = true() if is_all else and_(IS_RATED, FITS, *_without_own_rates(has_own_rates))
    if dialect == "sqlite":
        # It sorts what it groups: two short lists, read twice, take two thirds of the time of a long one.
        own = own_query(by, is_narrowed).add_columns(
            bindparam("currency"), func.sum(minor), null(), literal_column("0")
        )
        return union_all(_converted(by, [*conditions, ~IS_OWN, wanted], into_minor), own)
    return _converted(by, [*conditions, IS_OWN | wanted], case((IS_OWN, minor), else_=into_minor))


def _converted(by: Dimension, conditions: Sequence[Any], into_minor: ColumnElement[int]) -> Select[Any]:
    minor, key = SPENDING.c.amount_minor, _key(by)
    keys = [SPENDING.c.currency] if by in ("whole", "currency") else [key, SPENDING.c.currency]
    return (
        select(
            key.label("key"),
            func.sum(minor).label("minor"),
            func.sum(COUNTED).label("count_of"),
            SPENDING.c.currency.label("spent_in"),
            func.sum(into_minor).label("into_minor"),
            func.max(SPENDING.c.day).label("newest"),
            # Of the currency asked for whatever is not converted.
            func.max(case((IS_OWN, 0), else_=func.abs(minor))).label("largest"),
        )
        .where(*conditions)
        .group_by(*keys)
    )


def _months_of(days: Subquery) -> Select[Any]:
    """Of so few rows the months cost little; of each total they would cost as much as all else."""
    key: Any = month_number(days.c.key)
    minor, count_of, into_minor = (func.sum(days.c[name]) for name in ("minor", "count_of", "into_minor"))
    newest, largest = (func.max(days.c[name]).label(name) for name in ("newest", "largest"))
    return select(key, minor, count_of, days.c.spent_in, into_minor, newest, largest).group_by(
        key, days.c.spent_in
    )


def _without_own_rates(has_own_rates: bool) -> list[ColumnElement[bool]]:
    return [~select(CONVERSIONS.c.day).where(OWN_RATES).exists()] if has_own_rates else []


@cache
def unrated_query(is_narrowed: bool, has_own_rates: bool) -> Select[Any]:
    """Amount, count and currency of what has no rate."""
    return (
        select(func.sum(SPENDING.c.amount_minor), func.sum(COUNTED), SPENDING.c.currency)
        .where(*_conditions(SPENDING, is_narrowed), ~IS_OWN, ~IS_RATED, *_without_own_rates(has_own_rates))
        .group_by(SPENDING.c.currency)
    )


@cache
def single_query(by: Dimension, is_narrowed: bool) -> Select[Any]:
    """Totals that are to be converted elsewhere: too large, or with rates of the user's own.

    Key, day, currency, amount and count, and of those rates amount, count and converted amount.
    """
    return (
        select(
            _key(by),
            SPENDING.c.day,
            SPENDING.c.currency,
            SPENDING.c.amount_minor,
            COUNTED,
            CONVERSIONS.c.amount_minor,
            CONVERSIONS.c["count"],
            CONVERSIONS.c.converted_minor,
        )
        .select_from(SPENDING.outerjoin(CONVERSIONS, OWN_RATES))
        .where(
            *_conditions(SPENDING, is_narrowed),
            ~IS_OWN,
            CONVERSIONS.c.day.is_not(None) | (IS_RATED & ~FITS),
        )
    )
