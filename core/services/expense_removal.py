"""Taking back expenses that were recorded by the thousand."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.models import Attachment, Expense, table_of
from core.queries.expenses import ExpenseRecord, expenses_by_id
from core.services.changes import delete_many_for_good
from core.services.expenses import spending_of
from core.services.spending import add_spending

EXPENSES = table_of(Expense)
ATTACHMENTS = table_of(Attachment)


def remove_expenses(session: Session, *, user_id: UUID, expense_ids: Sequence[UUID]) -> None:
    """Have the expenses count no more; their budgets are the caller's to have evaluated.

    What nobody has touched since it was recorded is gone for good. What somebody has worked on goes into the
    trash, from where it can be restored; what is there already stays there.
    """
    found = expenses_by_id(session, user_id=user_id, expense_ids=expense_ids, for_update=True)
    counted = [one for one in found if one.deleted_at is None]
    attached = _with_attachments(session, user_id, [one.id for one in counted])
    touched = [one for one in counted if one.version > 1 or one.id in attached]
    untouched = [one for one in counted if not (one.version > 1 or one.id in attached)]
    trash_expenses(session, touched)
    delete_many_for_good(session, "expense", user_id=user_id, ids=[one.id for one in untouched])
    add_spending(session, (part.reversed() for one in counted for part in spending_of(one)))


def _with_attachments(session: Session, user_id: UUID, expense_ids: Sequence[UUID]) -> set[UUID]:
    query = select(ATTACHMENTS.c.expense_id).where(
        ATTACHMENTS.c.user_id == user_id, ATTACHMENTS.c.expense_id.in_(expense_ids)
    )
    return set(session.scalars(query))


def trash_expenses(session: Session, expenses: Sequence[ExpenseRecord]) -> None:
    """Move one user's expenses into the trash; their totals are the caller's to keep."""
    if not expenses:
        return
    now, user_id = clock.now(), expenses[0].user_id
    session.execute(
        update(EXPENSES)
        .where(EXPENSES.c.user_id == user_id, EXPENSES.c.id.in_([one.id for one in expenses]))
        .values(version=EXPENSES.c.version + 1, updated_at=now, deleted_at=now)
    )
