"""What a digest tells, put together from what analytics, budgets, groups and schedules tell."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from uuid import UUID

from core.database import Reader
from core.queries.analytics import homes_of_users, labels_of_users, largest_expenses, load_home
from core.queries.budget_figures import BudgetFigures, current_figures
from core.queries.budgets import BudgetRecord, active_budgets
from core.queries.debts import users_in_groups
from core.queries.digest_documents import (
    MAX_COUNTED,
    DigestBudget,
    DigestCategory,
    DigestFigures,
    DueExpense,
)
from core.queries.digest_spending import Spent, Wanted, spending_of_users
from core.queries.insights import Anomaly, find_anomalies
from core.queries.notification_settings import load_settings_of
from core.queries.recurring_expenses import Upcoming, awaited_by_users, upcoming, users_with_recurring
from core.queries.report_documents import OpenDebt, Slice
from core.queries.report_figures import open_debts
from core.queries.spending_totals import Scope, Sum
from core.rules.digests import DigestPlan, Frequency, period_ahead, period_before, told_period
from core.rules.periods import MIN_DAY, Period
from core.rules.series import starts_between
from core.rules.thresholds import percent_tenths

MAX_CATEGORIES = 8
"""Told apart; a mail is read at a glance."""

MAX_LARGEST = 3
MAX_BUDGETS = 20
MAX_ANOMALIES = 5
MAX_DEBTS = 20
MAX_UPCOMING = 20

EARLIEST_DIGEST = MIN_DAY + timedelta(days=100)
"""Before it lie two months of supported days, one to tell of and one to compare with."""


def digest_figures(
    session: Reader, digests: Sequence[tuple[UUID, Frequency, Period]]
) -> dict[UUID, DigestFigures]:
    """All of digests, by user, of one state of the database: the session is a snapshot's.

    Each user has one at most; who is gone has none.
    """
    homes = homes_of_users(session, user_ids=[user_id for user_id, *_ in digests])
    digests = [one for one in digests if one[0] in homes]
    spent = spending_of_users(
        session,
        [
            Wanted(user_id, homes[user_id].currency, period, period_before(frequency, period))
            for user_id, frequency, period in digests
        ],
    )
    labels = labels_of_users(session, user_ids=homes)
    budgets = _budgets(session, {user_id: period.last_day for user_id, _, period in digests})
    debtors = users_in_groups(session, user_ids=homes)
    repeating = users_with_recurring(session, user_ids=homes)
    awaited = awaited_by_users(session, user_ids=homes, limit=MAX_UPCOMING + MAX_COUNTED)
    return {
        user_id: _figures(
            session,
            Wanted(user_id, homes[user_id].currency, period, period_before(frequency, period)),
            frequency=frequency,
            spent=spent[user_id],
            labels=labels[user_id],
            budgets=budgets.get(user_id, []),
            debts=open_debts(session, user_id=user_id) if user_id in debtors else [],
            awaiting=[_due_expense(one) for one in awaited.get(user_id, [])],
            upcoming_expenses=_upcoming(session, user_id, period_ahead(frequency, period))
            if user_id in repeating
            else [],
        )
        for user_id, frequency, period in digests
    }


def _figures(
    session: Reader,
    wanted: Wanted,
    *,
    frequency: Frequency,
    spent: Spent,
    labels: Mapping[UUID | None, str],
    budgets: list[DigestBudget],
    debts: list[OpenDebt],
    awaiting: list[DueExpense],
    upcoming_expenses: list[DueExpense],
) -> DigestFigures:
    scope = wanted.scope(wanted.period)
    categories, rest = _categories(spent.by_category, spent.before_by_category, labels)
    return DigestFigures(
        frequency=frequency,
        period=wanted.period,
        currency=wanted.currency,
        whole=spent.whole,
        before=spent.before,
        before_period=wanted.before,
        by_day=_by_day(spent.by_day, wanted.period),
        categories=categories,
        rest=rest,
        largest=largest_expenses(
            session, scope, converted=spent.converted, count=spent.whole.count, limit=MAX_LARGEST
        ),
        unconverted=spent.unconverted,
        before_unconverted=spent.before_unconverted,
        budgets_exceeded=sum(budget.status == "exceeded" for budget in budgets),
        budgets=budgets[:MAX_BUDGETS],
        more_budgets=len(budgets[MAX_BUDGETS:]),
        debts=debts[:MAX_DEBTS],
        more_debts=len(debts[MAX_DEBTS:]),
        awaiting=awaiting[:MAX_UPCOMING],
        more_awaiting=len(awaiting[MAX_UPCOMING:]),
        upcoming=upcoming_expenses[:MAX_UPCOMING],
        more_upcoming=len(upcoming_expenses[MAX_UPCOMING:]),
        upcoming_until=period_ahead(frequency, wanted.period).end,
        anomalies=_anomalies(session, scope, labels),
    )


def preview_figures(
    session: Reader, *, user_id: UUID, frequency: Frequency, on: date | None
) -> DigestFigures:
    """The digest that would come on that day, `EARLIEST_DIGEST` or later, or today, by the user's plan.

    Raises:
        Unauthenticated: the account was deleted a moment ago.
    """
    settings = load_settings_of(session, user_id=user_id)
    plan = DigestPlan(frequency, settings.digest_hour, settings.digest_weekday, settings.digest_day)
    period = told_period(plan, on or load_home(session, user_id=user_id).today)
    return digest_figures(session, [(user_id, frequency, period)])[user_id]


def _categories(
    sums: Mapping[UUID | None, Sum], before: Mapping[UUID | None, Sum], labels: Mapping[UUID | None, str]
) -> tuple[list[DigestCategory], DigestCategory | None]:
    """The largest first, and the rest; what had spending only in the period before is among them."""
    told = [
        DigestCategory(labels[key], sums.get(key, Sum()).minor, before.get(key, Sum()).minor)
        for key in {**sums, **before}
    ]
    told.sort(key=lambda one: (-one.minor, -one.before_minor, one.label))
    shown, others = told[:MAX_CATEGORIES], told[MAX_CATEGORIES:]
    if not others:
        return shown, None
    rest = DigestCategory("Other", sum(one.minor for one in others), sum(one.before_minor for one in others))
    return shown, rest


def _by_day(sums: Mapping[date, Sum], period: Period) -> list[Slice]:
    """Also the days without spending."""
    days = starts_between(period.start, period.last_day, "day")
    return [Slice(day, one.minor, one.count) for day in days for one in [sums.get(day, Sum())]]


def _budgets(session: Reader, last_days: Mapping[UUID, date]) -> dict[UUID, list[DigestBudget]]:
    """By user the budgets' periods of the last day that is told, so that a month's digest has that month's.

    Those that are nearest to their limit, or furthest beyond it, come first.
    """
    by_day: defaultdict[date, list[BudgetRecord]] = defaultdict(list)
    for budget in active_budgets(session, user_ids=last_days):
        by_day[last_days[budget.user_id]].append(budget)
    found: defaultdict[UUID, list[DigestBudget]] = defaultdict(list)
    for last_day, budgets in by_day.items():
        for budget, figures in zip(budgets, current_figures(session, budgets, today=last_day), strict=True):
            if last_day in figures.period:
                found[budget.user_id].append(_budget(budget, figures))
    for told in found.values():
        told.sort(key=lambda one: (-(percent_tenths(one.spent_minor, one.limit_minor) or 0), one.name))
    return found


def _budget(budget: BudgetRecord, figures: BudgetFigures) -> DigestBudget:
    return DigestBudget(
        name=budget.name,
        currency=budget.currency,
        period=figures.period,
        limit_minor=figures.limit_minor,
        spent_minor=figures.spent_minor,
        projected_minor=figures.projected_minor,
        status=figures.status,
    )


def _upcoming(session: Reader, user_id: UUID, days: Period) -> list[DueExpense]:
    limit = MAX_UPCOMING + MAX_COUNTED
    found = upcoming(session, user_id=user_id, first=days.start, last=days.last_day, limit=limit)
    return [_due_expense(one) for one in found]


def _due_expense(one: Upcoming) -> DueExpense:
    return DueExpense(one.payee, one.due_on, one.amount_minor, one.currency, one.is_variable)


def _anomalies(session: Reader, scope: Scope, labels: Mapping[UUID | None, str]) -> list[Anomaly]:
    found = find_anomalies(
        session, user_id=scope.user_id, first_day=scope.first_day, last_day=scope.last_day, labels=labels
    )
    return found[:MAX_ANOMALIES]
