"""Budgets with their amounts and categories."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, select

from core.database import Reader
from core.errors import NotFound
from core.models import Budget, BudgetAmount, BudgetCategory, table_of
from core.rules.limits import Amounts
from core.rules.periods import PeriodRule
from core.rules.thresholds import RolloverMode

BUDGETS = table_of(Budget)
AMOUNTS = table_of(BudgetAmount)
CHOSEN = table_of(BudgetCategory)

# Built once: evaluation runs them after every write, and building a statement costs more than running it.
_USER_IDS: BindParameter[Any] = bindparam("user_ids", expanding=True)
_OF_USERS = (
    select(BUDGETS, AMOUNTS.c.effective_on, AMOUNTS.c.amount_minor)
    .join(AMOUNTS, (AMOUNTS.c.user_id == BUDGETS.c.user_id) & (AMOUNTS.c.budget_id == BUDGETS.c.id))
    .where(BUDGETS.c.user_id.in_(_USER_IDS))
    .order_by(BUDGETS.c.user_id, BUDGETS.c.id, AMOUNTS.c.effective_on)
)
"""A row for each amount that a budget has had."""

ACTIVE_BUDGETS = _OF_USERS.where(BUDGETS.c.archived_at.is_(None))
ARCHIVED_BUDGETS = _OF_USERS.where(BUDGETS.c.archived_at.is_not(None))
ONE_BUDGET = _OF_USERS.where(BUDGETS.c.id == bindparam("budget_id"))
SOME_BUDGETS = _OF_USERS.where(BUDGETS.c.id.in_(bindparam("budget_ids", expanding=True)))
CATEGORIES_OF_USERS = (
    select(CHOSEN.c.user_id, CHOSEN.c.budget_id, CHOSEN.c.category_id)
    .where(CHOSEN.c.user_id.in_(_USER_IDS))
    .order_by(CHOSEN.c.category_id)
)


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


def list_budgets(
    session: Reader, *, user_id: UUID, is_archived: bool = False, budget_id: UUID | None = None
) -> list[BudgetRecord]:
    """The user's budgets, the oldest first; with `budget_id` that one only, archived or not."""
    parameters: dict[str, Any] = {"user_ids": [user_id]}
    if budget_id is not None:
        found = session.execute(ONE_BUDGET, {**parameters, "budget_id": budget_id}).all()
    else:
        found = session.execute(ARCHIVED_BUDGETS if is_archived else ACTIVE_BUDGETS, parameters).all()
    return _records(session, [user_id], found)


def budgets_by_id(session: Reader, *, user_id: UUID, budget_ids: Collection[UUID]) -> list[BudgetRecord]:
    """Those of the user's budgets that are there, archived or not, the oldest first."""
    if not budget_ids:
        return []
    found = session.execute(SOME_BUDGETS, {"user_ids": [user_id], "budget_ids": list(budget_ids)}).all()
    return _records(session, [user_id], found)


def active_budgets(session: Reader, *, user_ids: Collection[UUID]) -> list[BudgetRecord]:
    """The budgets of several users, each user's oldest first."""
    found = session.execute(ACTIVE_BUDGETS, {"user_ids": list(user_ids)}).all()
    return _records(session, user_ids, found)


def _records(session: Reader, user_ids: Collection[UUID], found: Sequence[Any]) -> list[BudgetRecord]:
    """Budgets with their categories, of rows that have an amount each."""
    if not found:
        return []
    # An archive may have brought a budget, with its id, to another user.
    categories: defaultdict[tuple[UUID, UUID], list[UUID]] = defaultdict(list)
    for user_id, budget_id, category_id in session.execute(CATEGORIES_OF_USERS, {"user_ids": list(user_ids)}):
        categories[user_id, budget_id].append(category_id)
    return [
        _record(list(rows), categories[key])
        for key, rows in groupby(found, key=lambda row: (row.user_id, row.id))
    ]


def load_budget(session: Reader, *, user_id: UUID, budget_id: UUID) -> BudgetRecord:
    """The user's budget.

    Raises:
        NotFound
    """
    found = list_budgets(session, user_id=user_id, budget_id=budget_id)
    if not found:
        raise NotFound("no such budget")
    return found[0]


def _record(rows: Sequence[Any], category_ids: list[UUID]) -> BudgetRecord:
    budget = rows[0]
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
        amounts=[(row.effective_on, row.amount_minor) for row in rows],
        category_ids=tuple(category_ids),
    )
