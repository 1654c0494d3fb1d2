"""What analytics are asked for, and what they answer."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.budget_fields import Name
from api.schemas.budgets import FiguresOut
from api.schemas.common import Amount, Currency, Day, Id, OnlyPage
from api.schemas.exchange_rates import ConvertedOut, Unconverted
from core.queries.adherence import Adherence
from core.queries.analytics import Breakdown, Cut, Group, LargestExpense, Summary
from core.queries.insights import Anomaly, MonthForecast, Subscription
from core.queries.spending_totals import Sum
from core.queries.trends import Trend
from core.rules.money import format_amount
from core.rules.series import Interval, share_tenths
from core.rules.subscriptions import Cadence

MAX_PERIODS = 366
"""A leap year of days."""

From = Annotated[Day, Meta(description="First day; default: the first of the month of `to`.")]
To = Annotated[Day, Meta(description="Last day, inclusive; default: today.")]
TargetCurrency = Annotated[
    Currency, Meta(description="What other currencies are converted into; default: the user's.")
]
Percent = Annotated[float, Meta(examples=[23.4])]


class RangeQuery(msgspec.Struct, forbid_unknown_fields=True):
    from_day: From | None = msgspec.field(default=None, name="from")
    to_day: To | None = msgspec.field(default=None, name="to")

    def days(self, today: date) -> tuple[date, date]:
        """The first and the last day; where only the first one is given and lies ahead, that day alone."""
        last = self.to_day or max(today, self.from_day or today)
        return self.from_day or last.replace(day=1), last


class SummaryQuery(RangeQuery):
    currency: TargetCurrency | None = None


class BreakdownQuery(SummaryQuery):
    by: Annotated[Cut, Meta(description="What the spending is cut up by.")] = "category"


class TrendsQuery(msgspec.Struct, forbid_unknown_fields=True):
    interval: Interval = "month"
    periods: Annotated[int, Meta(ge=1, le=MAX_PERIODS, description="How many, up to the running one.")] = 12
    category_id: Annotated[Id, Meta(description="With its sub-categories.")] | None = None
    currency: TargetCurrency | None = None


class ForecastQuery(msgspec.Struct, forbid_unknown_fields=True):
    currency: TargetCurrency | None = None


class UnconvertedCount(Unconverted):
    count: Annotated[int, Meta(description="Of the expenses behind it.", examples=[2])]


class ShareOut(msgspec.Struct):
    """A part of the spending. `key` is null for what has none, such as expenses without a category."""

    key: Annotated[str | None, Meta(examples=["2026-05-01"])]
    label: Annotated[str, Meta(examples=["2026-05"])]
    amount: Amount
    count: Annotated[
        int, Meta(description="Of expenses; one with lines counts once for each line.", examples=[12])
    ]
    percent: Annotated[Percent, Meta(description="Of the whole; null if that is not positive.")] | None

    @classmethod
    def of(cls, group: Group, whole: int, currency: str) -> "ShareOut":
        amount = format_amount(group.minor, currency)
        return cls(group.key, group.label, amount, group.count, percent(group.minor, whole))


class LargestOut(msgspec.Struct):
    """The largest single expense."""

    expense_id: Id
    spent_on: Day
    payee: Annotated[str | None, Meta(examples=["Grand Hotel"])]
    amount: Amount
    currency: Currency
    converted: Annotated[Amount, Meta(description="In the currency of the whole.")]

    @classmethod
    def of(cls, largest: LargestExpense, currency: str) -> "LargestOut":
        return cls(
            largest.id,
            largest.spent_on,
            largest.payee,
            format_amount(largest.amount_minor, largest.currency),
            largest.currency,
            format_amount(largest.converted_minor, currency),
        )


class BeforeOut(msgspec.Struct):
    """The time before: as many whole months, the same days of the month before, or as many days."""

    from_day: Day = msgspec.field(name="from")
    to_day: Day = msgspec.field(name="to")
    total: Amount
    count: Annotated[int, Meta(examples=[31])]
    change: Annotated[Amount, Meta(description="From then to now.", examples=["-12.34"])]
    change_percent: (
        Annotated[Percent, Meta(description="Of what was spent then; null if that is not positive.")] | None
    )


class SummaryOut(msgspec.Struct):
    """What was spent from the first up to and with the last day, refunds taken off."""

    from_day: Day = msgspec.field(name="from")
    to_day: Day = msgspec.field(name="to")
    currency: Currency
    total: Amount
    count: Annotated[int, Meta(description="Of expenses.", examples=[42])]
    average: Annotated[Amount, Meta(description="Of an expense; null without any.")] | None
    largest: LargestOut | None
    by_category: list[ShareOut]
    before: Annotated[BeforeOut | None, Meta(description="null at the beginning of the calendar.")]
    converted: Annotated[list[ConvertedOut], Meta(description="Within `total`.")]
    unconverted: Annotated[list[UnconvertedCount], Meta(description="Beside `total`, for want of a rate.")]

    @classmethod
    def of(cls, summary: Summary, days: tuple[date, date], currency: str) -> "SummaryOut":
        total, count = summary.whole.minor, summary.whole.count
        before = summary.before
        return cls(
            from_day=days[0],
            to_day=days[1],
            currency=currency,
            total=format_amount(total, currency),
            count=count,
            average=format_amount(summary.average_minor, currency)
            if summary.average_minor is not None
            else None,
            largest=None if summary.largest is None else LargestOut.of(summary.largest, currency),
            by_category=[ShareOut.of(group, total, currency) for group in summary.by_category],
            before=None
            if before is None
            else BeforeOut(
                before.first_day,
                before.last_day,
                format_amount(before.whole.minor, currency),
                before.whole.count,
                format_amount(total - before.whole.minor, currency),
                percent(total - before.whole.minor, before.whole.minor),
            ),
            converted=[ConvertedOut.of(part, currency) for part in summary.converted],
            unconverted=unconverted(summary.unconverted),
        )


class RestOut(msgspec.Struct):
    """What is not told apart, beyond the largest."""

    amount: Amount
    count: Annotated[int, Meta(examples=[0])]


class BreakdownOut(msgspec.Struct):
    """The parts of the spending; under tags an expense counts once for each of its own."""

    from_day: Day = msgspec.field(name="from")
    to_day: Day = msgspec.field(name="to")
    currency: Currency
    total: Amount
    items: list[ShareOut]
    rest: RestOut
    converted: list[ConvertedOut]
    unconverted: list[UnconvertedCount]
    next_cursor: OnlyPage = None

    @classmethod
    def of(cls, found: Breakdown, days: tuple[date, date], currency: str) -> "BreakdownOut":
        return cls(
            from_day=days[0],
            to_day=days[1],
            currency=currency,
            total=format_amount(found.whole_minor, currency),
            items=[ShareOut.of(group, found.whole_minor, currency) for group in found.groups],
            rest=RestOut(format_amount(found.rest.minor, currency), found.rest.count),
            converted=[ConvertedOut.of(part, currency) for part in found.converted],
            unconverted=unconverted(found.unconverted),
        )


class TrendPointOut(msgspec.Struct):
    """An interval from `start` up to but without `end`."""

    start: Day
    end: Day
    amount: Amount
    moving_average: Annotated[
        Amount | None, Meta(description="Of this interval and those before it, as many as `window` says.")
    ]


class TrendsOut(msgspec.Struct):
    interval: Interval
    currency: Currency
    window: Annotated[int, Meta(description="Intervals of the moving average.", examples=[3])]
    items: list[TrendPointOut]
    converted: list[ConvertedOut]
    unconverted: list[UnconvertedCount]
    next_cursor: OnlyPage = None

    @classmethod
    def of(cls, found: Trend, interval: Interval, window: int, currency: str) -> "TrendsOut":
        return cls(
            interval=interval,
            currency=currency,
            window=window,
            items=[
                TrendPointOut(
                    point.start,
                    point.end,
                    format_amount(point.minor, currency),
                    None if point.average_minor is None else format_amount(point.average_minor, currency),
                )
                for point in found.points
            ],
            converted=[ConvertedOut.of(part, currency) for part in found.converted],
            unconverted=unconverted(found.unconverted),
        )


class AdherenceOut(msgspec.Struct):
    """A budget's periods of the range, the oldest first, as far as they have begun."""

    budget_id: Id
    name: Name
    currency: Currency
    kept: Annotated[int, Meta(description="Periods within the limit.", examples=[5])]
    exceeded: Annotated[int, Meta(examples=[1])]
    periods: list[FiguresOut]

    @classmethod
    def of(cls, found: Adherence) -> "AdherenceOut":
        budget = found.budget
        periods = [FiguresOut.of(one, budget.currency) for one in found.periods]
        return cls(budget.id, budget.name, budget.currency, found.kept, found.exceeded, periods)


class AdherencePage(msgspec.Struct):
    items: list[AdherenceOut]
    next_cursor: OnlyPage = None


class DueOut(msgspec.Struct):
    """A charge that should come again before the month ends."""

    payee: Annotated[str, Meta(examples=["Power Company"])]
    day: Day
    amount: Amount
    currency: Currency
    converted: Annotated[Amount, Meta(description="null, and not counted, without a rate.")] | None


class ForecastOut(msgspec.Struct):
    """The running month at its end. In four months of five it should end between `low` and `high`."""

    start: Day
    end: Annotated[Day, Meta(description="The day after the last.")]
    currency: Currency
    spent: Annotated[Amount, Meta(description="So far, with what is dated ahead.")]
    due: Annotated[Amount, Meta(description="Of charges that come back.")]
    everyday: Annotated[Amount, Meta(description="What else is still expected.")]
    expected: Annotated[Amount, Meta(description="The sum of the three.")]
    low: Amount
    high: Amount
    charges: list[DueOut]
    unconverted: list[UnconvertedCount]

    @classmethod
    def of(cls, found: MonthForecast, currency: str) -> "ForecastOut":
        one = found.forecast
        return cls(
            start=found.month.start,
            end=found.month.end,
            currency=currency,
            spent=format_amount(one.spent_minor, currency),
            due=format_amount(one.due_minor, currency),
            everyday=format_amount(one.everyday_minor, currency),
            expected=format_amount(one.expected_minor, currency),
            low=format_amount(one.low_minor, currency),
            high=format_amount(one.high_minor, currency),
            charges=[
                DueOut(
                    due.payee,
                    due.day,
                    format_amount(due.amount_minor, due.currency),
                    due.currency,
                    None if due.converted_minor is None else format_amount(due.converted_minor, currency),
                )
                for due in found.due
            ],
            unconverted=unconverted(found.unconverted),
        )


class AnomalyOut(msgspec.Struct):
    """An expense, or a line of one, that is out of the ordinary for its category."""

    expense_id: Id
    spent_on: Day
    payee: Annotated[str | None, Meta(examples=["Grand Hotel"])]
    category_id: Id | None
    amount: Amount
    currency: Currency
    usual: Annotated[Amount, Meta(description="The median of the category's last year.")]
    times: Annotated[float, Meta(description="Of the usual.", examples=[6.3])]
    words: Annotated[
        str, Meta(examples=["Dining: 240.00 EUR at Grand Hotel is 6.3 times the usual 38.00 EUR."])
    ]

    @classmethod
    def of(cls, found: Anomaly) -> "AnomalyOut":
        return cls(
            found.expense_id,
            found.spent_on,
            found.payee,
            found.category_id,
            format_amount(found.amount_minor, found.currency),
            found.currency,
            format_amount(found.usual_minor, found.currency),
            found.times_tenths / 10,
            found.words,
        )


class AnomalyPage(msgspec.Struct):
    items: list[AnomalyOut]
    next_cursor: OnlyPage = None


class SubscriptionOut(msgspec.Struct):
    """A charge that comes back at a regular interval."""

    payee: Annotated[str, Meta(examples=["Streaming Service"])]
    cadence: Cadence
    amount: Annotated[Amount, Meta(description="Of the last one.")]
    currency: Currency
    yearly: Annotated[Amount, Meta(description="What it costs in a year.")]
    count: Annotated[int, Meta(description="How many were found.", examples=[12])]
    first_on: Day
    last_on: Day
    next_on: Annotated[Day, Meta(description="When it should come again, or should have.")]
    is_ended: Annotated[bool, Meta(description="It did not come when it should have.", examples=[False])]

    @classmethod
    def of(cls, found: Subscription) -> "SubscriptionOut":
        one = found.recurrence
        return cls(
            found.payee,
            one.cadence,
            format_amount(one.amount_minor, found.currency),
            found.currency,
            format_amount(one.yearly_minor, found.currency),
            one.count,
            one.first_on,
            one.last_on,
            one.next_on,
            one.is_ended,
        )


class SubscriptionPage(msgspec.Struct):
    items: list[SubscriptionOut]
    next_cursor: OnlyPage = None


def percent(part: int, whole: int) -> float | None:
    tenths = share_tenths(part, whole)
    return None if tenths is None else tenths / 10


def unconverted(sums: Mapping[str, Sum]) -> list[UnconvertedCount]:
    return [UnconvertedCount(code, format_amount(one.minor, code), one.count) for code, one in sums.items()]
