"""A user with categories, whose budgets and expenses tests write at times of their choice."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any
from uuid import UUID

import time_machine
from sqlalchemy import func, insert, select

from core import clock
from core.database import Database
from core.ids import new_id
from core.job_names import EVALUATE_BUDGETS
from core.models import Alert, Budget, Category, Notification, User
from core.queries.budget_figures import BudgetFigures, current_figures, past_figures
from core.queries.budgets import BudgetRecord, load_budget
from core.queries.notifications import numbering_gaps
from core.queries.users import local_today
from core.services import budgets, expenses
from core.services.accounts import change_profile
from core.services.budgets import BudgetChanges, NewBudget, PeriodInput
from core.services.expense_drafts import ExpenseInput, LineInput
from core.services.outbox import claim_rows, settle_rows
from core.services.spending import Spending
from workers.tasks.budgets import apply_evaluation

PARENTS: Mapping[str, str | None] = {"food": None, "groceries": "food", "dining": "food", "travel": None}

OpenAlert = tuple[date, int]
"""Start of the period and threshold."""


def at(text: str) -> time_machine.travel:
    """Within this context it is that time, such as `2026-03-31T23:59:59`, in UTC; the clock stands still."""
    return time_machine.travel(datetime.fromisoformat(text).replace(tzinfo=UTC), tick=False)


class Spender:
    """Somebody whose currency is EUR; nothing is evaluated before `settle()`."""

    def __init__(self, database: Database, *, timezone: str = "UTC") -> None:
        self.database = database
        self.id = new_id()
        self.categories = {name: new_id() for name in PARENTS}
        now = clock.now()
        stamps = {"created_at": now, "updated_at": now}
        name = f"u{self.id.hex}"
        user = {
            "id": self.id, "username": name, "username_key": name, "email": f"{name}@example.com",
            "email_key": f"{name}@example.com", "display_name": name, "password_hash": "-",
            "timezone": timezone, "currency": "EUR", "is_active": True, "notification_seq": 0, "version": 1,
        }  # fmt: skip
        with database.transaction() as session:
            session.execute(insert(User), user | stamps)
            for label, parent in PARENTS.items():
                parent_id = None if parent is None else self.categories[parent]
                category = {"id": self.categories[label], "parent_id": parent_id, "name": label}
                session.execute(
                    insert(Category),
                    category | {"user_id": self.id, "name_key": label, "version": 1} | stamps,
                )

    def budget(
        self,
        amount: str = "100.00",
        *,
        kind: Any = "monthly",
        every: int = 1,
        anchor: date | None = None,
        ends_on: date | None = None,
        categories: Sequence[str] = (),
        **fields: Any,
    ) -> UUID:
        given: dict[str, Any] = {
            "name": "Budget",
            "currency": None,
            "thresholds": [80, 100],
            "rollover": "none",
            "has_pace_alert": False,
        }
        budget = NewBudget(
            amount=amount,
            period=PeriodInput(kind=kind, every=every, anchor=anchor, ends_on=ends_on),
            category_ids=[self.categories[name] for name in categories],
            **given | fields,
        )
        with self.database.transaction() as session:
            return budgets.set_budget(session, user_id=self.id, budget=budget).id

    def change(self, budget_id: UUID, **changes: Any) -> BudgetRecord:
        with self.database.transaction() as session:
            return budgets.change_budget(
                session, user_id=self.id, budget_id=budget_id, changes=BudgetChanges(**changes)
            )

    def archive(self, budget_id: UUID, *, is_archived: bool = True) -> None:
        with self.database.transaction() as session:
            budgets.archive_budget(session, user_id=self.id, budget_id=budget_id, is_archived=is_archived)

    def move_to(self, timezone: str) -> None:
        with self.database.transaction() as session:
            change_profile(session, user_id=self.id, changes={"timezone": timezone}, expected_versions=None)

    def spend(self, amount: str, on: str | date | None = None, **fields: Any) -> UUID:
        """Record an expense; `category` is a name, `lines` are pairs of a category's name and an amount."""
        given: dict[str, Any] = {"user_id": self.id, "amount": amount, "spent_on": _day(on)}
        if category := fields.pop("category", None):
            given["category_id"] = self.categories[category]
        if lines := fields.pop("lines", ()):
            given["lines"] = tuple(LineInput(self.categories[name], part) for name, part in lines)
        with self.database.transaction() as session:
            return expenses.record_expenses(session, items=[ExpenseInput(**given, **fields)])[0].id

    def revise(self, expense_id: UUID, **changes: Any) -> None:
        if "spent_on" in changes:
            changes["spent_on"] = _day(changes["spent_on"])
        if category := changes.pop("category", None):
            changes["category_id"] = self.categories[category]
        with self.database.transaction() as session:
            expenses.revise_expense(session, user_id=self.id, expense_id=expense_id, changes=changes)

    def delete(self, expense_id: UUID) -> None:
        with self.database.transaction() as session:
            expenses.delete_expense(session, user_id=self.id, expense_id=expense_id)

    def restore(self, expense_id: UUID) -> list[Spending]:
        with self.database.transaction() as session:
            record = expenses.restore_expense(session, user_id=self.id, expense_id=expense_id)
            return expenses.spending_of(record)

    def tick(self) -> int:
        """Start the periods that are due and evaluate them; answers of how many of this user's budgets.

        Other users' may be due as well: those of earlier examples of a property, for instance.
        """
        own = select(func.count()).where(
            Budget.user_id == self.id, Budget.next_period_at <= clock.now(), Budget.archived_at.is_(None)
        )
        with self.database.transaction() as session:
            due = session.scalar(own) or 0
            budgets.start_due_periods(session, limit=100_000)
        self.settle()
        return due

    def settle(self) -> None:
        """Work off what waits to be evaluated, as a worker does: in one transaction."""
        with self.database.transaction() as session:
            settle_evaluations(session)

    def open(self, budget_id: UUID | None = None) -> set[OpenAlert]:
        return {(a.period_start, a.threshold) for a in self.alerts(budget_id) if a.resolved_at is None}

    def alerts(self, budget_id: UUID | None = None) -> list[Alert]:
        query = select(Alert).where(Alert.user_id == self.id).order_by(Alert.id)
        if budget_id is not None:
            query = query.where(Alert.budget_id == budget_id)
        with self.database.reading() as session:
            return list(session.scalars(query))

    def messages(self) -> list[tuple[str, dict[str, Any]]]:
        """Kind and data of all notifications, the oldest first; their numbers have no gap."""
        query = select(Notification).where(Notification.user_id == self.id).order_by(Notification.seq)
        with self.database.reading() as session:
            found = session.scalars(query).all()
            assert [one.seq for one in found] == list(range(1, len(found) + 1))
            assert self.id not in numbering_gaps(session)
        return [(one.kind, one.data) for one in found]

    def told(self) -> list[str]:
        """The notifications in short: `threshold 80`, `recovered 80`, `projected`."""
        return [
            f"{kind.removeprefix('budget.')} {data.get('threshold', '')}".strip()
            for kind, data in self.messages()
        ]

    def current(self, budget_id: UUID) -> BudgetFigures:
        with self.database.reading() as session:
            budget = load_budget(session, user_id=self.id, budget_id=budget_id)
            return current_figures(session, [budget], today=local_today(session, user_id=self.id))[0]

    def past(self, budget_id: UUID, count: int = 12) -> list[BudgetFigures]:
        with self.database.reading() as session:
            budget = load_budget(session, user_id=self.id, budget_id=budget_id)
            today = local_today(session, user_id=self.id)
            return past_figures(session, budget, today=today, count=count)

    def next_period_at(self, budget_id: UUID) -> datetime | None:
        query = select(Budget.next_period_at).where(Budget.user_id == self.id, Budget.id == budget_id)
        with self.database.reading() as session:
            return session.scalar(query)


def settle_evaluations(session: Any) -> int:
    """Claim, apply and delete the rows that ask for evaluations; answers how many there were."""
    rows = sorted(claim_rows(session, job=EVALUATE_BUDGETS), key=lambda row: row.key)
    by_key = {key: list(group) for key, group in groupby(rows, key=lambda row: row.key)}
    apply_evaluation(None, session, by_key)  # type: ignore[arg-type] # it needs no runtime
    settle_rows(session, rows)
    return len(rows)


def _day(day: str | date | None) -> date | None:
    return date.fromisoformat(day) if isinstance(day, str) else day
