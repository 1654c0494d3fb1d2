"""The rates of days, and amounts converted by them."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from sqlalchemy import bindparam, func, select

from core.database import Reader
from core.models import ExchangeRate, table_of
from core.rules.conversion import EUR, MAX_RATE_AGE, RATE_SCALE, cross_rate
from core.rules.money import divide_half_up, scale

RATES = table_of(ExchangeRate)

# Built once: the evaluation of budgets may run it after every write.
RATES_BETWEEN = (
    select(RATES.c.currency, RATES.c.day, RATES.c.rate)
    .where(
        RATES.c.currency.in_(bindparam("currencies", expanding=True)),
        RATES.c.day.between(bindparam("first"), bindparam("last")),
    )
    .order_by(RATES.c.currency, RATES.c.day)
)


@dataclass(frozen=True, slots=True)
class Factor:
    """The rates of a day as a fraction of minor units, and the day of the older one of them."""

    numerator: int
    denominator: int
    rate_day: date

    def convert(self, minor: int) -> int:
        return divide_half_up(minor * self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Conversion:
    """An amount in another currency, and the day of the older one of the rates behind it."""

    amount_minor: int
    rate_day: date


@dataclass(frozen=True, slots=True)
class Converted:
    """What counts of another currency, as it was spent and in the one asked for, each day at its own rate.

    `rate_day` is the newest day of those rates.
    """

    currency: str
    amount_minor: int
    converted_minor: int
    rate_day: date


@dataclass(frozen=True, slots=True)
class _Series:
    """A currency's rates in the order of their days."""

    days: list[date] = field(default_factory=list)
    rates: list[int] = field(default_factory=list)


class RateBook:
    """The rates for the currencies and days that it was opened for."""

    def __init__(self, series: Mapping[str, _Series] | None = None) -> None:
        """Without any series there is nothing to convert."""
        self._series = series or {}
        self.is_empty = series is None

    def rate_on(self, currency: str, day: date) -> tuple[int, date] | None:
        """Units for a euro and the day they are of: that day, or the last one up to `MAX_RATE_AGE` before."""
        if currency == EUR:
            return RATE_SCALE, day
        series = self._series.get(currency)
        if series is None:
            return None
        position = bisect_right(series.days, day) - 1
        if position < 0 or day - series.days[position] > MAX_RATE_AGE:
            return None
        return series.rates[position], series.days[position]

    def days_between(self, first_day: date, last_day: date) -> tuple[date, date]:
        """The first and last day of the range that there may be rates for; the first after the last: none."""
        known = [one.days for one in self._series.values()]
        first = max(first_day, min((days[0] for days in known), default=date.max))
        end = max((days[-1].toordinal() for days in known), default=0) + MAX_RATE_AGE.days
        return first, date.fromordinal(min(last_day.toordinal(), end))

    def rates_between(self, currency: str, first_day: date, last_day: date) -> list[int | None]:
        """As `rate_on` tells them, of each day; none where the last is before the first."""
        length = max((last_day - first_day).days + 1, 0)
        if currency == EUR:
            return [RATE_SCALE] * length
        rates: list[int | None] = [None] * length
        series = self._series.get(currency, _Series())
        for day, rate in zip(series.days, series.rates, strict=True):
            start = (day - first_day).days
            end = min(start + MAX_RATE_AGE.days + 1, length)
            start = max(start, 0)
            # Each is overwritten by the next one from that one's day on.
            if start < end:
                rates[start:end] = [rate] * (end - start)
        return rates

    def convert(self, minor: int, source: str, target: str, day: date) -> Conversion | None:
        """The amount at the day's rates; None where there is none: never one to one."""
        factor = self.factor(source, target, day)
        return None if factor is None else Conversion(factor.convert(minor), factor.rate_day)

    def factor(self, source: str, target: str, day: date) -> Factor | None:
        """What converts all amounts of a day; None without a rate."""
        if source == target:
            return Factor(1, 1, day)
        source_rate, target_rate = self.rate_on(source, day), self.rate_on(target, day)
        if source_rate is None or target_rate is None:
            return None
        return Factor(
            target_rate[0] * 10 ** scale(target),
            source_rate[0] * 10 ** scale(source),
            min(source_rate[1], target_rate[1]),
        )


def open_rates(session: Reader, *, currencies: Collection[str], first_day: date, last_day: date) -> RateBook:
    """What converts amounts of these days between these currencies; without a query where nothing does."""
    wanted = set(currencies)
    series: defaultdict[str, _Series] = defaultdict(_Series)
    if len(wanted) > 1 and last_day >= first_day:
        # Before the calendar's first week no earlier rate can be asked for.
        first = date.fromordinal(max(first_day.toordinal() - MAX_RATE_AGE.days, 1))
        parameters = {"currencies": sorted(wanted - {EUR}), "first": first, "last": last_day}
        # A row at a time takes twice as long.
        for currency, day, rate in session.execute(RATES_BETWEEN, parameters).all():
            series[currency].days.append(day)
            series[currency].rates.append(rate)
    return RateBook(dict(series))


@dataclass(frozen=True, slots=True)
class CrossRate:
    """Units of a currency for one of a base, in parts of `RATE_SCALE`.

    `day` is that of the older one of the two rates behind it; `source` and `fetched_at` are the
    currency's own, and for the euro those of the base.
    """

    currency: str
    rate: int
    day: date
    source: str
    fetched_at: datetime


def rates_of_day(session: Reader, *, day: date, base: str = EUR) -> list[CrossRate]:
    """What one unit of the base buys of each other currency, in the order of their codes.

    None without a rate for the base. Each is of that day, or of the last one up to `MAX_RATE_AGE` before.
    """
    # The calendar's first week has no week before it.
    first = date.fromordinal(max(day.toordinal() - MAX_RATE_AGE.days, 1))
    newest = (
        select(RATES.c.currency, func.max(RATES.c.day).label("day"))
        .where(RATES.c.day.between(first, day))
        .group_by(RATES.c.currency)
        .subquery()
    )
    is_newest = (RATES.c.currency == newest.c.currency) & (RATES.c.day == newest.c.day)
    rows = session.execute(select(RATES).join(newest, is_newest).order_by(RATES.c.currency)).all()
    per_euro = [CrossRate(row.currency, row.rate, row.day, row.source, row.fetched_at) for row in rows]
    if base == EUR:
        return per_euro
    its = next((one for one in per_euro if one.currency == base), None)
    if its is None:
        return []
    euro = replace(its, currency=EUR, rate=RATE_SCALE)
    others = [one for one in (euro, *per_euro) if one.currency != base]
    return [
        replace(one, rate=cross_rate(its.rate, one.rate), day=min(one.day, its.day))
        for one in sorted(others, key=lambda one: one.currency)
    ]


def newest_day(session: Reader) -> date | None:
    """The last day that there are rates of."""
    day: date | None = session.scalar(select(func.max(RATES.c.day)))
    return day
