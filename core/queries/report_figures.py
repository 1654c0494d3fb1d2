"""What a report tells of a month or a year, put together from what analytics, budgets and groups tell."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Literal
from uuid import UUID

from core.database import Reader
from core.queries.adherence import adherence
from core.queries.analytics import (
    WEEKDAYS,
    Group,
    break_down,
    largest_expenses,
    load_home,
    sum_expenses,
    summarise,
)
from core.queries.budgets import list_budgets
from core.queries.debts import debts_of_user
from core.queries.insights import find_anomalies, find_subscriptions
from core.queries.report_documents import (
    Comparison,
    KeptBudget,
    Named,
    OpenDebt,
    ReportFigures,
    ReportSubscription,
    Slice,
)
from core.queries.report_groups import group_standings
from core.queries.spending_totals import Scope, Sum, Sums, sum_by_day
from core.rules.money import divide_half_up
from core.rules.periods import Period, period_of
from core.rules.report_periods import ReportKind, compared_days
from core.rules.series import Interval, start_of, starts_between

MAX_NAMED = 25
"""Payees or tags that are told apart, those with the largest amounts; a page has room for no more."""

MAX_LARGEST = 10
MAX_ANOMALIES = 30
"""Nobody reads further; those furthest out come first."""

MAX_BUDGET_PERIODS = 60
"""Of one budget: all weeks of a year and all days of a month. Of more only the last ones are listed."""

INTERVALS: Mapping[ReportKind, Interval] = {"monthly": "day", "yearly": "month"}
"""By what the spending over time is told."""


def report_figures(
    session: Reader, *, user_id: UUID, kind: ReportKind, period: Period, currency: str
) -> ReportFigures:
    """All of a report, of one state of the database: the session is a snapshot's.

    Raises:
        Unauthenticated: the account was deleted a moment ago.
    """
    today = load_home(session, user_id=user_id).today
    first, last = period.start, period.last_day
    # In another time zone a period that has begun may have its first day still to come.
    passed = max(first, min(last, today))
    scope = Scope(user_id=user_id, first_day=first, last_day=last, currency=currency)
    summary = summarise(session, scope)
    by_day = sum_by_day(session, scope)
    return ReportFigures(
        kind=kind,
        period=period,
        currency=currency,
        running_on=today if today <= last else None,
        whole=summary.whole,
        daily_minor=_daily(by_day, first, passed),
        comparisons=_comparisons(session, scope, kind, period, today, summary.whole),
        largest=largest_expenses(
            session, scope, converted=summary.converted, count=summary.whole.count, limit=MAX_LARGEST
        ),
        by_category=summary.by_category,
        over_time=_slices(by_day, period, INTERVALS[kind]),
        by_week=_slices(by_day, period, "week"),
        by_weekday=_weekdays(by_day),
        by_payee=_named(session, scope, "payee"),
        by_tag=_named(session, scope, "tag"),
        converted=summary.converted,
        unconverted=summary.unconverted,
        budgets=_budgets(session, scope, today),
        groups=group_standings(session, user_id=user_id, period=period),
        debts=open_debts(session, user_id=user_id),
        anomalies=find_anomalies(session, user_id=user_id, first_day=first, last_day=last)[:MAX_ANOMALIES],
        subscriptions=_subscriptions(session, user_id, first, passed),
    )


def bearing_until(session: Reader, *, user_id: UUID, period: Period) -> date:
    """The first day whose spending changes nothing in a report: budgets may count beyond its period's end."""
    last = period.last_day
    counted = (period_of(one.rule, last) for one in list_budgets(session, user_id=user_id))
    return max([period.end, *(one.end for one in counted if one is not None)])


def _daily(by_day: Sums[date], first: date, passed: date) -> int:
    """What a day has cost on average, of those that are over or running."""
    spent = sum(one.minor for day, one in by_day.by_key.items() if day <= passed)
    return divide_half_up(spent, (passed - first).days + 1)


def _comparisons(
    session: Reader, scope: Scope, kind: ReportKind, period: Period, today: date, whole: Sum
) -> list[Comparison]:
    found = []
    for days in compared_days(kind, period, today):
        then = replace(scope, first_day=days.first_day, last_day=days.last_day)
        own = whole
        if days.own_last_day != scope.last_day:
            own = sum_expenses(session, replace(scope, last_day=days.own_last_day))
        found.append(Comparison(days, own, sum_expenses(session, then)))
    return found


def _slices(by_day: Sums[date], period: Period, interval: Interval) -> list[Slice]:
    """Also those without spending."""
    sums = by_day.merged(lambda day: start_of(day, interval)).by_key
    starts = starts_between(period.start, period.last_day, interval)
    return [Slice(start, one.minor, one.count) for start in starts for one in [sums.get(start, Sum())]]


def _weekdays(by_day: Sums[date]) -> list[Group]:
    sums = by_day.merged(lambda day: day.isoweekday()).by_key
    return [
        Group(str(number), name, one.minor, one.count)
        for number, name in enumerate(WEEKDAYS, start=1)
        for one in [sums.get(number, Sum())]
    ]


def _named(session: Reader, scope: Scope, by: Literal["payee", "tag"]) -> Named:
    found = break_down(session, scope, by)
    rest = Sum(found.rest.minor, found.rest.count)
    for group in found.groups[MAX_NAMED:]:
        rest.add(group.minor, group.count)
    return Named(found.groups[:MAX_NAMED], rest)


def _budgets(session: Reader, scope: Scope, today: date) -> list[KeptBudget]:
    found = adherence(
        session, user_id=scope.user_id, first_day=scope.first_day, last_day=scope.last_day, today=today
    )
    return [
        KeptBudget(
            one.budget.id,
            one.budget.name,
            one.budget.currency,
            one.kept,
            one.exceeded,
            one.periods[-MAX_BUDGET_PERIODS:],
        )
        for one in found
        if one.periods
    ]


def open_debts(session: Reader, *, user_id: UUID) -> list[OpenDebt]:
    """What the user owes in all groups, and then what they are owed."""
    mine = debts_of_user(session, user_id=user_id)
    sides = ((mine.owed_by_me, True), (mine.owed_to_me, False))
    return [
        OpenDebt(
            debt.group.id,
            debt.group.name,
            debt.other.display_name,
            debt.currency,
            debt.amount_minor,
            is_owed_by_me,
        )
        for debts, is_owed_by_me in sides
        for debt in debts
    ]


def _subscriptions(session: Reader, user_id: UUID, first: date, passed: date) -> list[ReportSubscription]:
    """Those that came at least once since the first day, or should still come."""
    return [
        ReportSubscription(
            payee=found.payee,
            currency=found.currency,
            cadence=one.cadence,
            amount_minor=one.amount_minor,
            yearly_minor=one.yearly_minor,
            count=one.count,
            first_on=one.first_on,
            last_on=one.last_on,
            next_on=one.next_on,
            is_ended=one.is_ended,
        )
        for found in find_subscriptions(session, user_id=user_id, today=passed)
        for one in [found.recurrence]
        if one.last_on >= first or not one.is_ended
    ]
