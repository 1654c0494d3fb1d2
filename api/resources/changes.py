from collections.abc import Callable, Mapping
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import decode_cursor, encode_cursor
from api.schemas import changes as schemas
from api.schemas.budgets import BudgetOut
from api.schemas.categories import CategoryOut
from api.schemas.changes import (
    BudgetChange,
    CategoryChange,
    ChangeList,
    ChangesQuery,
    ExpenseChange,
    RecurringChange,
)
from api.schemas.expenses import ExpenseOut
from api.schemas.recurring_expenses import RecurringOut
from core.errors import Unauthenticated
from core.queries.budget_figures import current_figures
from core.queries.budgets import budgets_by_id
from core.queries.categories import categories_by_id
from core.queries.changes import Change, ChangePage, Kind, Position, list_changes
from core.queries.expenses import expenses_by_id
from core.queries.recurring_expenses import awaiting_of, recurring_by_id
from core.queries.users import local_today
from core.services.changes import number_changes

TAG = "Changes"

Views = dict[UUID, schemas.Change]

GONE: Mapping[Kind, Callable[[UUID, bool, None], schemas.Change]] = {
    "category": CategoryChange,
    "budget": BudgetChange,
    "recurring_expense": RecurringChange,
    "expense": ExpenseChange,
}


class Changes:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=ChangesQuery, answers={200: ChangeList}, problems=(410,))
    async def on_get(self, req: Request, resp: Response) -> None:
        """List what has changed since a token, deletions included; without one, everything there is.

        Whoever applies the items of each answer, and asks again with its `next`, has a copy of all
        categories, budgets, recurring expenses, and expenses outside the trash. An answer with `has_more`
        false has everything that was written before it was asked for. A token lasts for 90 days at least;
        410 says that the copy has to begin anew.
        """
        query: ChangesQuery = req.context.query
        user_id = req.context.principal.user_id
        since = decode_cursor(query.since, Position, name="since")

        def read(session: Session, *, is_numbered: bool) -> Answer | None:
            page = list_changes(session, user_id=user_id, since=since, limit=query.limit)
            if page is None or (page.has_unnumbered and not is_numbered):
                return None
            return ok(_view(session, user_id, page))

        answer = await self._transactions.read(lambda session: read(session, is_numbered=False))
        if answer is None:
            await self._transactions.write(lambda session: number_changes(session, user_id=user_id))
            answer = await self._transactions.read(lambda session: read(session, is_numbered=True))
        if answer is None:
            raise Unauthenticated("the account is gone")
        answer.send(resp)


def _view(session: Session, user_id: UUID, page: ChangePage) -> ChangeList:
    """The page with what is there now. What went away after it was listed comes as a deletion in the next."""
    views = {
        **_categories(session, user_id, page.ids("category")),
        **_budgets(session, user_id, page.ids("budget")),
        **_recurring(session, user_id, page.ids("recurring_expense")),
        **_expenses(session, user_id, page.ids("expense")),
    }
    found = [_gone(change) if change.is_gone else views.get(change.id) for change in page.changes]
    items = [item for item in found if item is not None]
    return ChangeList(items, encode_cursor(page.next), page.has_more)


def _gone(change: Change) -> schemas.Change:
    return GONE[change.kind](change.id, True, None)


def _categories(session: Session, user_id: UUID, ids: list[UUID]) -> Views:
    found = categories_by_id(session, user_id=user_id, category_ids=ids)
    return {one.id: CategoryChange(one.id, False, CategoryOut.of(one)) for one in found}


def _budgets(session: Session, user_id: UUID, ids: list[UUID]) -> Views:
    found = budgets_by_id(session, user_id=user_id, budget_ids=ids)
    if not found:
        return {}
    figures = current_figures(session, found, today=local_today(session, user_id=user_id))
    return {
        budget.id: BudgetChange(budget.id, False, BudgetOut.of(budget, current))
        for budget, current in zip(found, figures, strict=True)
    }


def _recurring(session: Session, user_id: UUID, ids: list[UUID]) -> Views:
    found = recurring_by_id(session, user_id=user_id, ids=ids)
    awaiting = awaiting_of(session, found)
    return {one.id: RecurringChange(one.id, False, RecurringOut.of(one, awaiting[one.id])) for one in found}


def _expenses(session: Session, user_id: UUID, ids: list[UUID]) -> Views:
    found = expenses_by_id(session, user_id=user_id, expense_ids=ids)
    return {
        record.id: ExpenseChange(record.id, False, ExpenseOut.of(record))
        if record.deleted_at is None
        else ExpenseChange(record.id, True, None)
        for record in found
    }
