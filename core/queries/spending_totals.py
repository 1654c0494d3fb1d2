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

from core.database import Reader
from core.models.spending import UNCATEGORISED
from core.queries.exchange_rates import Converted, Factor, RateBook, open_rates
from core.queries.rate_tables import tabulate
from core.queries.total_statements import (
    CONVERTED,
    SPENT_CURRENCIES,
    WITHOUT_RATE,
    Dimension,
    has_own_rates_query,
    own_query,
    quick_query,
    thorough_query,
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
        key = (currency, day)
        if key not in self._factors:
            self._factors[key] = self._rates.factor(currency, self._currency, day)
        factor = self._factors[key]
        if factor is None:
            self.leave(minor, count, currency)
            return None
        return self.take(minor, factor.convert(minor), currency, factor.rate_day)

    def take(self, minor: int, converted_minor: int, currency: str, rate_day: date) -> int:
        """What is converted already; answers it."""
        amount, converted, newest = self._converted.get(currency, (0, 0, rate_day))
        newest = max(newest, rate_day)
        self._converted[currency] = (amount + minor, converted + converted_minor, newest)
        return converted_minor

    def leave(self, minor: int, count: int, currency: str) -> None:
        """What has no rate."""
        self._unconverted[currency].add(minor, count)

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
    spent_in = session.scalars(SPENT_CURRENCIES, {"user_id": scope.user_id})
    foreign = [currency for currency in spent_in if currency != scope.currency]
    if not foreign:
        rows = session.execute(own_query(by, scope.is_narrowed), scope.parameters).all()
        # PostgreSQL sums bigints into a numeric.
        return Sums({key: Sum(int(minor), int(count)) for key, minor, count in rows})
    rates = rates_for(session, scope, foreign)
    by_key: defaultdict[Any, Sum] = defaultdict(Sum)
    parts: ForeignParts[Any] = ForeignParts(rates, scope.currency)
    newest: dict[str, date] = {}
    rows = _converted_rows(session, scope, by, foreign, rates)
    for key, currency, state, minor, count, into_minor, day, *own in rows:
        if state == CONVERTED:
            by_key[key].add(int(into_minor), int(count))
            if currency != scope.currency:
                newest[currency] = max(day, newest.get(currency, day))
                parts.take(int(minor), int(into_minor), currency, date.min)
        elif state == WITHOUT_RATE:
            parts.leave(int(minor), int(count), currency)
        else:
            _add_single(by_key[key], parts, currency, day, Sum(int(minor), int(count)), own)
    for currency, day in newest.items():
        # Earlier days have earlier rates.
        parts.convert(0, 0, currency, day)
    return parts.sums(by_key)


def _converted_rows(
    session: Reader, scope: Scope, by: Dimension, foreign: Sequence[str], rates: RateBook
) -> Sequence[Any]:
    """Key, currency, state, amount, count, converted, newest day; `thorough_query` may have more behind."""
    days = {"first_day": scope.first_day, "last_day": scope.last_day}
    table = tabulate(rates, currencies=foreign, target=scope.currency, **days)
    parameters = scope.parameters | table.parameters
    has_own_rates = session.execute(has_own_rates_query(scope.is_narrowed), parameters).first() is not None
    if table.is_complete and not has_own_rates:
        rows = session.execute(quick_query(by, scope.is_narrowed), parameters).all()
        if all(row.largest <= table.largest_minor or row.spent_in == scope.currency for row in rows):
            return rows
    return session.execute(thorough_query(by, scope.is_narrowed, has_own_rates), parameters).all()


def _add_single(
    sums: Sum, parts: ForeignParts[Any], currency: str, day: date, total: Sum, own: Sequence[int | None]
) -> None:
    """Add a daily total; `own` is what of it has rates of the user's own: amount, converted, count."""
    given, given_into, given_count = (number or 0 for number in own or (0, 0, 0))
    if given_count:
        sums.add(parts.take(given, given_into, currency, day), given_count)
    rest, rest_count = total.minor - given, total.count - given_count
    if rest or rest_count:
        converted = parts.convert(rest, rest_count, currency, day)
        if converted is not None:
            sums.add(converted, rest_count)


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
