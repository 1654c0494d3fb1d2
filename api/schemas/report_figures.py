"""The figures of a report as clients read them."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.analytics import (
    AnomalyOut,
    LargestOut,
    Percent,
    RestOut,
    ShareOut,
    UnconvertedCount,
    percent,
    unconverted,
)
from api.schemas.budget_fields import Name
from api.schemas.budgets import FiguresOut
from api.schemas.common import Amount, Currency, Day, Id
from api.schemas.debts import Name as MemberName
from api.schemas.exchange_rates import ConvertedOut
from api.schemas.explanations import Signed
from core.queries.analytics import Group
from core.queries.report_documents import (
    Comparison,
    KeptBudget,
    Named,
    OpenDebt,
    ReportFigures,
    ReportSubscription,
    Slice,
)
from core.queries.report_groups import GroupStanding
from core.rules.money import format_amount
from core.rules.report_periods import ComparisonName
from core.rules.subscriptions import Cadence

Count = Annotated[int, Meta(examples=[12])]
GroupName = Annotated[str, Meta(examples=["Flat"])]


class ComparisonOut(msgspec.Struct):
    """An earlier time beside as much of the report's own."""

    name: Annotated[
        ComparisonName,
        Meta(description="The period before, or the same month a year before.", examples=["period_before"]),
    ]
    from_day: Day = msgspec.field(name="from")
    to_day: Day = msgspec.field(name="to")
    total: Amount
    count: Annotated[int, Meta(description="Of expenses.", examples=[31])]
    own_to: Annotated[Day, Meta(description="Up to which day the report's own time is beside it.")]
    own_total: Amount
    change: Annotated[Amount, Meta(description="From then to now.", examples=["-12.34"])]
    change_percent: (
        Annotated[Percent, Meta(description="Of what was spent then; null if that is not positive.")] | None
    )

    @classmethod
    def of(cls, found: Comparison, currency: str) -> "ComparisonOut":
        change = found.own.minor - found.then.minor
        return cls(
            found.days.name,
            found.days.first_day,
            found.days.last_day,
            format_amount(found.then.minor, currency),
            found.then.count,
            found.days.own_last_day,
            format_amount(found.own.minor, currency),
            format_amount(change, currency),
            percent(change, found.then.minor),
        )


class SliceOut(msgspec.Struct):
    """A day, a week from its Monday, or a month."""

    start: Day
    amount: Amount
    count: Count

    @classmethod
    def of(cls, found: Slice, currency: str) -> "SliceOut":
        return cls(found.start, format_amount(found.minor, currency), found.count)


class NamedOut(msgspec.Struct):
    """The largest parts, and what is not told apart; under tags an expense counts once for each."""

    items: list[ShareOut]
    rest: RestOut

    @classmethod
    def of(cls, found: Named, whole: int, currency: str) -> "NamedOut":
        rest = RestOut(format_amount(found.rest.minor, currency), found.rest.count)
        return cls(_shares(found.groups, whole, currency), rest)


class KeptBudgetOut(msgspec.Struct):
    """A budget's periods with a day in the report's time, the oldest first, as far as they had begun.

    There are `kept` and `exceeded` together; of very many only the last ones are listed.
    """

    budget_id: Id
    name: Name
    currency: Currency
    kept: Annotated[int, Meta(description="Periods within the limit.", examples=[1])]
    exceeded: Annotated[int, Meta(examples=[0])]
    periods: list[FiguresOut]

    @classmethod
    def of(cls, found: KeptBudget) -> "KeptBudgetOut":
        periods = [FiguresOut.of(one, found.currency) for one in found.periods]
        return cls(found.budget_id, found.name, found.currency, found.kept, found.exceeded, periods)


class StandingOut(msgspec.Struct):
    """A group that the user is in, in one currency.

    `before`, what was `paid` less the own `share`, and what was `sent` less what was `received` make `after`.
    """

    group_id: Id
    group_name: GroupName
    currency: Currency
    expenses: Annotated[int, Meta(description="With a part of the user's.", examples=[7])]
    paid: Annotated[Amount, Meta(description="Laid out for the group.")]
    share: Annotated[Amount, Meta(description="What is the user's own of its expenses.")]
    sent: Annotated[Amount, Meta(description="Payments to other members, as far as they are confirmed.")]
    received: Annotated[Amount, Meta(description="Payments of other members.")]
    before: Annotated[Signed, Meta(description="The balance before.")]
    after: Annotated[Signed, Meta(description="The balance at the end; positive: the user is owed.")]

    @classmethod
    def of(cls, found: GroupStanding) -> "StandingOut":
        amounts = (
            format_amount(minor, found.currency)
            for minor in (
                found.paid_minor,
                found.share_minor,
                found.sent_minor,
                found.received_minor,
                found.before_minor,
                found.after_minor,
            )
        )
        return cls(found.group_id, found.name, found.currency, found.expenses, *amounts)


class OpenDebtOut(msgspec.Struct):
    """Between the user and a member of a group, as it was when the report was built."""

    group_id: Id
    group_name: GroupName
    display_name: MemberName
    currency: Currency
    amount: Amount
    is_owed_by_me: Annotated[bool, Meta(examples=[True])]

    @classmethod
    def of(cls, found: OpenDebt) -> "OpenDebtOut":
        return cls(
            found.group_id,
            found.group_name,
            found.member_name,
            found.currency,
            format_amount(found.amount_minor, found.currency),
            found.is_owed_by_me,
        )


class RepeatedOut(msgspec.Struct):
    """A charge that comes back at a regular interval, as it was known at the end of the report's time."""

    payee: Annotated[str, Meta(examples=["Streaming Service"])]
    cadence: Cadence
    amount: Annotated[Amount, Meta(description="Of the last one.")]
    currency: Currency
    yearly: Annotated[Amount, Meta(description="What it costs in a year.")]
    count: Count
    first_on: Day
    last_on: Day
    next_on: Annotated[Day, Meta(description="When it should come again, or should have.")]
    is_ended: Annotated[bool, Meta(description="It did not come when it should have.", examples=[False])]

    @classmethod
    def of(cls, found: ReportSubscription) -> "RepeatedOut":
        return cls(
            found.payee,
            found.cadence,
            format_amount(found.amount_minor, found.currency),
            found.currency,
            format_amount(found.yearly_minor, found.currency),
            found.count,
            found.first_on,
            found.last_on,
            found.next_on,
            found.is_ended,
        )


class ReportFiguresOut(msgspec.Struct, kw_only=True):
    """What a report tells. All amounts without a currency of their own are in the report's."""

    running_on: Annotated[
        Day | None,
        Meta(description="The day on which it stood so, if its time was not over.", examples=[None]),
    ]
    total: Amount
    count: Annotated[int, Meta(description="Of expenses.", examples=[42])]
    average: Annotated[Amount, Meta(description="Of an expense; null without any.")] | None
    daily: Annotated[Amount, Meta(description="On average, of the days that have passed.")]
    comparisons: list[ComparisonOut]
    largest: list[LargestOut]
    by_category: list[ShareOut]
    over_time: Annotated[list[SliceOut], Meta(description="The days of a month, the months of a year.")]
    by_week: list[SliceOut]
    by_weekday: list[ShareOut]
    by_payee: NamedOut
    by_tag: NamedOut
    converted: Annotated[
        list[ConvertedOut], Meta(description="Other currencies within `total`, and the rates that were used.")
    ]
    unconverted: Annotated[list[UnconvertedCount], Meta(description="Beside `total`, for want of a rate.")]
    budgets: list[KeptBudgetOut]
    groups: list[StandingOut]
    debts: list[OpenDebtOut]
    anomalies: list[AnomalyOut]
    subscriptions: list[RepeatedOut]

    @classmethod
    def of(cls, found: ReportFigures) -> "ReportFiguresOut":
        currency, whole = found.currency, found.whole.minor
        average = found.average_minor
        return cls(
            running_on=found.running_on,
            total=format_amount(whole, currency),
            count=found.whole.count,
            average=None if average is None else format_amount(average, currency),
            daily=format_amount(found.daily_minor, currency),
            comparisons=[ComparisonOut.of(one, currency) for one in found.comparisons],
            largest=[LargestOut.of(one, currency) for one in found.largest],
            by_category=_shares(found.by_category, whole, currency),
            over_time=[SliceOut.of(one, currency) for one in found.over_time],
            by_week=[SliceOut.of(one, currency) for one in found.by_week],
            by_weekday=_shares(found.by_weekday, whole, currency),
            by_payee=NamedOut.of(found.by_payee, whole, currency),
            by_tag=NamedOut.of(found.by_tag, whole, currency),
            converted=[ConvertedOut.of(one, currency) for one in found.converted],
            unconverted=unconverted(found.unconverted),
            budgets=[KeptBudgetOut.of(one) for one in found.budgets],
            groups=[StandingOut.of(one) for one in found.groups],
            debts=[OpenDebtOut.of(one) for one in found.debts],
            anomalies=[AnomalyOut.of(one) for one in found.anomalies],
            subscriptions=[RepeatedOut.of(one) for one in found.subscriptions],
        )


def _shares(groups: Sequence[Group], whole: int, currency: str) -> list[ShareOut]:
    return [ShareOut.of(group, whole, currency) for group in groups]
