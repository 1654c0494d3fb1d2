"""Setting, changing, archiving and deleting budgets."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.ids import new_id
from core.job_names import EVALUATE_BUDGETS
from core.models import Budget, BudgetAmount, BudgetCategory, Category
from core.queries.budgets import BudgetRecord, load_budget, shown_period
from core.rules.limits import amount_on
from core.rules.money import AmountError, is_currency, parse_amount
from core.rules.periods import (
    MIN_DAY,
    PeriodError,
    PeriodKind,
    PeriodRule,
    default_anchor,
)
from core.rules.thresholds import RolloverMode, ThresholdError, normalise_thresholds
from core.services.evaluation import forget_periods
from core.services.locks import lock_user
from core.services.outbox import Job, stage_jobs
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
class BudgetChanges:
    """Fields to change; None leaves one as it is. `period` has the given fields of a `PeriodInput`."""

    name: str | None = None
    amount: str | None = None
    period: Mapping[str, Any] | None = None
    category_ids: Sequence[UUID] | None = None
    thresholds: Sequence[int] | None = None
    rollover: RolloverMode | None = None
    has_pace_alert: bool | None = None


def set_budget(
    session: Session,
    *,
    user_id: UUID,
    name: str,
    amount: str,
    currency: str | None,
    period: PeriodInput,
    category_ids: Sequence[UUID],
    thresholds: Sequence[int],
    rollover: RolloverMode,
    has_pace_alert: bool,
) -> BudgetRecord:
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
    currency = currency or user.currency
    if not is_currency(currency):
        raise invalid("/currency", "not an active ISO 4217 currency code")
    now = clock.now()
    today = clock.local_date(now, user.timezone)
    budget_id = new_id()
    rule = _rule(period, today)
    session.execute(
        insert(Budget),
        {
            "user_id": user_id,
            "id": budget_id,
            "name": name,
            "currency": currency,
            **_rule_columns(rule),
            "thresholds": _thresholds(thresholds),
            "rollover": rollover,
            "has_pace_alert": has_pace_alert,
            "starts_on": today,
            "next_period_at": None,
            "archived_at": None,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        },
    )
    _put_amount(session, user_id, budget_id, MIN_DAY, _amount(amount, currency))
    _put_categories(session, user_id, budget_id, category_ids)
    _ask_for_evaluation(session, user_id)
    return load_budget(session, user_id=user_id, budget_id=budget_id)


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
    rule = budget.rule if changes.period is None else _changed_rule(budget.rule, changes.period, today)
    amount_before = amount_on(budget.amounts, shown_period(budget.rule, today).start)
    amount = amount_before if changes.amount is None else _amount(changes.amount, budget.currency)
    has_other_categories = changes.category_ids is not None and (
        set(changes.category_ids) != set(budget.category_ids)
    )
    if rule != budget.rule:
        news |= _rule_columns(rule)
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
    wanted: dict[str, tuple[Any, Any]] = {
        "name": (changes.name, budget.name),
        "thresholds": (
            None if changes.thresholds is None else _thresholds(changes.thresholds),
            list(budget.thresholds),
        ),
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
    session.execute(delete(Budget).where(Budget.user_id == user_id, Budget.id == budget_id))


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
        jobs = sorted((str(user_id), day.isoformat()) for user_id, day in first_days.items())
        stage_jobs(session, [Job(EVALUATE_BUDGETS, user_id, {"from": day}) for user_id, day in jobs])
    return len(due)


def _ask_for_evaluation(session: Session, user_id: UUID) -> None:
    stage_jobs(session, [Job(EVALUATE_BUDGETS, str(user_id), {"from": None})])


def _update(session: Session, budget: BudgetRecord, **values: Any) -> None:
    session.execute(
        update(Budget)
        .where(Budget.user_id == budget.user_id, Budget.id == budget.id)
        .values(version=budget.version + 1, updated_at=clock.now(), **values)
    )
    # What was loaded before must not be answered after.
    session.expire_all()
    _ask_for_evaluation(session, budget.user_id)


def _rule(period: PeriodInput, today: date) -> PeriodRule:
    anchor = period.anchor or default_anchor(period.kind, today)
    try:
        return PeriodRule(period.kind, period.every, anchor, period.ends_on)
    except PeriodError as error:
        raise invalid(f"/period/{error.field}", error.detail) from error


def _changed_rule(rule: PeriodRule, given: Mapping[str, Any], today: date) -> PeriodRule:
    """The rule with the given fields; another kind begins with its defaults."""
    old = PeriodInput(kind=rule.kind, every=rule.every, anchor=rule.anchor, ends_on=rule.ends_on)
    kind = given.get("kind", rule.kind)
    return _rule(replace(old if kind == rule.kind else PeriodInput(kind=kind), **given), today)


def _rule_columns(rule: PeriodRule) -> dict[str, Any]:
    return {
        "period_kind": rule.kind,
        "period_every": rule.every,
        "period_anchor": rule.anchor,
        "period_ends_on": rule.ends_on,
    }


def _thresholds(thresholds: Sequence[int]) -> list[int]:
    try:
        return list(normalise_thresholds(thresholds))
    except ThresholdError as error:
        raise invalid("/thresholds", str(error)) from error


def _amount(text: str, currency: str) -> int:
    try:
        amount = parse_amount(text, currency)
    except AmountError as error:
        raise invalid("/amount", str(error)) from error
    if amount < 0:
        raise invalid("/amount", "must not be negative")
    return amount


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
    wanted = list(dict.fromkeys(category_ids))
    known = set(
        session.scalars(select(Category.id).where(Category.user_id == user_id, Category.id.in_(wanted)))
    )
    for position, category_id in enumerate(category_ids):
        if category_id not in known:
            raise invalid(f"/category_ids/{position}", "no such category")
    session.execute(
        delete(BudgetCategory).where(BudgetCategory.user_id == user_id, BudgetCategory.budget_id == budget_id)
    )
    rows = [{"user_id": user_id, "budget_id": budget_id, "category_id": one} for one in wanted]
    if rows:
        session.execute(insert(BudgetCategory), rows)
