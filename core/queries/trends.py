"""How spending went over time, interval by interval."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from core.database import Reader
from core.queries.exchange_rates import Converted
from core.queries.spending_totals import Scope, Sum, sum_by_interval
from core.rules.series import Interval, moving_averages, shifted, start_of

WINDOWS: Mapping[Interval, int] = {"day": 7, "week": 4, "month": 3, "quarter": 4, "year": 3}
"""Intervals of a moving average: a whole week or year where there is one, so that its pattern cancels out."""


@dataclass(frozen=True, slots=True)
class TrendPoint:
    start: date
    end: date
    minor: int
    average_minor: int | None


@dataclass(frozen=True, slots=True)
class Trend:
    points: Sequence[TrendPoint]
    converted: Sequence[Converted]
    unconverted: Mapping[str, Sum]


def trend(session: Reader, scope: Scope, *, interval: Interval, periods: int) -> Trend:
    """The last intervals up to the one of the scope's last day, also those without any spending.

    The scope begins early enough for the first one's moving average: see `trend_start`.
    """
    sums = sum_by_interval(session, scope, interval)
    last = start_of(scope.last_day, interval)
    window = WINDOWS[interval]
    starts = [shifted(last, interval, number) for number in range(2 - window - periods, 1)]
    minors = [sums.by_key[start].minor if start in sums.by_key else 0 for start in starts]
    points = [
        TrendPoint(start, shifted(start, interval, 1), minor, average)
        for start, minor, average in zip(starts, minors, moving_averages(minors, window), strict=True)
    ]
    return Trend(points[-periods:], sums.converted, sums.unconverted)


def trend_start(last_day: date, interval: Interval, periods: int) -> date:
    """The first day that bears on a trend of so many periods."""
    return shifted(start_of(last_day, interval), interval, 2 - WINDOWS[interval] - periods)
