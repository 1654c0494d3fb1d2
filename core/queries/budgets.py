"""Budgets and their figures, computed from the daily totals: as fast at ten million expenses as at ten."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import Budget, BudgetAmount, BudgetCategory, Category, DailySpending
from core.rules.limits import Amounts, RunningTotal, amount_on, carried_amounts, first_counted_day
from core.rules.periods import Period, PeriodRule, period_of, previous_period
from core.rules.thresholds import BudgetStatus, RolloverMode, project, status


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
    session: Session, *, user_id: UUID, is_archived: bool = False, budget_ids: Iterable[UUID] | None = None
) -> list[BudgetRecord]:
    """The user's budgets, the oldest first; with `budget_ids` those only, archived or not."""
    query = select(Budget).where(Budget.user_id == user_id).order_by(Budget.id)
    if budget_ids is not None:
        query = query.where(Budget.id.in_(list(budget_ids)))
    else:
        query = query.where(Budget.archived_at.is_not(None) if is_archived else Budget.archived_at.is_(None))
    budgets = session.scalars(query).all()
    if not budgets:
        return []
    amounts = _amounts(session, user_id, [budget.id for budget in budgets])
    categories = _categories(session, user_id, [budget.id for budget in budgets])
    return [
        _record(budget, amounts[budget.id], categories.get(budget.id, []))
        for budget in budgets
        # Without an amount it was deleted since the first query: readers take no lock.
        if budget.id in amounts
    ]


def load_budget(session: Session, *, user_id: UUID, budget_id: UUID) -> BudgetRecord:
    """The user's budget.

    Raises:
        NotFound
    """
    found = list_budgets(session, user_id=user_id, budget_ids=[budget_id])
    if not found:
        raise NotFound("no such budget")
    return found[0]


def open_book(session: Session, budget: BudgetRecord, periods: Sequence[Period]) -> BudgetBook:
    """The budget's spending by day for all that bears on the periods; one query over the daily totals."""
    first = min(
        first_counted_day(period, rule=budget.rule, rollover=budget.rollover, starts_on=budget.starts_on)
        for period in periods
    )
    query = (
        select(DailySpending.day, DailySpending.currency, func.sum(DailySpending.amount_minor))
        .where(
            DailySpending.user_id == budget.user_id,
            DailySpending.day >= first,
            DailySpending.day < max(period.end for period in periods),
        )
        .group_by(DailySpending.day, DailySpending.currency)
    )
    if budget.category_ids:
        counted = select(Category.id).where(
            Category.user_id == budget.user_id,
            or_(Category.id.in_(budget.category_ids), Category.parent_id.in_(budget.category_ids)),
        )
        query = query.where(DailySpending.category_id.in_(counted))
    by_currency: dict[str, dict[date, int]] = {}
    for day, currency, amount in session.execute(query):
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


def _amounts(session: Session, user_id: UUID, budget_ids: list[UUID]) -> dict[UUID, list[tuple[date, int]]]:
    rows = session.execute(
        select(BudgetAmount.budget_id, BudgetAmount.effective_on, BudgetAmount.amount_minor)
        .where(BudgetAmount.user_id == user_id, BudgetAmount.budget_id.in_(budget_ids))
        .order_by(BudgetAmount.effective_on)
    )
    found: dict[UUID, list[tuple[date, int]]] = {}
    for row in rows:
        found.setdefault(row.budget_id, []).append((row.effective_on, row.amount_minor))
    return found


def _categories(session: Session, user_id: UUID, budget_ids: list[UUID]) -> dict[UUID, list[UUID]]:
    rows = session.execute(
        select(BudgetCategory.budget_id, BudgetCategory.category_id)
        .where(BudgetCategory.user_id == user_id, BudgetCategory.budget_id.in_(budget_ids))
        .order_by(BudgetCategory.category_id)
    )
    found: dict[UUID, list[UUID]] = {}
    for row in rows:
        found.setdefault(row.budget_id, []).append(row.category_id)
    return found


def _record(budget: Budget, amounts: list[tuple[date, int]], category_ids: list[UUID]) -> BudgetRecord:
    return BudgetRecord(
        user_id=budget.user_id,
        id=budget.id,
        name=budget.name,
        currency=budget.currency,
        rule=PeriodRule(
            budget.period_kind,  # type: ignore[arg-type] # the column's CHECK holds it to the kinds
            budget.period_every,
            budget.period_anchor,
            budget.period_ends_on,
        ),
        thresholds=tuple(budget.thresholds),
        rollover=budget.rollover,  # type: ignore[arg-type] # likewise
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
