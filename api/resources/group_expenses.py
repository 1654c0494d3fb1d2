from datetime import date
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.group_expenses import (
    GroupExpenseIn,
    GroupExpenseOut,
    GroupExpensePage,
    GroupExpensePatch,
    GroupExpenseQuery,
)
from core.queries.group_expenses import GroupExpenseFilter, list_group_expenses, load_group_expense
from core.queries.groups import open_group
from core.services import group_expenses

TAG = "Groups"


class GroupExpenses:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=GroupExpenseIn, answers={201: GroupExpenseOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Record an expense of the group; its shares are known at once, the balances follow."""
        user_id = req.context.principal.user_id
        expense = req.context.json.to_input()

        def record(session: Session) -> Answer:
            recorded = group_expenses.record_group_expense(
                session, user_id=user_id, group_id=group_id, expense=expense
            )
            location = f"/v1/groups/{group_id}/expenses/{recorded.id}"
            return created(GroupExpenseOut.of(recorded), location=location, version=recorded.version)

        (await self._transactions.post(req, user_id, record)).send(resp)

    @endpoint(TAG, query=GroupExpenseQuery, answers={200: GroupExpensePage})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """List the group's expenses, the newest first."""
        query: GroupExpenseQuery = req.context.query
        user_id = req.context.principal.user_id
        before = decode_cursor(query.cursor, tuple[date, UUID])
        filters = GroupExpenseFilter(
            from_day=query.from_day, to_day=query.to_day, currency=query.currency, category=query.category
        )

        def page(rows: Connection) -> Answer:
            open_group(rows, user_id=user_id, group_id=group_id)
            found = list_group_expenses(
                rows, group_id=group_id, filters=filters, before=before, limit=query.limit + 1
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda last: (last.spent_on, last.id))
            return ok(GroupExpensePage([GroupExpenseOut.of(record) for record in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)


class OneGroupExpense:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: GroupExpenseOut})
    async def on_get(self, req: Request, resp: Response, group_id: UUID, group_expense_id: UUID) -> None:
        """Read an expense of the group."""
        user_id = req.context.principal.user_id

        def read(rows: Connection) -> Answer:
            open_group(rows, user_id=user_id, group_id=group_id)
            record = load_group_expense(rows, group_id=group_id, expense_id=group_expense_id)
            return ok(GroupExpenseOut.of(record), version=record.version)

        (await self._transactions.read_rows(read)).send(resp)

    @endpoint(TAG, json=GroupExpensePatch, answers={200: GroupExpenseOut}, problems=(403,))
    async def on_patch(self, req: Request, resp: Response, group_id: UUID, group_expense_id: UUID) -> None:
        """Change an expense of the group, whoever has written it."""
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()
        record = await self._transactions.write(
            lambda session: group_expenses.revise_group_expense(
                session,
                user_id=user_id,
                group_id=group_id,
                expense_id=group_expense_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
        )
        ok(GroupExpenseOut.of(record), version=record.version).send(resp)

    @endpoint(TAG, answers={204: None}, problems=(403,))
    async def on_delete(self, req: Request, resp: Response, group_id: UUID, group_expense_id: UUID) -> None:
        """Delete an expense of the group, whoever has written it."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: group_expenses.delete_group_expense(
                session,
                user_id=user_id,
                group_id=group_id,
                expense_id=group_expense_id,
                expected_versions=expected_versions(req),
            )
        )
        no_content().send(resp)
