"""Budgets of an archive with all that they have allowed and alerted.

They come when the expenses that they count are there, and their alerts in the same transaction: so the first
evaluation knows what was told already, and misses nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.archive.fields import NOTHING
from core.archive.reading import BadEntry, Entry
from core.archive.records import AlertItem, BudgetItem, PaceAlertItem
from core.errors import InvalidInput, invalid
from core.models import Alert, Budget, BudgetAmount, BudgetCategory, PaceAlert, table_of
from core.rules.money import AmountError, parse_amount
from core.rules.periods import is_supported
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


@dataclass(slots=True)
class BudgetIntake:
    """What becomes of an archive's budgets; the rows of three tables are new."""

    budgets: list[dict[str, Any]] = field(default_factory=list)
    amounts: list[dict[str, Any]] = field(default_factory=list)
    categories: list[dict[str, Any]] = field(default_factory=list)
    known: int = 0
    problems: list[BadEntry] = field(default_factory=list)


def draft_budgets(
    session: Session, *, user_id: UUID, entries: Iterable[Entry], category_ids: Mapping[UUID, UUID]
) -> BudgetIntake:
    """Nothing is stored. The caller holds the user's lock if they are to be."""
    intake = BudgetIntake()
    ids = set(session.scalars(select(BUDGETS.c.id).where(BUDGETS.c.user_id == user_id)))
    for entry in entries:
        item = entry.record
        if not isinstance(item, BudgetItem):
            continue
        if item.id in ids:
            intake.known += 1
            continue
        try:
            if len(ids) >= MAX_BUDGETS:
                raise invalid("", f"there are {MAX_BUDGETS} budgets already, which is the most")
            _draft(item, user_id, category_ids, intake)
        except InvalidInput as error:
            wrong = error.below(f"/{entry.section}/{entry.position}").fields[0]
            intake.problems.append(BadEntry(entry.section, entry.position, wrong))
        else:
            ids.add(item.id)
    return intake


def _draft(item: BudgetItem, user_id: UUID, category_ids: Mapping[UUID, UUID], intake: BudgetIntake) -> None:
    """Raises: InvalidInput."""
    if item.id == NOTHING:
        raise invalid("/id", "is no id of its own")
    if not is_supported(item.starts_on) or item.starts_on < FIRST_START:
        raise invalid("/starts_on", f"cannot be before {FIRST_START}")
    currency, period = checked_currency(item.currency), item.period
    rule = checked_rule(period.kind, period.every, period.anchor, period.ends_on, item.starts_on)
    key = {"user_id": user_id, "budget_id": item.id}
    amounts = [{**key, **one} for one in _amounts(item)]
    chosen = [{**key, "category_id": one} for one in _categories(item, category_ids)]
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
    intake.budgets.append(row)
    intake.amounts += amounts
    intake.categories += chosen


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


def store_budgets(session: Session, *, user_id: UUID, intake: BudgetIntake) -> None:
    if not intake.budgets:
        return
    forget_deleted(session, user_id=user_id, ids=[row["id"] for row in intake.budgets])
    session.execute(insert(BUDGETS), intake.budgets)
    session.execute(insert(AMOUNTS), intake.amounts)
    if intake.categories:
        session.execute(insert(CHOSEN), intake.categories)


class AlertIntake:
    """Takes the alerts of budgets that have just come; others have theirs already."""

    def __init__(self, user_id: UUID, budget_ids: Iterable[UUID]) -> None:
        self.made = self.known = 0
        self.problems: list[BadEntry] = []
        self._user_id = user_id
        self._budget_ids = frozenset(budget_ids)
        self._open = set[tuple[UUID, date, int]]()
        self._paces = set[tuple[UUID, date]]()

    def store(self, session: Session, entries: Sequence[Entry]) -> None:
        """Store alerts of either kind, in the transaction of their budgets."""
        ids = [entry.record.id for entry in entries if isinstance(entry.record, AlertItem)]
        known = set(session.scalars(self._known(ids)))
        alerts, paces = list[dict[str, Any]](), list[dict[str, Any]]()
        for entry in entries:
            item = entry.record
            try:
                if isinstance(item, AlertItem) and self._is_new(item, known):
                    alerts.append(self._alert(item))
                elif isinstance(item, PaceAlertItem) and self._is_new_pace(item):
                    paces.append(self._pace(item))
                else:
                    self.known += 1
            except InvalidInput as error:
                wrong = error.below(f"/{entry.section}/{entry.position}").fields[0]
                self.problems.append(BadEntry(entry.section, entry.position, wrong))
        if alerts:
            session.execute(insert(ALERTS), alerts)
        if paces:
            session.execute(insert(PACE_ALERTS), paces)
        self.made += len(alerts) + len(paces)

    def _known(self, ids: list[UUID]) -> Any:
        return select(ALERTS.c.id).where(ALERTS.c.user_id == self._user_id, ALERTS.c.id.in_(ids))

    def _is_new(self, item: AlertItem, known: set[UUID]) -> bool:
        if item.budget_id not in self._budget_ids or item.id in known:
            return False
        known.add(item.id)
        key = (item.budget_id, item.period_start, item.threshold)
        if item.resolved_at is None and key in self._open:
            return False
        if item.resolved_at is None:
            self._open.add(key)
        return True

    def _is_new_pace(self, item: PaceAlertItem) -> bool:
        key = (item.budget_id, item.period_start)
        if item.budget_id not in self._budget_ids or key in self._paces:
            return False
        self._paces.add(key)
        return True

    def _alert(self, item: AlertItem) -> dict[str, Any]:
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

    def _pace(self, item: PaceAlertItem) -> dict[str, Any]:
        return {
            "user_id": self._user_id,
            "budget_id": item.budget_id,
            "period_start": item.period_start,
            "created_at": item.created_at,
        }


def _figure(text: str, currency: str, pointer: str) -> int:
    """A sum of many amounts, in minor units."""
    try:
        return parse_amount(text, currency, largest=MAX_STORED_MINOR)
    except AmountError as error:
        raise invalid(pointer, str(error)) from error
