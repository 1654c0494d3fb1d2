"""The statements that sum up daily totals, and convert them by the parameters of a `RateTable`.

Built once each: building a statement costs more than running it over a month.
"""

from datetime import date
from functools import cache
from typing import Any, Final, Literal

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Select,
    Subquery,
    Table,
    and_,
    bindparam,
    case,
    extract,
    false,
    func,
    literal,
    literal_column,
    select,
)

from core.models import DailyConversion, DailySpending, Expense, table_of
from core.queries.rate_tables import converted, has_rate

SPENDING = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)
EXPENSES = table_of(Expense)

Dimension = Literal["whole", "category", "day", "month", "currency"]

CONVERTED: Final = 0
WITHOUT_RATE: Final = 1
SINGLE: Final = 2
"""States of totals: a SINGLE one has a row of its own, and is to be converted by the caller."""

COUNTED = SPENDING.c["count"]
IS_OWN = SPENDING.c.currency == bindparam("currency")


def _spent_currencies() -> Select[Any]:
    """All currencies that the user has expenses in, also in the trash: a look at an index for each."""
    is_users = EXPENSES.c.user_id == bindparam("user_id")
    found: CTE = select(func.min(EXPENSES.c.currency).label("currency")).where(is_users).cte(recursive=True)
    later = select(func.min(EXPENSES.c.currency)).where(is_users, EXPENSES.c.currency > found.c.currency)
    found = found.union_all(select(later.scalar_subquery()).where(found.c.currency.is_not(None)))
    return select(found.c.currency).where(found.c.currency.is_not(None))


SPENT_CURRENCIES = _spent_currencies()


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
def has_own_rates_query(is_narrowed: bool) -> Select[Any]:
    """A row if anything has a rate of the user's own into the currency asked for."""
    return (
        select(literal(1))
        .where(*_conditions(CONVERSIONS, is_narrowed), CONVERSIONS.c.into_currency == bindparam("currency"))
        .limit(1)
    )


@cache
def quick_query(by: Dimension, is_narrowed: bool) -> Select[Any]:
    """Sums by key and currency, as if all could be converted; `largest` tells whether it could.

    For currencies that have a rate on each day, and where there are no rates of the user's own.
    """
    if by == "month":
        return _months_of(quick_query("day", is_narrowed).subquery())
    minor, key = SPENDING.c.amount_minor, _key(by)
    into_minor = case(
        (IS_OWN, minor),
        (func.abs(minor) <= bindparam("largest_minor"), converted(SPENDING)),
    )
    keys = [SPENDING.c.currency] if by in ("whole", "currency") else [key, SPENDING.c.currency]
    return (
        select(
            key.label("key"),
            SPENDING.c.currency.label("spent_in"),
            literal_column(str(CONVERTED)).label("state"),
            func.sum(minor).label("minor"),
            func.sum(COUNTED).label("count_of"),
            func.sum(into_minor).label("into_minor"),
            func.max(SPENDING.c.day).label("newest"),
            func.max(func.abs(minor)).label("largest"),
        )
        .where(*_conditions(SPENDING, is_narrowed))
        .group_by(*keys)
    )


def _months_of(days: Subquery) -> Select[Any]:
    """Of so few rows the months cost nothing; of each total they would cost as much as all else."""
    key = month_number(days.c.key)
    sums = [func.sum(days.c[name]).label(name) for name in ("minor", "count_of", "into_minor")]
    largest = [func.max(days.c[name]).label(name) for name in ("newest", "largest")]
    return select(key, days.c.spent_in, days.c.state, *sums, *largest).group_by(
        key, days.c.spent_in, days.c.state
    )


@cache
def thorough_query(by: Dimension, is_narrowed: bool, has_own_rates: bool) -> Select[Any]:
    """Sums by key, currency and state, with a row for each total that is SINGLE.

    With what of it has rates of the user's own behind, where there are some: amount, converted, count.
    """
    totals = _sorted_out(by, is_narrowed, has_own_rates)
    sums = [func.sum(totals.c[name]) for name in ("minor", "count_of", "into_minor")]
    if has_own_rates:
        own = [func.max(totals.c[name]) for name in ("own_minor", "own_into_minor", "own_count")]
    else:
        own = []
    groups = [totals.c[name] for name in ("key", "currency", "state", "single_day", "single_category")]
    return select(*groups[:3], *sums, func.max(totals.c.day), *own).group_by(*groups)


def _sorted_out(by: Dimension, is_narrowed: bool, has_own_rates: bool) -> Subquery:
    minor, day = SPENDING.c.amount_minor, SPENDING.c.day
    is_covered = day.between(bindparam("rates_from"), bindparam("rates_to"))
    has_own = CONVERSIONS.c["count"].is_not(None) if has_own_rates else false()
    state = case(
        (IS_OWN, CONVERTED),
        (has_own, SINGLE),
        (~is_covered, WITHOUT_RATE),
        (~has_rate(SPENDING), WITHOUT_RATE),
        (func.abs(minor) <= bindparam("largest_minor"), CONVERTED),
        else_=SINGLE,
    )
    columns = [
        _key(by).label("key"),
        SPENDING.c.currency,
        state.label("state"),
        case((state == SINGLE, day)).label("single_day"),
        case((state == SINGLE, SPENDING.c.category_id)).label("single_category"),
        day,
        minor.label("minor"),
        COUNTED.label("count_of"),
        case((IS_OWN, minor), (state == CONVERTED, converted(SPENDING))).label("into_minor"),
    ]
    source: FromClause = SPENDING
    if has_own_rates:
        keys = [column.name for column in SPENDING.primary_key]
        columns += [
            CONVERSIONS.c.amount_minor.label("own_minor"),
            CONVERSIONS.c.converted_minor.label("own_into_minor"),
            CONVERSIONS.c["count"].label("own_count"),
        ]
        is_of_it = and_(
            *(CONVERSIONS.c[name] == SPENDING.c[name] for name in keys),
            CONVERSIONS.c.into_currency == bindparam("currency"),
            CONVERSIONS.c["count"] != 0,
        )
        source = SPENDING.outerjoin(CONVERSIONS, is_of_it)
    return select(*columns).select_from(source).where(*_conditions(SPENDING, is_narrowed)).subquery()
