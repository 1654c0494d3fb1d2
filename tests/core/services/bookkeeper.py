"""A spender with recurring expenses, which are posted at times of the test's choice."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.database import Database
from core.models import Expense, RecurringExpense, RecurringOccurrence
from core.queries.recurring_expenses import RecurringRecord, load_recurring
from core.services import recurring_expenses, recurring_occurrences
from core.services.expense_drafts import ExpenseInput, LineInput
from core.services.recurring_expenses import NewRecurring
from core.services.recurring_input import ScheduleInput
from tests.core.services.spender import Spender
from workers.tasks.recurring_expenses import post_all


def nobody(_jobs: Iterable[str]) -> None:
    """There are no workers to be woken."""


def tick(database: Database) -> int:
    """What beat asks for; other users' may be due as well."""
    return post_all(database, wake=nobody)


class Bookkeeper(Spender):
    def __init__(self, database: Database, *, timezone: str = "UTC") -> None:
        super().__init__(database, timezone=timezone)

    def recur(self, rrule: str = "FREQ=MONTHLY", amount: str = "10.00", **fields: Any) -> UUID:
        """Set one up; `category` is a name, `lines` are pairs of a category's name and an amount."""
        schedule = {name: fields.pop(name) for name in ("starts_on", "ends_on", "count") if name in fields}
        for name in ("starts_on", "ends_on"):
            if isinstance(schedule.get(name), str):
                schedule[name] = date.fromisoformat(schedule[name])
        more = {name: fields.pop(name) for name in ("remind_days_before", "is_variable") if name in fields}
        if category := fields.pop("category", None):
            fields["category_id"] = self.categories[category]
        if lines := fields.pop("lines", ()):
            fields["lines"] = tuple(LineInput(self.categories[name], part) for name, part in lines)
        new = NewRecurring(
            template=ExpenseInput(user_id=self.id, amount=amount, **fields),
            schedule=ScheduleInput(rrule=rrule, **schedule),
            **more,
        )
        with self.database.transaction() as session:
            return recurring_expenses.set_up_recurring(session, user_id=self.id, recurring=new).id

    def alter(self, recurring_id: UUID, **changes: Any) -> RecurringRecord:
        with self.database.transaction() as session:
            return recurring_expenses.change_recurring(
                session, user_id=self.id, recurring_id=recurring_id, changes=changes
            )

    def pause(self, recurring_id: UUID) -> None:
        with self.database.transaction() as session:
            recurring_expenses.pause_recurring(session, user_id=self.id, recurring_id=recurring_id)

    def resume(self, recurring_id: UUID) -> None:
        with self.database.transaction() as session:
            recurring_expenses.resume_recurring(session, user_id=self.id, recurring_id=recurring_id)

    def drop(self, recurring_id: UUID) -> None:
        with self.database.transaction() as session:
            recurring_expenses.delete_recurring(session, user_id=self.id, recurring_id=recurring_id)

    def skip(self, recurring_id: UUID, due_on: str | None = None) -> RecurringRecord:
        with self.database.transaction() as session:
            return recurring_occurrences.skip_occurrence(
                session,
                user_id=self.id,
                recurring_id=recurring_id,
                due_on=None if due_on is None else date.fromisoformat(due_on),
            )

    def confirm(self, recurring_id: UUID, due_on: str, amount: str) -> UUID:
        with self.database.transaction() as session:
            return recurring_occurrences.confirm_occurrence(
                session,
                user_id=self.id,
                recurring_id=recurring_id,
                due_on=date.fromisoformat(due_on),
                amount=amount,
            ).id

    def find(self, recurring_id: UUID) -> RecurringRecord:
        with self.database.reading() as session:
            return load_recurring(session, user_id=self.id, recurring_id=recurring_id)

    def next_at(self) -> datetime | None:
        """When there is something to do for any of them."""
        query = select(RecurringExpense.next_at).where(
            RecurringExpense.user_id == self.id, RecurringExpense.next_at.is_not(None)
        )
        with self.database.reading() as session:
            return min(session.scalars(query), default=None)

    def states(self, recurring_id: UUID) -> dict[str, str]:
        """What became of its occurrences, by their days."""
        query = select(RecurringOccurrence).where(
            RecurringOccurrence.user_id == self.id, RecurringOccurrence.recurring_id == recurring_id
        )
        with self.database.reading() as session:
            rows = session.scalars(query.order_by(RecurringOccurrence.due_on)).all()
        return {str(row.due_on): row.state for row in rows}

    def posted(self) -> list[str]:
        """The days of the expenses that were posted for this user, in order."""
        query = select(Expense.spent_on).where(Expense.user_id == self.id, Expense.source == "recurring")
        with self.database.reading() as session:
            return [str(day) for day in session.scalars(query.order_by(Expense.spent_on, Expense.id))]

    def expenses(self) -> list[Expense]:
        query = select(Expense).where(Expense.user_id == self.id).order_by(Expense.spent_on, Expense.id)
        with self.database.reading() as session:
            return list(session.scalars(query))

    def heard(self) -> list[str]:
        """The notifications in short: kind, day, and `!` where an amount is wanted, `?` with a problem."""
        return [
            f"{kind.removeprefix('recurring.')} {data['due_on']}"
            + ("!" if data.get("needs_confirmation") else "")
            + ("?" if data.get("problem") else "")
            for kind, data in self.messages()
            if kind.startswith("recurring.")
        ]
