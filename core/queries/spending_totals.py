"""Sums over the daily totals in one currency: by category, day or currency, for any range of days.

The currency asked for is summed by the database. Others are converted total by total, one of a day, category
and currency, each rounded once, so that every way to cut them up adds up to the same. What the user has given
a rate of their own is converted already.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, func, literal, select

from core.database import Reader
from core.models import DailyConversion, DailySpending, table_of
from core.models.spending import UNCATEGORISED
from core.queries.exchange_rates import Converted, Factor, RateBook, open_rates

SPENDING = table_of(DailySpending)
CONVERSIONS = table_of(DailyConversion)

Dimension = Literal["whole", "category", "day", "currency"]
Key = TypeVar("Key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose spending, and of which days, both inclusive; `category_ids` None means all of it."""

    user_id: UUID
    first_day: date
    last_day: date
    currency: str
    category_ids: Collection[UUID] | None = None


@dataclass(slots=True)
class Sum:
    """Minor units, and how many expenses or lines of expenses they are of."""

    minor: int = 0
    count: int = 0

    def add(self, minor: int, count: int) -> None:
        self.minor += minor
        self.count += count


@dataclass(slots=True)
class Sums(Generic[Key]):
    """What is converted is within `by_key`; what is not stands apart, by currency in its own minor units."""

    by_key: dict[Key, Sum] = field(default_factory=dict)
    converted: list[Converted] = field(default_factory=list)
    unconverted: dict[str, Sum] = field(default_factory=dict)

    @property
    def whole(self) -> Sum:
        return Sum(
            sum(one.minor for one in self.by_key.values()), sum(one.count for one in self.by_key.values())
        )


class ForeignParts(Generic[Key]):
    """Takes sums of other currencies one by one, and tells what became of them."""

    def __init__(self, rates: RateBook, currency: str) -> None:
        self._rates = rates
        self._currency = currency
        # A range of years has tens of thousands of totals, some of them of the same day and currency.
        self._factors: dict[tuple[str, date], Factor | None] = {}
        self._converted: dict[str, tuple[int, int, date]] = {}
        self._unconverted: defaultdict[str, Sum] = defaultdict(Sum)

    def convert(self, minor: int, count: int, currency: str, day: date) -> int | None:
        """The amount in the currency asked for; None of a day without a rate."""
        key = (currency, day)
        if key not in self._factors:
            self._factors[key] = self._rates.factor(currency, self._currency, day)
        factor = self._factors[key]
        if factor is None:
            self._unconverted[currency].add(minor, count)
            return None
        return self.take(minor, factor.convert(minor), currency, factor.rate_day)

    def take(self, minor: int, converted_minor: int, currency: str, rate_day: date) -> int:
        """What is converted already; answers it."""
        amount, converted, newest = self._converted.get(currency, (0, 0, rate_day))
        newest = max(newest, rate_day)
        self._converted[currency] = (amount + minor, converted + converted_minor, newest)
        return converted_minor

    def sums(self, by_key: Mapping[Key, Sum]) -> Sums[Key]:
        converted = [Converted(code, *self._converted[code]) for code in sorted(self._converted)]
        unconverted = {code: self._unconverted[code] for code in sorted(self._unconverted)}
        return Sums(dict(by_key), converted, unconverted)


def sum_by_category(session: Reader, scope: Scope) -> Sums[UUID | None]:
    """None is the key of what has no category."""
    sums: Sums[UUID | None] = _sums(session, scope, "category")
    if UNCATEGORISED in sums.by_key:
        sums.by_key[None] = sums.by_key.pop(UNCATEGORISED)
    return sums


def sum_by_day(session: Reader, scope: Scope) -> Sums[date]:
    return _sums(session, scope, "day")


def sum_by_currency(session: Reader, scope: Scope) -> Sums[str]:
    """By the currency in which it was spent."""
    return _sums(session, scope, "currency")


def sum_whole(session: Reader, scope: Scope) -> Sums[str]:
    return _sums(session, scope, "whole")


def _sums(session: Reader, scope: Scope, by: Dimension) -> Sums[Any]:
    parameters: dict[str, Any] = {
        "user_id": scope.user_id,
        "first": scope.first_day,
        "last": scope.last_day,
        "currency": scope.currency,
    }
    is_narrowed = scope.category_ids is not None
    if scope.category_ids is not None:
        parameters["category_ids"] = list(scope.category_ids)
    by_key: defaultdict[Any, Sum] = defaultdict(Sum)
    has_foreign = False
    for key, currency, minor, count in session.execute(_sums_query(by, is_narrowed), parameters):
        if currency == scope.currency:
            by_key[key].add(int(minor), int(count))  # PostgreSQL sums bigints into a numeric
        else:
            has_foreign = True
    cells = session.execute(_foreign_query(is_narrowed), parameters).all() if has_foreign else []
    own = (
        {row[:3]: row for row in session.execute(_own_rates_query(is_narrowed), parameters)} if cells else {}
    )
    parts: ForeignParts[Any] = ForeignParts(
        rates_for(session, scope, {cell.currency for cell in cells}), scope.currency
    )
    for day, category_id, currency, minor, count in cells:
        key = {"whole": "", "category": category_id, "day": day, "currency": currency}[by]
        if (given := own.get((day, category_id, currency))) is not None:
            own_minor = parts.take(given.amount_minor, given.converted_minor, currency, day)
            by_key[key].add(own_minor, given.count_of)
        rest = minor - given.amount_minor if given else minor
        rest_count = count - given.count_of if given else count
        if rest or rest_count:
            converted = parts.convert(rest, rest_count, currency, day)
            if converted is not None:
                by_key[key].add(converted, rest_count)
    return parts.sums(by_key)


def rates_for(session: Reader, scope: Scope, currencies: Collection[str]) -> RateBook:
    """What converts these into the scope's currency on its days; no query where there are none."""
    if not currencies:
        return RateBook()
    return open_rates(
        session,
        currencies={*currencies, scope.currency},
        first_day=scope.first_day,
        last_day=scope.last_day,
    )


def _conditions(table: Table, is_narrowed: bool) -> list[Any]:
    conditions = [
        table.c.user_id == bindparam("user_id"),
        table.c.day.between(bindparam("first"), bindparam("last")),
    ]
    if is_narrowed:
        conditions.append(table.c.category_id.in_(bindparam("category_ids", expanding=True)))
    return conditions


# Built once: building a statement costs more than running it over a month.
@cache
def _sums_query(by: Dimension, is_narrowed: bool) -> Select[Any]:
    key = literal("") if by == "whole" else SPENDING.c["category_id" if by == "category" else by]
    keys = [SPENDING.c.currency] if by in ("whole", "currency") else [key, SPENDING.c.currency]
    return (
        select(
            key.label("key"),
            SPENDING.c.currency.label("spent_in"),
            func.sum(SPENDING.c.amount_minor),
            func.sum(SPENDING.c["count"]),
        )
        .where(*_conditions(SPENDING, is_narrowed))
        .group_by(*keys)
    )


@cache
def _own_rates_query(is_narrowed: bool) -> Select[Any]:
    """What of other currencies the user has given rates of their own into the one asked for."""
    names = ("day", "category_id", "currency", "amount_minor", "converted_minor")
    return select(*(CONVERSIONS.c[name] for name in names), CONVERSIONS.c["count"].label("count_of")).where(
        *_conditions(CONVERSIONS, is_narrowed), CONVERSIONS.c.into_currency == bindparam("currency")
    )


@cache
def _foreign_query(is_narrowed: bool) -> Select[Any]:
    columns = ("day", "category_id", "currency", "amount_minor", "count")
    return select(*(SPENDING.c[name] for name in columns)).where(
        *_conditions(SPENDING, is_narrowed), SPENDING.c.currency != bindparam("currency")
    )
