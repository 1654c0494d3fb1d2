"""What a digest tells, put together from what analytics, budgets, groups and schedules tell."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from core.database import Reader
from core.queries.analytics import category_labels, counted_once, largest_expenses, load_home
from core.queries.budget_figures import current_figures
from core.queries.budgets import list_budgets
from core.queries.digest_documents import DigestBudget, DigestCategory, DigestFigures
from core.queries.insights import Anomaly, find_anomalies
from core.queries.notification_settings import load_settings_of
from core.queries.report_documents import Slice
from core.queries.report_figures import open_debts
from core.queries.spending_totals import Scope, Sum, sum_by_category, sum_by_day
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

EARLIEST_DIGEST = MIN_DAY + timedelta(days=100)
"""Before it lie two months of supported days, one to tell of and one to compare with."""


def digest_figures(session: Reader, *, user_id: UUID, frequency: Frequency, period: Period) -> DigestFigures:
    """All of a digest, of one state of the database: the session is a snapshot's.

    Raises:
        Unauthenticated: the account was deleted a moment ago.
    """
    home = load_home(session, user_id=user_id)
    scope = Scope(user_id=user_id, first_day=period.start, last_day=period.last_day, currency=home.currency)
    earlier = period_before(frequency, period)
    scope_before = replace(scope, first_day=earlier.start, last_day=earlier.last_day)
    sums, sums_before = (sum_by_category(session, one) for one in (scope, scope_before))
    whole = counted_once(session, scope, sums)
    labels = category_labels(session, user_id=user_id)
    categories, rest = _categories(sums.by_key, sums_before.by_key, labels)
    ahead = period_ahead(frequency, period)
    return DigestFigures(
        frequency=frequency,
        period=period,
        currency=home.currency,
        whole=whole,
        before=counted_once(session, scope_before, sums_before),
        before_period=earlier,
        by_day=_by_day(session, scope),
        categories=categories,
        rest=rest,
        largest=largest_expenses(
            session, scope, converted=sums.converted, count=whole.count, limit=MAX_LARGEST
        ),
        unconverted=sums.unconverted,
        budgets=_budgets(session, user_id, home.today),
        debts=open_debts(session, user_id=user_id)[:MAX_DEBTS],
        upcoming=[],
        upcoming_until=ahead.end,
        anomalies=_anomalies(session, scope),
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
    return digest_figures(session, user_id=user_id, frequency=frequency, period=period)


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


def _by_day(session: Reader, scope: Scope) -> list[Slice]:
    """Also the days without spending."""
    sums = sum_by_day(session, scope).by_key
    days = starts_between(scope.first_day, scope.last_day, "day")
    return [Slice(day, one.minor, one.count) for day in days for one in [sums.get(day, Sum())]]


def _budgets(session: Reader, user_id: UUID, today: date) -> list[DigestBudget]:
    """The running ones, those that are nearest to their limit, or furthest beyond it, first."""
    budgets = list_budgets(session, user_id=user_id)
    if not budgets:
        return []
    told = [
        DigestBudget(
            name=budget.name,
            currency=budget.currency,
            period=figures.period,
            limit_minor=figures.limit_minor,
            spent_minor=figures.spent_minor,
            projected_minor=figures.projected_minor,
            status=figures.status,
        )
        for budget, figures in zip(budgets, current_figures(session, budgets, today=today), strict=True)
        if today in figures.period
    ]
    told.sort(key=lambda one: (-(percent_tenths(one.spent_minor, one.limit_minor) or 0), one.name))
    return told[:MAX_BUDGETS]


def _anomalies(session: Reader, scope: Scope) -> list[Anomaly]:
    found = find_anomalies(session, user_id=scope.user_id, first_day=scope.first_day, last_day=scope.last_day)
    return found[:MAX_ANOMALIES]
