from datetime import date
from typing import Annotated, Any
from uuid import UUID

from falcon.asgi import Request, Response
from msgspec import Meta
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.audit import take_entry
from api.collaborators import Collaborators
from api.expense_writer import ExpenseToWrite
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.problems import InvalidParameter
from api.schemas.expenses import (
    BulkIn,
    BulkOut,
    ExpenseIn,
    ExpenseOut,
    ExpensePage,
    ExpensePatch,
    ExpenseQuery,
)
from core.errors import FieldError, InvalidInput
from core.queries.expenses import Sort, list_expenses, load_expense, sort_value
from core.services import expenses

TAG = "Expenses"

MAX_SORT_VALUE = 2**62
"""A forged cursor must not reach the database with what it cannot hold."""

CURSORS: dict[str, Any] = {
    "spent_on": tuple[Sort, date, UUID],
    "amount": tuple[Sort, Annotated[int, Meta(ge=-MAX_SORT_VALUE, le=MAX_SORT_VALUE)], UUID],
    "created_at": tuple[Sort, UUID, UUID],
}


class Expenses:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._writer = collaborators.expense_writer

    @endpoint(TAG, json=ExpenseIn, answers={201: ExpenseOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Record an expense."""
        user_id = req.context.principal.user_id
        given: ExpenseIn = req.context.json
        request = self._transactions.keyed_request(req, user_id)
        item = ExpenseToWrite(given.to_input(user_id), request, take_entry(), req.context.request_id)
        answer = await self._writer.submit(item)
        answer.send(resp)

    @endpoint(TAG, query=ExpenseQuery, answers={200: ExpensePage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List expenses, the newest first."""
        query: ExpenseQuery = req.context.query
        user_id = req.context.principal.user_id
        filters = query.to_filter(is_in_trash=query.in_trash)
        after = _position(query)

        def page(rows: Connection) -> Answer:
            found = list_expenses(
                rows, user_id=user_id, filters=filters, sort=query.sort, after=after, limit=query.limit + 1
            )
            shown, cursor = cut_page(
                found,
                limit=query.limit,
                position=lambda last: (query.sort, sort_value(last, query.sort), last.id),
            )
            return ok(ExpensePage([ExpenseOut.of(record) for record in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)


class ExpensesBulk:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=BulkIn, answers={201: BulkOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Record up to 1,000 expenses: all of them or none."""
        user_id = req.context.principal.user_id
        inputs = [item.to_input(user_id) for item in req.context.json.items]

        def record(session: Session) -> Answer:
            try:
                records = expenses.record_expenses(session, items=inputs)
            except InvalidInput as error:
                raise error.below("/items") from error
            return created(BulkOut([ExpenseOut.of(record) for record in records]))

        (await self._transactions.post(req, user_id, record)).send(resp)


class OneExpense:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: ExpenseOut})
    async def on_get(self, req: Request, resp: Response, expense_id: UUID) -> None:
        """Read an expense."""
        user_id = req.context.principal.user_id
        record = await self._transactions.read_rows(
            lambda rows: load_expense(rows, user_id=user_id, expense_id=expense_id)
        )
        ok(ExpenseOut.of(record), version=record.version).send(resp)

    @endpoint(TAG, json=ExpensePatch, answers={200: ExpenseOut})
    async def on_patch(self, req: Request, resp: Response, expense_id: UUID) -> None:
        """Change an expense."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()
        record = await self._transactions.write(
            lambda session: expenses.revise_expense(
                session,
                user_id=user_id,
                expense_id=expense_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
        )
        ok(ExpenseOut.of(record), version=record.version).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, expense_id: UUID) -> None:
        """Move an expense to the trash, for 30 days."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: expenses.delete_expense(
                session, user_id=user_id, expense_id=expense_id, expected_versions=expected_versions(req)
            )
        )
        no_content().send(resp)


class ExpenseRestoration:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: ExpenseOut})
    async def on_post(self, req: Request, resp: Response, expense_id: UUID) -> None:
        """Bring an expense back from the trash."""
        user_id = req.context.principal.user_id

        def restore(session: Session) -> Answer:
            record = expenses.restore_expense(session, user_id=user_id, expense_id=expense_id)
            return ok(ExpenseOut.of(record), version=record.version)

        (await self._transactions.post(req, user_id, restore)).send(resp)


def _position(query: ExpenseQuery) -> tuple[Any, UUID] | None:
    position = decode_cursor(query.cursor, CURSORS[query.sort.removeprefix("-")])
    if position is None:
        return None
    sort, value, expense_id = position
    if sort != query.sort:
        raise InvalidParameter(FieldError("cursor", "belongs to a list that is sorted in another way"))
    return value, expense_id
