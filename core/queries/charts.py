"""The specifications of charts from what is in the database."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from core.charts import budget_progress, group_balances, spending_by_category, spending_over_time
from core.charts.budget_progress import BudgetFigures
from core.charts.dates import range_text
from core.charts.group_balances import MemberBalance
from core.charts.money_text import money_text
from core.charts.picture import Spec
from core.charts.spending_by_category import CategoryAmount
from core.charts.spending_over_time import IntervalAmount, fitting_interval
from core.charts.theme import Theme
from core.database import Reader
from core.queries import ledger
from core.queries.analytics import category_labels
from core.queries.budget_figures import current_figures
from core.queries.budgets import list_budgets
from core.queries.groups import open_group
from core.queries.spending_totals import Scope, Sum, sum_by_category, sum_by_day
from core.rules.periods import Period
from core.rules.series import start_of, starts_between

MAX_CHART_DAYS = 3_700
"""Ten years, as some 120 months side by side; more would be hairlines."""


def category_chart(session: Reader, scope: Scope, theme: Theme) -> Spec:
    sums = sum_by_category(session, scope)
    labels = category_labels(session, user_id=scope.user_id)
    return spending_by_category.spending_by_category(
        [CategoryAmount(labels[key], one.minor) for key, one in sums.by_key.items()],
        currency=scope.currency,
        period=_period(scope),
        theme=theme,
        note=unconverted_note(sums.unconverted),
    )


def time_chart(session: Reader, scope: Scope, theme: Theme) -> Spec:
    """By day, week or month, whichever fits the range; `MAX_CHART_DAYS` at most."""
    period = _period(scope)
    interval = fitting_interval(period)
    sums = sum_by_day(session, scope)
    minors = dict.fromkeys(starts_between(scope.first_day, scope.last_day, interval), 0)
    for day, one in sums.by_key.items():
        minors[start_of(day, interval)] += one.minor
    return spending_over_time.spending_over_time(
        [IntervalAmount(start, minor) for start, minor in minors.items()],
        currency=scope.currency,
        interval=interval,
        period=period,
        theme=theme,
        note=unconverted_note(sums.unconverted),
    )


def budget_chart(session: Reader, *, user_id: UUID, today: date, theme: Theme) -> Spec:
    """Each budget in use, in its current period."""
    budgets = list_budgets(session, user_id=user_id, is_archived=False)
    figures = current_figures(session, budgets, today=today)
    return budget_progress.budget_progress(
        [
            BudgetFigures(budget.name, budget.currency, one.spent_minor, one.limit_minor, one.status)
            for budget, one in zip(budgets, figures, strict=True)
        ],
        subtitle=range_text(Period(today, today + timedelta(days=1))),
        theme=theme,
    )


def balance_chart(
    session: Reader, *, user_id: UUID, group_id: UUID, currency: str | None, theme: Theme
) -> Spec:
    """The members of a group, those who are even as well, in the group's own currency or another.

    Raises:
        NotFound: it is not a group of the user's.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id)
    shown = currency or scope.group.currency
    balances = ledger.group_balances(session, group_id=group_id)
    of_shown = balances.get(shown, {})
    others = sorted(balances.keys() - {shown})
    return group_balances.group_balances(
        [
            MemberBalance(member.display_name, of_shown.get(member.id, 0))
            for member in scope.members.values()
            if member.id in of_shown or member.left_at is None
        ],
        currency=shown,
        group_name=scope.group.name,
        theme=theme,
        note=f"There are balances in {', '.join(others)} too." if others else "",
    )


def _period(scope: Scope) -> Period:
    return Period(scope.first_day, scope.last_day + timedelta(days=1))


def unconverted_note(unconverted: Mapping[str, Sum]) -> str:
    """What stands below a chart without it; nothing where all could be converted."""
    amounts = [money_text(one.minor, currency) for currency, one in unconverted.items()]
    return f"Without {', '.join(amounts)}, for want of an exchange rate." if amounts else ""
