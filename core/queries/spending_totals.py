"""Sums over the daily totals in one currency: by category, day or currency, for any range of days.

Other currencies are converted total by total, one of a day, category and currency, each rounded once, so that
every way to cut them up adds up to the same. The database does that while it sums them up; converted here is
what may not fit into its numbers, or is partly converted already, at rates of the user's own.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar
from uuid import UUID

from core.database import Reader, dialect_of
from core.models.spending import UNCATEGORISED
from core.queries.exchange_rates import Converted, Factor, RateBook, open_rates
from core.queries.rate_tables import RateTable, tabulate
from core.queries.total_statements import (
    Dimension,
    converted_query,
    foreign_query,
    own_query,
    single_query,
    unrated_query,
)
from core.rules.series import Interval, start_of

Key = TypeVar("Key")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose spending, and of which days, both inclusive; `category_ids` None means all of it."""

    user_id: UUID
    first_day: date
    last_day: date
    currency: str
    category_ids: Collection[UUID] | None = None

    @property
    def is_narrowed(self) -> bool:
        return self.category_ids is not None

    @property
    def parameters(self) -> dict[str, Any]:
        """What statements over its days are given."""
        given = {
            "user_id": self.user_id,
            "first": self.first_day,
            "last": self.last_day,
            "currency": self.currency,
        }
        return given if self.category_ids is None else given | {"category_ids": list(self.category_ids)}


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

    def merged(self, key: Callable[[Key], Other]) -> "Sums[Other]":
        """With what has the same new key added up."""
        merged: defaultdict[Other, Sum] = defaultdict(Sum)
        for old, one in self.by_key.items():
            merged[key(old)].add(one.minor, one.count)
        return Sums(dict(merged), self.converted, self.unconverted)

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
        # A payee's sums often have their day and currency in common with others'.
        self._factors: dict[tuple[str, date], Factor | None] = {}
        self._converted: dict[str, tuple[int, int, date]] = {}
        self._unconverted: defaultdict[str, Sum] = defaultdict(Sum)

    def convert(self, minor: int, count: int, currency: str, day: date) -> int | None:
        """The amount in the currency asked for; None of a day without a rate."""
        factor = self._factor(currency, day)
        if factor is None:
            self.leave(minor, count, currency)
            return None
        return self.take(minor, factor.convert(minor), currency, factor.rate_day)

    def take_converted(self, minor: int, converted_minor: int, currency: str, newest: date) -> None:
        """What is converted already, at the rates of its days up to this one."""
        factor = self._factor(currency, newest)
        self.take(minor, converted_minor, currency, factor.rate_day if factor else newest)

    def take(self, minor: int, converted_minor: int, currency: str, rate_day: date) -> int:
        """What is converted already; answers it."""
        amount, converted, newest = self._converted.get(currency, (0, 0, rate_day))
        newest = max(newest, rate_day)
        self._converted[currency] = (amount + minor, converted + converted_minor, newest)
        return converted_minor

    def leave(self, minor: int, count: int, currency: str) -> None:
        """What has no rate."""
        self._unconverted[currency].add(minor, count)

    def _factor(self, currency: str, day: date) -> Factor | None:
        key = (currency, day)
        if key not in self._factors:
            self._factors[key] = self._rates.factor(currency, self._currency, day)
        return self._factors[key]

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


def sum_by_interval(session: Reader, scope: Scope, interval: Interval) -> Sums[date]:
    """By the first day of each day, week, month and so on, of those with any spending."""
    if interval in ("day", "week"):
        sums = sum_by_day(session, scope)
    else:
        months: Sums[Any] = _sums(session, scope, "month")
        sums = months.merged(lambda number: date(int(number) // 12, int(number) % 12 + 1, 1))
    return sums.merged(lambda day: start_of(day, interval))


def sum_by_currency(session: Reader, scope: Scope) -> Sums[str]:
    """By the currency in which it was spent."""
    return _sums(session, scope, "currency")


def sum_whole(session: Reader, scope: Scope) -> Sums[str]:
    return _sums(session, scope, "whole")


def _sums(session: Reader, scope: Scope, by: Dimension) -> Sums[Any]:
    foreign: dict[str, bool] = dict(
        tuple(row) for row in session.execute(foreign_query(scope.is_narrowed), scope.parameters)
    )
    if not foreign:
        rows = session.execute(own_query(by, scope.is_narrowed), scope.parameters).all()
        # PostgreSQL sums bigints into a numeric.
        return Sums({key: Sum(int(minor), int(count)) for key, minor, count in rows})
    rates = rates_for(session, scope, foreign)
    table = tabulate(
        rates,
        currencies=list(foreign),
        target=scope.currency,
        first_day=scope.first_day,
        last_day=scope.last_day,
    )
    parts: ForeignParts[Any] = ForeignParts(rates, scope.currency)
    by_key: defaultdict[Any, Sum] = defaultdict(Sum)
    has_own_rates = any(foreign.values())
    converted = None if has_own_rates else _all_converted(session, scope, by, table)
    if converted is None:
        query = converted_query(
            by, scope.is_narrowed, dialect_of(session), is_all=False, has_own_rates=has_own_rates
        )
        converted = session.execute(query, scope.parameters | table.parameters).all()
        _add_others(session, scope, by, table, parts, by_key, has_own_rates=has_own_rates)
    for key, minor, count, currency, into_minor, newest, _ in converted:
        by_key[key].add(int(into_minor), int(count))
        if currency != scope.currency:
            parts.take_converted(int(minor), int(into_minor), currency, newest)
    return parts.sums(by_key)


def _all_converted(session: Reader, scope: Scope, by: Dimension, table: RateTable) -> Sequence[Any] | None:
    """The rows of `converted_query`; None where some of what they are of could not be converted."""
    if not table.is_complete:
        return None
    query = converted_query(by, scope.is_narrowed, dialect_of(session), is_all=True)
    rows = session.execute(query, scope.parameters | table.parameters).all()
    # Without a snapshot of the database a currency may have come up a moment ago.
    known = {scope.currency, *table.currencies}
    is_all = all(row.spent_in in known and row.largest <= table.largest_minor for row in rows)
    return rows if is_all else None


def _add_others(
    session: Reader,
    scope: Scope,
    by: Dimension,
    table: RateTable,
    parts: ForeignParts[Any],
    by_key: defaultdict[Any, Sum],
    *,
    has_own_rates: bool,
) -> None:
    """What has no rate, is too large for the database, or has rates of the user's own."""
    parameters = scope.parameters | table.parameters
    for minor, count, currency in session.execute(
        unrated_query(scope.is_narrowed, has_own_rates), parameters
    ):
        parts.leave(int(minor), int(count), currency)
    for key, day, currency, minor, count, own_minor, own_count, own_converted in session.execute(
        single_query(by, scope.is_narrowed), parameters
    ):
        rest, rest_count = minor - (own_minor or 0), count - (own_count or 0)
        if own_count:
            by_key[key].add(parts.take(own_minor, own_converted, currency, day), own_count)
        if rest_count:
            converted = parts.convert(rest, rest_count, currency, day)
            if converted is not None:
                by_key[key].add(converted, rest_count)


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
