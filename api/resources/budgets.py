from collections.abc import Sequence
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.budgets import (
    BudgetIn,
    BudgetOut,
    BudgetPage,
    BudgetPatch,
    BudgetQuery,
    FiguresOut,
    History,
    HistoryQuery,
)
from api.schemas.common import amount_text
from core.database import Reader
from core.queries.budget_figures import current_figures, past_figures
from core.queries.budgets import BudgetRecord, list_budgets, load_budget
from core.queries.users import local_today
from core.services import budgets

TAG = "Budgets and alerts"


class Budgets:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=BudgetIn, answers={201: BudgetOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Set a budget."""
        user_id = req.context.principal.user_id
        given: BudgetIn = req.context.json
        new = budgets.NewBudget(
            name=given.name,
            amount=amount_text(given.amount),
            currency=given.currency,
            period=given.period.to_input(),
            category_ids=given.category_ids,
            thresholds=given.thresholds,
            rollover=given.rollover,
            has_pace_alert=given.pace_alert,
        )

        def set_budget(session: Session) -> Answer:
            budget = budgets.set_budget(session, user_id=user_id, budget=new)
            view = _views(session, user_id, [budget])[0]
            return created(view, location=f"/v1/budgets/{budget.id}", version=budget.version)

        (await self._transactions.post(req, user_id, set_budget)).send(resp)

    @endpoint(TAG, query=BudgetQuery, answers={200: BudgetPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List budgets with the figures of their current periods, the oldest first."""
        query: BudgetQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            found = [
                budget
                for budget in list_budgets(rows, user_id=user_id, is_archived=query.archived)
                if position is None or budget.id > position[0]
            ]
            shown, cursor = cut_page(found, limit=query.limit, position=lambda budget: (budget.id,))
            return ok(BudgetPage(_views(rows, user_id, shown), cursor))

        (await self._transactions.read_rows(page)).send(resp)


class OneBudget:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: BudgetOut})
    async def on_get(self, req: Request, resp: Response, budget_id: UUID) -> None:
        """Read a budget with the figures of its current period."""
        user_id = req.context.principal.user_id
        answer = await self._transactions.read_rows(
            lambda rows: _answer(rows, load_budget(rows, user_id=user_id, budget_id=budget_id))
        )
        answer.send(resp)

    @endpoint(TAG, json=BudgetPatch, answers={200: BudgetOut})
    async def on_patch(self, req: Request, resp: Response, budget_id: UUID) -> None:
        """Change a budget.

        A new amount holds from the running period on; past periods keep theirs.
        """
        user_id = req.context.principal.user_id
        changes = req.context.json.to_changes()

        def change(session: Session) -> Answer:
            budget = budgets.change_budget(
                session,
                user_id=user_id,
                budget_id=budget_id,
                changes=changes,
                expected_versions=expected_versions(req),
            )
            return _answer(session, budget)

        (await self._transactions.write(change)).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, budget_id: UUID) -> None:
        """Delete a budget with its alerts."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: budgets.delete_budget(
                session, user_id=user_id, budget_id=budget_id, expected_versions=expected_versions(req)
            )
        )
        no_content().send(resp)


class BudgetArchive:
    def __init__(self, collaborators: Collaborators, *, is_archived: bool) -> None:
        self._transactions = collaborators.transactions
        self._is_archived = is_archived

    @endpoint(TAG, answers={200: BudgetOut})
    async def on_post(self, req: Request, resp: Response, budget_id: UUID) -> None:
        """Take a budget out of use, with its history, or back into it."""
        user_id = req.context.principal.user_id

        def archive(session: Session) -> Answer:
            budget = budgets.archive_budget(
                session, user_id=user_id, budget_id=budget_id, is_archived=self._is_archived
            )
            return _answer(session, budget)

        (await self._transactions.post(req, user_id, archive)).send(resp)


class BudgetHistory:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=HistoryQuery, answers={200: History})
    async def on_get(self, req: Request, resp: Response, budget_id: UUID) -> None:
        """List the budget's past periods, the newest first."""
        user_id = req.context.principal.user_id
        count = req.context.query.periods

        def history(rows: Connection) -> Answer:
            budget = load_budget(rows, user_id=user_id, budget_id=budget_id)
            past = past_figures(rows, budget, today=local_today(rows, user_id=user_id), count=count)
            return ok(History([FiguresOut.of(figures, budget.currency) for figures in past]))

        (await self._transactions.read_rows(history)).send(resp)


def _answer(reader: Reader, budget: BudgetRecord) -> Answer:
    return ok(_views(reader, budget.user_id, [budget])[0], version=budget.version)


def _views(reader: Reader, user_id: UUID, records: Sequence[BudgetRecord]) -> list[BudgetOut]:
    if not records:
        return []
    today = local_today(reader, user_id=user_id)
    figures = current_figures(reader, records, today=today)
    return [BudgetOut.of(record, one) for record, one in zip(records, figures, strict=True)]
