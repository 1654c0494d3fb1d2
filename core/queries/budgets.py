"""Budgets and their figures, computed from the daily totals: as fast at ten million expenses as at ten."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, func, or_, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import Budget, BudgetAmount, BudgetCategory, Category, DailySpending
from core.rules.limits import Amounts, RunningTotal, amount_on, carried_amounts, first_counted_day
from core.rules.periods import Period, PeriodRule, period_of, previous_period
from core.rules.thresholds import BudgetStatus, RolloverMode, project, status

# Built once: evaluation runs them after every write, and building a statement costs more than running it.
_OF_USER = select(Budget.__table__).where(Budget.user_id == bindparam("user_id")).order_by(Budget.id)
ACTIVE = _OF_USER.where(Budget.archived_at.is_(None))
ARCHIVED = _OF_USER.where(Budget.archived_at.is_not(None))
ONE_BUDGET = _OF_USER.where(Budget.id == bindparam("budget_id"))
AMOUNTS = (
    select(BudgetAmount.budget_id, BudgetAmount.effective_on, BudgetAmount.amount_minor)
    .where(BudgetAmount.user_id == bindparam("user_id"))
    .order_by(BudgetAmount.effective_on)
)
CATEGORIES = (
    select(BudgetCategory.budget_id, BudgetCategory.category_id)
    .where(BudgetCategory.user_id == bindparam("user_id"))
    .order_by(BudgetCategory.category_id)
)
SPENT = (
    select(DailySpending.day, DailySpending.currency, func.sum(DailySpending.amount_minor))
    .where(
        DailySpending.user_id == bindparam("user_id"),
        DailySpending.day >= bindparam("first"),
        DailySpending.day < bindparam("end"),
    )
    .group_by(DailySpending.day, DailySpending.currency)
)
_CHOSEN: BindParameter[Any] = bindparam("category_ids", expanding=True)
SPENT_IN_CATEGORIES = SPENT.where(
    DailySpending.category_id.in_(
        select(Category.id).where(
            Category.user_id == bindparam("user_id"),
            or_(Category.id.in_(_CHOSEN), Category.parent_id.in_(_CHOSEN)),
        )
    )
)
"""A category counts with its sub-categories."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRecord:
    """A budget with its amounts and categories; without categories it counts all spending."""

    user_id: UUID
    id: UUID
    name: str
    currency: str
    rule: PeriodRule
    thresholds: tuple[int, ...]
    rollover: RolloverMode
    has_pace_alert: bool
    starts_on: date
    next_period_at: datetime | None
    archived_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime
    amounts: Amounts
    category_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class BudgetFigures:
    """A period of a budget, in minor units of its currency; `unconverted` is what was spent in others.

    `limit_minor` is `amount_minor` with what rolled over.
    """

    period: Period
    amount_minor: int
    limit_minor: int
    spent_minor: int
    projected_minor: int
    status: BudgetStatus
    unconverted: tuple[tuple[str, int], ...]


class BudgetBook:
    """What a budget counts, by day: enough to tell the figures of the periods it was opened for."""

    def __init__(
        self,
        budget: BudgetRecord,
        latest: Period,
        spent_on: Mapping[date, int],
        others: Mapping[str, Mapping[date, int]],
    ) -> None:
        self._budget = budget
        self._spending = RunningTotal(spent_on)
        self._others = [(currency, RunningTotal(others[currency])) for currency in sorted(others)]
        self._carried = carried_amounts(
            latest,
            rule=budget.rule,
            amounts=budget.amounts,
            rollover=budget.rollover,
            starts_on=budget.starts_on,
            spent=self._spent,
        )

    def figures(self, period: Period, today: date) -> BudgetFigures:
        amount, spent = amount_on(self._budget.amounts, period.start), self._spent(period)
        limit = amount + self._carried.get(period.start, 0)
        others = [(currency, days.within(period.start, period.end)) for currency, days in self._others]
        return BudgetFigures(
            period=period,
            amount_minor=amount,
            limit_minor=limit,
            spent_minor=spent,
            projected_minor=self._projected(period, today),
            status=status(spent, limit, self._budget.thresholds),
            unconverted=tuple((currency, minor) for currency, minor in others if minor),
        )

    def _spent(self, period: Period) -> int:
        return self._spending.within(period.start, period.end)

    def _projected(self, period: Period, today: date) -> int:
        """Spending at the period's end at the pace so far; for other periods than today's, what was spent."""
        if today not in period:
            return self._spent(period)
        tomorrow = today + timedelta(days=1)
        to_date = self._spending.within(period.start, tomorrow)
        ahead = self._spending.within(tomorrow, period.end)
        return project(to_date, ahead, (tomorrow - period.start).days, period.days)


def list_budgets(
    session: Session, *, user_id: UUID, is_archived: bool = False, budget_id: UUID | None = None
) -> list[BudgetRecord]:
    """The user's budgets, the oldest first; with `budget_id` that one only, archived or not."""
    if budget_id is not None:
        found = session.execute(ONE_BUDGET, {"user_id": user_id, "budget_id": budget_id}).all()
    else:
        found = session.execute(ARCHIVED if is_archived else ACTIVE, {"user_id": user_id}).all()
    if not found:
        return []
    amounts: dict[UUID, list[tuple[date, int]]] = {}
    for budget_of, effective_on, amount_minor in session.execute(AMOUNTS, {"user_id": user_id}):
        amounts.setdefault(budget_of, []).append((effective_on, amount_minor))
    categories: dict[UUID, list[UUID]] = {}
    for budget_of, category_id in session.execute(CATEGORIES, {"user_id": user_id}):
        categories.setdefault(budget_of, []).append(category_id)
    return [
        _record(budget, amounts[budget.id], categories.get(budget.id, []))
        for budget in found
        # Without an amount it was deleted since the first query: readers take no lock.
        if budget.id in amounts
    ]


def load_budget(session: Session, *, user_id: UUID, budget_id: UUID) -> BudgetRecord:
    """The user's budget.

    Raises:
        NotFound
    """
    found = list_budgets(session, user_id=user_id, budget_id=budget_id)
    if not found:
        raise NotFound("no such budget")
    return found[0]


def open_book(session: Session, budget: BudgetRecord, periods: Sequence[Period]) -> BudgetBook:
    """The budget's spending by day for all that bears on the periods; one query over the daily totals."""
    first = min(
        first_counted_day(period, rule=budget.rule, rollover=budget.rollover, starts_on=budget.starts_on)
        for period in periods
    )
    last = max(period.end for period in periods)
    parameters = {"user_id": budget.user_id, "first": first, "end": last}
    if budget.category_ids:
        parameters["category_ids"] = list(budget.category_ids)
    rows = session.execute(SPENT_IN_CATEGORIES if budget.category_ids else SPENT, parameters)
    by_currency: dict[str, dict[date, int]] = {}
    for day, currency, amount in rows:
        by_currency.setdefault(currency, {})[day] = int(amount)  # PostgreSQL sums bigints into a numeric
    own = by_currency.pop(budget.currency, {})
    return BudgetBook(budget, max(periods, key=lambda period: period.start), own, by_currency)


def current_figures(session: Session, budget: BudgetRecord, *, today: date) -> BudgetFigures:
    """Today's period; for a budget that has not begun its first one, for one that has ended its last one."""
    period = shown_period(budget.rule, today)
    return open_book(session, budget, [period]).figures(period, today)


def past_figures(session: Session, budget: BudgetRecord, *, today: date, count: int) -> list[BudgetFigures]:
    """The last periods that are over, the newest first."""
    periods: list[Period] = []
    shown = shown_period(budget.rule, today)
    period = shown if shown.end <= today else previous_period(budget.rule, shown)
    while period is not None and len(periods) < count:
        periods.append(period)
        period = previous_period(budget.rule, period)
    if not periods:
        return []
    book = open_book(session, budget, periods)
    return [book.figures(period, today) for period in periods]


def shown_period(rule: PeriodRule, today: date) -> Period:
    """Today's period; for a budget that has not begun its first one, for one that has ended its last one."""
    period = period_of(rule, today)
    if period is None and rule.ends_on is not None:
        period = period_of(rule, rule.ends_on if today > rule.ends_on else rule.anchor)
    if period is None:
        raise NotFound("the budget has no period")
    return period


def _record(budget: Any, amounts: list[tuple[date, int]], category_ids: list[UUID]) -> BudgetRecord:
    return BudgetRecord(
        user_id=budget.user_id,
        id=budget.id,
        name=budget.name,
        currency=budget.currency,
        rule=PeriodRule(
            budget.period_kind,
            budget.period_every,
            budget.period_anchor,
            budget.period_ends_on,
        ),
        thresholds=tuple(budget.thresholds),
        rollover=budget.rollover,
        has_pace_alert=budget.has_pace_alert,
        starts_on=budget.starts_on,
        next_period_at=budget.next_period_at,
        archived_at=budget.archived_at,
        version=budget.version,
        created_at=budget.created_at,
        updated_at=budget.updated_at,
        amounts=amounts,
        category_ids=tuple(category_ids),
    )
