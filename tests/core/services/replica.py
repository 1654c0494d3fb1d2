"""A copy of somebody's data that is kept by reading changes, as `GET /v1/changes` reads them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select

from core.database import Database
from core.errors import StartOver
from core.models import Budget, Category, Deletion, Expense, RecurringExpense, table_of
from core.queries.budgets import budgets_by_id
from core.queries.categories import categories_by_id
from core.queries.changes import ChangePage, Kind, Position, list_changes
from core.queries.expenses import expenses_by_id
from core.queries.recurring_expenses import recurring_by_id
from core.services.changes import number_changes

Things = dict[tuple[str, UUID], Any]

VERSIONED: Mapping[Kind, Any] = {
    "category": Category,
    "budget": Budget,
    "recurring_expense": RecurringExpense,
}
"""Of these a copy keeps the versions only."""


class Replica:
    def __init__(self, database: Database, user_id: UUID, *, limit: int = 500) -> None:
        self._database = database
        self._user_id = user_id
        self._limit = limit
        self.position: Position | None = None
        self.things: Things = {}

    def sync(self) -> None:
        """Until there is no more."""
        while self.step():
            pass

    def step(self) -> bool:
        """Ask once, beginning anew if need be; answers whether there is more."""
        try:
            page = self._ask()
        except StartOver:
            self.position, self.things = None, {}
            return True
        found = self._contents(page)
        for change in page.changes:
            key = (change.kind, change.id)
            if change.is_gone or (key in found and found[key] is None):
                self.things.pop(key, None)
            elif key in found:
                self.things[key] = found[key]
        self.position = page.next
        return page.has_more

    def _ask(self) -> ChangePage:
        page = self._page()
        if page is None or page.has_unnumbered:
            with self._database.transaction() as session:
                number_changes(session, user_id=self._user_id)
            page = self._page()
        assert page is not None
        return page

    def _page(self) -> ChangePage | None:
        with self._database.reading() as session:
            return list_changes(session, user_id=self._user_id, since=self.position, limit=self._limit)

    def _contents(self, page: ChangePage) -> Things:
        """What is there; None for what is in the trash."""
        with self._database.reading() as session:
            categories = categories_by_id(session, user_id=self._user_id, category_ids=page.ids("category"))
            budgets = budgets_by_id(session, user_id=self._user_id, budget_ids=page.ids("budget"))
            recurring = recurring_by_id(session, user_id=self._user_id, ids=page.ids("recurring_expense"))
            expenses = expenses_by_id(session, user_id=self._user_id, expense_ids=page.ids("expense"))
            return {
                **{("recurring_expense", one.id): one.version for one in recurring},
                **{("category", one.id): one.version for one in categories},
                **{("budget", one.id): one.version for one in budgets},
                **{("expense", one.id): None if one.deleted_at else one for one in expenses},
            }

    def assert_complete(self) -> None:
        """The copy is what the tables hold; read at a time when nobody writes."""
        with self._database.reading() as session:
            ids = session.scalars(_own(select(Expense.id), self._user_id)).all()
            expenses = expenses_by_id(session, user_id=self._user_id, expense_ids=ids)
            actual: Things = {("expense", one.id): one for one in expenses if one.deleted_at is None}
            for kind, model in VERSIONED.items():
                rows = session.execute(select(model.id, model.version).where(model.user_id == self._user_id))
                actual |= {(kind, row.id): row.version for row in rows}
        assert self.things == actual


def _own(query: Select[Any], user_id: UUID) -> Select[Any]:
    return query.where(Expense.user_id == user_id)


def assert_numbered_once(database: Database, user_id: UUID) -> None:
    """No number was given twice."""
    with database.reading() as session:
        numbers = [
            seq
            for model in (*VERSIONED.values(), Expense, Deletion)
            for seq in session.scalars(
                select(table_of(model).c.change_seq).where(
                    table_of(model).c.user_id == user_id, table_of(model).c.change_seq.is_not(None)
                )
            )
        ]
    assert len(numbers) == len(set(numbers))


def count_deletions(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Deletion)) or 0
