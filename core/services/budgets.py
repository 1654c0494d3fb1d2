"""Setting, changing, archiving and deleting budgets."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound
from core.ids import new_id
from core.models import Budget, BudgetAmount, BudgetCategory
from core.queries.budget_figures import shown_period
from core.queries.budgets import BudgetRecord, load_budget
from core.rules.limits import amount_on
from core.rules.periods import MIN_DAY, PeriodKind
from core.rules.thresholds import RolloverMode
from core.services.budget_input import (
    changed_rule,
    checked_amount,
    checked_categories,
    checked_currency,
    checked_rule,
    checked_thresholds,
    period_columns,
)
from core.services.changes import delete_for_good
from core.services.evaluation import forget_periods
from core.services.locks import lock_user
from core.services.report_upkeep import mark_stale
from core.services.spending import ask_for_evaluation, ask_for_evaluations
from core.services.versions import check_version

MAX_BUDGETS = 100
"""Of one user: each is evaluated after every write, so their number bounds that work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodInput:
    """A period as a client gives it; without an anchor it is the calendar's."""

    kind: PeriodKind
    every: int = 1
    anchor: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBudget:
    """A budget as a client gives it; without a currency it is in the user's own."""

    name: str
    amount: str
    currency: str | None
    period: PeriodInput
    category_ids: Sequence[UUID]
    thresholds: Sequence[int]
    rollover: RolloverMode
    has_pace_alert: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetChanges:
    """Fields to change; None leaves one as it is. `period` has the given fields of a `PeriodInput`."""

    name: str | None = None
    amount: str | None = None
    period: Mapping[str, Any] | None = None
    category_ids: Sequence[UUID] | None = None
    thresholds: Sequence[int] | None = None
    rollover: RolloverMode | None = None
    has_pace_alert: bool | None = None


def set_budget(session: Session, *, user_id: UUID, budget: NewBudget) -> BudgetRecord:
    """Set a new budget, from the period that is running on the user's calendar on.

    Raises:
        InvalidInput
        Conflict: the user has `MAX_BUDGETS` already.
    """
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise NotFound("no such user")
    if (session.scalar(select(func.count()).where(Budget.user_id == user_id)) or 0) >= MAX_BUDGETS:
        raise Conflict(f"there are {MAX_BUDGETS} budgets already; delete one first")
    now = clock.now()
    today = clock.local_date(now, user.timezone)
    currency = checked_currency(budget.currency or user.currency)
    period = budget.period
    row = {
        "user_id": user_id,
        "id": new_id(),
        "name": budget.name,
        "currency": currency,
        **period_columns(checked_rule(period.kind, period.every, period.anchor, period.ends_on, today)),
        "thresholds": checked_thresholds(budget.thresholds),
        "rollover": budget.rollover,
        "has_pace_alert": budget.has_pace_alert,
        "starts_on": today,
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    session.execute(insert(Budget), row)
    _put_amount(session, user_id, row["id"], MIN_DAY, checked_amount(budget.amount, currency))
    _put_categories(session, user_id, row["id"], budget.category_ids)
    ask_for_evaluation(session, user_id=user_id)
    return load_budget(session, user_id=user_id, budget_id=row["id"])


def change_budget(
    session: Session,
    *,
    user_id: UUID,
    budget_id: UUID,
    changes: BudgetChanges,
    expected_versions: Set[int] | None = None,
) -> BudgetRecord:
    """Change a budget; what changes nothing leaves the version as it is.

    A new amount holds from the running period on; past periods keep theirs. So it is for new periods: the
    amount stays what it is now, whatever it was when the running one of them began.

    Raises:
        NotFound, StaleVersion, InvalidInput
    """
    user = lock_user(session, user_id=user_id)
    budget = load_budget(session, user_id=user_id, budget_id=budget_id)
    check_version(budget.version, expected_versions)
    today = clock.local_date(clock.now(), user.timezone if user else "UTC")
    news = _changed_columns(budget, changes)
    rule = budget.rule if changes.period is None else changed_rule(budget.rule, changes.period, today)
    amount_before = amount_on(budget.amounts, shown_period(budget.rule, today).start)
    amount = amount_before if changes.amount is None else checked_amount(changes.amount, budget.currency)
    has_other_categories = changes.category_ids is not None and (
        set(changes.category_ids) != set(budget.category_ids)
    )
    if rule != budget.rule:
        news |= period_columns(rule)
        forget_periods(session, budget=budget, rule=rule)
    if rule != budget.rule or amount != amount_before:
        # Other periods begin on other days, for which another amount may have been noted.
        _put_amount(session, user_id, budget_id, shown_period(rule, today).start, amount)
    if changes.category_ids is not None and has_other_categories:
        _put_categories(session, user_id, budget_id, changes.category_ids)
    if not news and amount == amount_before and not has_other_categories:
        return budget
    _update(session, budget, **news)
    return load_budget(session, user_id=user_id, budget_id=budget_id)


def _changed_columns(budget: BudgetRecord, changes: BudgetChanges) -> dict[str, Any]:
    thresholds = None if changes.thresholds is None else checked_thresholds(changes.thresholds)
    wanted: dict[str, tuple[Any, Any]] = {
        "name": (changes.name, budget.name),
        "thresholds": (thresholds, list(budget.thresholds)),
        "rollover": (changes.rollover, budget.rollover),
        "has_pace_alert": (changes.has_pace_alert, budget.has_pace_alert),
    }
    return {column: new for column, (new, old) in wanted.items() if new is not None and new != old}


def archive_budget(session: Session, *, user_id: UUID, budget_id: UUID, is_archived: bool) -> BudgetRecord:
    """Take the budget out of use, with its history, or back into it. An archived one alerts no more.

    Raises:
        NotFound
    """
    lock_user(session, user_id=user_id)
    budget = load_budget(session, user_id=user_id, budget_id=budget_id)
    if (budget.archived_at is not None) != is_archived:
        _update(session, budget, archived_at=clock.now() if is_archived else None, next_period_at=None)
    return load_budget(session, user_id=user_id, budget_id=budget_id)


def delete_budget(
    session: Session, *, user_id: UUID, budget_id: UUID, expected_versions: Set[int] | None = None
) -> None:
    """Delete the budget with its alerts.

    Raises:
        NotFound, StaleVersion
    """
    lock_user(session, user_id=user_id)
    budget = load_budget(session, user_id=user_id, budget_id=budget_id)
    check_version(budget.version, expected_versions)
    delete_for_good(session, "budget", [(user_id, budget_id)])
    mark_stale(session, {user_id: None})


def start_due_periods(session: Session, *, limit: int) -> int:
    """Have the budgets evaluated whose next period has begun; answers how many there were."""
    now = clock.now()
    due = session.execute(
        select(Budget.user_id, Budget.id, Budget.next_period_at)
        .where(Budget.next_period_at <= now, Budget.archived_at.is_(None))
        .order_by(Budget.next_period_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    if due:
        # Empty until the evaluation sets the next one: nobody asks for the same start twice.
        session.execute(
            update(Budget)
            .where(Budget.user_id.in_({row.user_id for row in due}), Budget.id.in_([row.id for row in due]))
            .values(next_period_at=None)
        )
        first_days: dict[UUID, date] = {}
        for row in due:
            # No zone is more than a day behind UTC; what ended before is not looked at again.
            day = (row.next_period_at - timedelta(days=1)).date()
            first_days[row.user_id] = min(day, first_days.get(row.user_id, day))
        ask_for_evaluations(session, first_days)
    return len(due)


def _update(session: Session, budget: BudgetRecord, **values: Any) -> None:
    session.execute(
        update(Budget)
        .where(Budget.user_id == budget.user_id, Budget.id == budget.id)
        .values(version=budget.version + 1, updated_at=clock.now(), **values)
    )
    # What was loaded before must not be answered after.
    session.expire_all()
    ask_for_evaluation(session, user_id=budget.user_id)


def _put_amount(session: Session, user_id: UUID, budget_id: UUID, effective_on: date, amount: int) -> None:
    """Let the amount hold from that day on, whatever held from there on before."""
    session.execute(
        delete(BudgetAmount).where(
            BudgetAmount.user_id == user_id,
            BudgetAmount.budget_id == budget_id,
            BudgetAmount.effective_on >= effective_on,
        )
    )
    row = {"user_id": user_id, "budget_id": budget_id, "effective_on": effective_on, "amount_minor": amount}
    session.execute(insert(BudgetAmount), row)


def _put_categories(session: Session, user_id: UUID, budget_id: UUID, category_ids: Sequence[UUID]) -> None:
    wanted = checked_categories(session, user_id, category_ids)
    session.execute(
        delete(BudgetCategory).where(BudgetCategory.user_id == user_id, BudgetCategory.budget_id == budget_id)
    )
    rows = [{"user_id": user_id, "budget_id": budget_id, "category_id": one} for one in wanted]
    if rows:
        session.execute(insert(BudgetCategory), rows)
