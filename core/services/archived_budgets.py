"""Budgets of an archive with all that they have allowed and alerted.

They come when the expenses that they count are there, and their alerts in the same transaction: so the first
evaluation knows what was told already, and misses nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.archive.fields import NOTHING
from core.archive.reading import Entry
from core.archive.records import AlertItem, BudgetItem, PaceAlertItem
from core.errors import InvalidInput, invalid
from core.many_rows import insert_rows
from core.models import Alert, Budget, BudgetAmount, BudgetCategory, PaceAlert, table_of
from core.rules.money import AmountError, parse_amount
from core.rules.periods import MAX_DAY
from core.services.archived_drafts import Drafts, draft_each, items_of
from core.services.budget_input import (
    checked_amount,
    checked_currency,
    checked_rule,
    checked_thresholds,
    period_columns,
)
from core.services.budgets import MAX_BUDGETS
from core.services.changes import forget_deleted
from core.services.evaluation import MAX_STORED_MINOR

FIRST_START = date(2020, 1, 1)
"""No budget is older than the program. What rolls over is reckoned from there on, period by period."""

BUDGETS = table_of(Budget)
AMOUNTS = table_of(BudgetAmount)
CHOSEN = table_of(BudgetCategory)
ALERTS = table_of(Alert)
PACE_ALERTS = table_of(PaceAlert)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class NewBudget:
    """The rows of a budget in three tables."""

    row: Row
    amounts: list[Row]
    categories: list[Row]


def draft_budgets(
    session: Session, *, user_id: UUID, entries: Iterable[Entry], category_ids: Mapping[UUID, UUID]
) -> Drafts[NewBudget]:
    """`category_ids` lead from the archive's categories to the user's.

    The caller holds the user's lock if they are to be stored.
    """
    ids = set(session.scalars(select(BUDGETS.c.id).where(BUDGETS.c.user_id == user_id)))

    def draft(item: BudgetItem) -> NewBudget | None:
        if item.id in ids:
            return None
        if len(ids) >= MAX_BUDGETS:
            raise invalid("", f"there are {MAX_BUDGETS} budgets already, which is the most")
        drafted = _draft(item, user_id, category_ids)
        ids.add(item.id)
        return drafted

    return draft_each(items_of(entries, BudgetItem), draft)


def _draft(item: BudgetItem, user_id: UUID, category_ids: Mapping[UUID, UUID]) -> NewBudget:
    """Raises: InvalidInput."""
    if item.id == NOTHING:
        raise invalid("/id", "is no id of its own")
    if not FIRST_START <= item.starts_on <= MAX_DAY:
        raise invalid("/starts_on", f"must be between {FIRST_START} and {MAX_DAY}")
    currency, period = checked_currency(item.currency), item.period
    rule = checked_rule(period.kind, period.every, period.anchor, period.ends_on, item.starts_on)
    key = {"user_id": user_id, "budget_id": item.id}
    row = {
        "user_id": user_id,
        "id": item.id,
        "name": item.name,
        "currency": currency,
        **period_columns(rule),
        "thresholds": checked_thresholds(item.thresholds),
        "rollover": item.rollover,
        "has_pace_alert": item.pace_alert,
        "starts_on": item.starts_on,
        # The first evaluation sets it.
        "next_period_at": None,
        "archived_at": item.archived_at,
        "version": item.version,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }
    categories = [{**key, "category_id": one} for one in _categories(item, category_ids)]
    return NewBudget(row, [{**key, **amount} for amount in _amounts(item)], categories)


def _amounts(item: BudgetItem) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for position, one in enumerate(item.amounts):
        try:
            minor = checked_amount(one.amount, item.currency)
        except InvalidInput as error:
            raise error.below(f"/amounts/{position}") from error
        if found and found[-1]["effective_on"] >= one.effective_on:
            raise invalid(f"/amounts/{position}/effective_on", "has to be after the day before it")
        found.append({"effective_on": one.effective_on, "amount_minor": minor})
    return found


def _categories(item: BudgetItem, category_ids: Mapping[UUID, UUID]) -> list[UUID]:
    for position, category_id in enumerate(item.category_ids):
        if category_id not in category_ids:
            raise invalid(f"/category_ids/{position}", "no such category")
    return list(dict.fromkeys(category_ids[one] for one in item.category_ids))


def store_budgets(session: Session, *, user_id: UUID, budgets: Sequence[NewBudget]) -> None:
    if not budgets:
        return
    forget_deleted(session, user_id=user_id, ids=[budget.row["id"] for budget in budgets])
    session.execute(insert(BUDGETS), [budget.row for budget in budgets])
    session.execute(insert(AMOUNTS), [row for budget in budgets for row in budget.amounts])
    categories = [row for budget in budgets for row in budget.categories]
    if categories:
        session.execute(insert(CHOSEN), categories)


class AlertDrafting:
    """Drafts the alerts of budgets that have just come; others have theirs already."""

    def __init__(self, user_id: UUID, budget_ids: Iterable[UUID]) -> None:
        self._user_id = user_id
        self._budget_ids = frozenset(budget_ids)
        self._open = set[tuple[UUID, date, int]]()
        self._paces = set[tuple[UUID, date]]()

    def draft_alerts(self, session: Session, entries: Iterable[Entry]) -> Drafts[Row]:
        items = items_of(entries, AlertItem)
        ids = [item.id for _, item in items]
        known = set(
            session.scalars(
                select(ALERTS.c.id).where(ALERTS.c.user_id == self._user_id, ALERTS.c.id.in_(ids))
            )
        )

        def draft(item: AlertItem) -> Row | None:
            key = (item.budget_id, item.period_start, item.threshold)
            is_open_twice = item.resolved_at is None and key in self._open
            if item.id in known or item.budget_id not in self._budget_ids or is_open_twice:
                return None
            row = self._alert(item)
            known.add(item.id)
            if item.resolved_at is None:
                self._open.add(key)
            return row

        return draft_each(items, draft)

    def draft_paces(self, entries: Iterable[Entry]) -> Drafts[Row]:
        def draft(item: PaceAlertItem) -> Row | None:
            key = (item.budget_id, item.period_start)
            if item.budget_id not in self._budget_ids or key in self._paces:
                return None
            self._paces.add(key)
            return {"user_id": self._user_id, **structs.asdict(item)}

        return draft_each(items_of(entries, PaceAlertItem), draft)

    def _alert(self, item: AlertItem) -> Row:
        """Raises: InvalidInput."""
        if item.id == NOTHING:
            raise invalid("/id", "is no id of its own")
        return {
            "user_id": self._user_id,
            "id": item.id,
            "budget_id": item.budget_id,
            "period_start": item.period_start,
            "period_end": item.period_end,
            "threshold": item.threshold,
            "spent_minor": _figure(item.spent, item.currency, "/spent"),
            "limit_minor": _figure(item.limit, item.currency, "/limit"),
            "currency": item.currency,
            "created_at": item.created_at,
            "resolved_at": item.resolved_at,
        }


def store_alerts(session: Session, alerts: Sequence[Row]) -> None:
    insert_rows(session, ALERTS, alerts)


def store_paces(session: Session, paces: Sequence[Row]) -> None:
    insert_rows(session, PACE_ALERTS, paces)


def _figure(text: str, currency: str, pointer: str) -> int:
    """A sum of many amounts, in minor units."""
    try:
        return parse_amount(text, currency, largest=MAX_STORED_MINOR)
    except AmountError as error:
        raise invalid(pointer, str(error)) from error
