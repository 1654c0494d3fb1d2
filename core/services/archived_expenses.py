"""Expenses of an archive, as they were: with their ids, their times, and in the trash if they lay there."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import structs
from sqlalchemy import ARRAY, Uuid, any_, bindparam, select
from sqlalchemy.orm import Session

from core import clock
from core.archive.fields import NOTHING
from core.archive.reading import Entry
from core.archive.records import ExpenseItem
from core.errors import invalid
from core.models.expenses import MIRROR
from core.queries.expenses import EXPENSES, ExpenseRecord
from core.services.archived_drafts import Drafts, draft_each, items_of
from core.services.changes import forget_deleted
from core.services.expense_drafts import DraftContext, ExpenseInput, LineInput, RateInput, draft_expense
from core.services.expenses import insert_many_expenses, spending_of
from core.services.spending import add_spending

SOURCE = "import"
"""Of what was a share in a group's expense: here it follows no group."""

_OWN = select(EXPENSES.c.id).where(EXPENSES.c.user_id == bindparam("owner"))
KNOWN = {
    # Thousands of parameters would take as long as the query many times over.
    "postgresql": _OWN.where(EXPENSES.c.id == any_(bindparam("expense_ids", type_=ARRAY(Uuid())))),
    "sqlite": _OWN.where(EXPENSES.c.id.in_(bindparam("expense_ids", expanding=True))),
}


class ExpenseDrafting:
    """Drafts expenses; `category_ids` lead from the archive's categories to the user's."""

    def __init__(self, user_id: UUID, category_ids: Mapping[UUID, UUID]) -> None:
        self.mirrors = 0
        """How many of them were shares in expenses of groups."""

        self._user_id = user_id
        self._category_ids = category_ids
        self._context = DraftContext(
            now=clock.now(),
            # Each says its own currency and day.
            users={user_id: ("", "UTC")},
            categories={(user_id, category_id) for category_id in category_ids.values()},
            rules={},
        )

    def draft(self, session: Session, entries: Iterable[Entry]) -> Drafts[ExpenseRecord]:
        """What is there already, in the trash or not, stays as it is."""
        items = items_of(entries, ExpenseItem)
        known = known_expenses(session, user_id=self._user_id, expense_ids=[item.id for _, item in items])

        def draft(item: ExpenseItem) -> ExpenseRecord | None:
            if item.id in known:
                return None
            record = self._draft(item)
            known.add(item.id)
            self.mirrors += item.source == MIRROR
            return record

        return draft_each(items, draft)

    def _draft(self, item: ExpenseItem) -> ExpenseRecord:
        """Raises: InvalidInput."""
        if item.id == NOTHING:
            raise invalid("/id", "is no id of its own")
        rate = item.exchange_rate
        given = ExpenseInput(
            user_id=self._user_id,
            amount=item.amount,
            currency=item.currency,
            category_id=self._category(item.category_id),
            spent_on=item.spent_on,
            payee=item.payee,
            note=item.note,
            tags=tuple(item.tags),
            lines=tuple(
                LineInput(self._category(line.category_id), line.amount, line.note) for line in item.lines
            ),
            source=SOURCE if item.source == MIRROR else item.source,
            exchange_rate=None if rate is None else RateInput(rate.currency, rate.rate),
        )
        return structs.replace(
            draft_expense(given, self._context),
            id=item.id,
            version=item.version,
            created_at=item.created_at,
            updated_at=item.updated_at,
            deleted_at=item.deleted_at,
        )

    def _category(self, category_id: UUID | None) -> UUID | None:
        """Of what leads nowhere, something that is no category: so it is found out with the rest."""
        return None if category_id is None else self._category_ids.get(category_id, NOTHING)


def known_expenses(session: Session, *, user_id: UUID, expense_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the ids that the user's expenses have, in the trash or not."""
    found = session.scalars(
        KNOWN[session.get_bind().dialect.name], {"owner": user_id, "expense_ids": expense_ids}
    )
    return set(found)


def store_expenses(session: Session, *, user_id: UUID, expenses: Sequence[ExpenseRecord]) -> None:
    """Store expenses with their totals; budgets are the caller's to have evaluated.

    Raises:
        InvalidInput: a day's total would leave what a total may hold.
    """
    forget_deleted(session, user_id=user_id, ids=[expense.id for expense in expenses])
    insert_many_expenses(session, expenses)
    counted = (expense for expense in expenses if expense.deleted_at is None)
    add_spending(session, (part for expense in counted for part in spending_of(expense)))
