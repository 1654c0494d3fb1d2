from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, encoder, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import InvalidParameter
from api.schemas.debts import (
    BalancesOut,
    DebtList,
    DebtOut,
    DebtQuery,
    MyDebtsOut,
    PlanOut,
    ReminderIn,
    ReminderOut,
)
from api.schemas.explanations import FairShares
from core.errors import FieldError
from core.queries.debts import debts_of_user, group_debts, group_plans
from core.queries.explanations import MAX_EXPLAINED_DEBTS, explain_debts
from core.queries.groups import open_group
from core.queries.ledger import count_waiting, group_balances
from core.services.reminders import remind

TAG = "Debts and settlements"


class Balances:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: BalancesOut})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Show what the members of a group are owed and owe in all."""
        user_id = req.context.principal.user_id

        def balances(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            waiting = count_waiting(rows, group_id=group_id)
            return ok(BalancesOut.of(group_balances(rows, group_id=group_id), scope.members, waiting))

        (await self._transactions.read_snapshot(balances)).send(resp)


class GroupDebts:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=DebtQuery, answers={200: DebtList})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """List who owes whom in a group, and why."""
        user_id = req.context.principal.user_id
        query: DebtQuery = req.context.query

        def debts(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            is_simplified = scope.group.simplify_debts if query.simplified is None else query.simplified
            found = group_debts(rows, group_id=group_id, is_simplified=is_simplified)
            if query.member_id is not None:
                found = [debt for debt in found if query.member_id in (debt.from_id, debt.to_id)]
            items = [DebtOut.of(debt, scope.members) for debt in found]
            if not query.explain:
                return ok(DebtList(items))
            if len(found) > MAX_EXPLAINED_DEBTS:
                reason = f"there are {len(found)} debts; ask with `member_id` for those of one member"
                raise InvalidParameter(FieldError("explain", reason))
            why = explain_debts(rows, group_id=group_id, debts=found, is_simplified=is_simplified)
            fair_shares = FairShares()
            for item, debt, explanation in zip(items, found, why, strict=True):
                item.explain(debt, explanation, fair_shares)
            return ok(DebtList(items))

        (await self._transactions.read_snapshot(debts)).send(resp)


class SettlementPlan:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: PlanOut})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Propose the fewest payments that clear all balances of a group."""
        user_id = req.context.principal.user_id

        def plan(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            return ok(PlanOut.of(group_plans(rows, group_id=group_id), scope.members))

        (await self._transactions.read_snapshot(plan)).send(resp)


class DebtReminder:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=ReminderIn, answers={202: ReminderOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Remind a member of what they owe one, at most once a day."""
        user_id = req.context.principal.user_id
        member_id = req.context.json.member_id

        def send_reminder(session: Session) -> Answer:
            reminder = remind(session, user_id=user_id, group_id=group_id, member_id=member_id)
            return Answer(202, encoder.encode(ReminderOut.of(reminder, member_id)))

        (await self._transactions.post(req, user_id, send_reminder)).send(resp)


class MyDebts:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: MyDebtsOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Show what one owes and is owed in all one's groups."""
        user_id = req.context.principal.user_id
        debts = await self._transactions.read_snapshot(lambda rows: debts_of_user(rows, user_id=user_id))
        ok(MyDebtsOut.of(debts)).send(resp)
