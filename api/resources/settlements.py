from collections.abc import Callable
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.resources.debts import TAG
from api.schemas.settlements import SettlementIn, SettlementOut, SettlementPage, SettlementQuery
from core.database import Reader
from core.queries.groups import open_group
from core.queries.settlements import SettlementRecord, list_settlements, load_settlement
from core.services import settlements


class Settlements:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=SettlementIn, answers={201: SettlementOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID) -> None:
        """Record a payment between two members.

        It counts at once if its receiver records it or has no account, else when the receiver confirms it.
        """
        user_id = req.context.principal.user_id
        new = req.context.json.to_new_settlement()

        def record(session: Session) -> Answer:
            found = settlements.record_settlement(session, user_id=user_id, group_id=group_id, settlement=new)
            location = f"/v1/groups/{group_id}/settlements/{found.id}"
            return created(_view(session, user_id, found), location=location, version=found.version)

        (await self._transactions.post(req, user_id, record)).send(resp)

    @endpoint(TAG, query=SettlementQuery, answers={200: SettlementPage})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """List the settlements of a group, the newest first."""
        user_id = req.context.principal.user_id
        query: SettlementQuery = req.context.query
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            found = list_settlements(
                rows,
                group_id=group_id,
                state=query.state,
                member_id=query.member_id,
                before=None if position is None else position[0],
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.id,))
            return ok(SettlementPage([SettlementOut.of(one, scope.members) for one in shown], cursor))

        (await self._transactions.read_snapshot(page)).send(resp)


class OneSettlement:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: SettlementOut})
    async def on_get(self, req: Request, resp: Response, group_id: UUID, settlement_id: UUID) -> None:
        """Read a settlement."""
        user_id = req.context.principal.user_id

        def read(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            found = load_settlement(rows, group_id=group_id, settlement_id=settlement_id)
            return ok(SettlementOut.of(found, scope.members), version=found.version)

        (await self._transactions.read_snapshot(read)).send(resp)


class _Transition:
    """What brings a settlement into another state; done once more, it changes nothing."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    async def _send(
        self,
        req: Request,
        resp: Response,
        group_id: UUID,
        settlement_id: UUID,
        service: Callable[..., SettlementRecord],
    ) -> None:
        user_id = req.context.principal.user_id

        def move(session: Session) -> Answer:
            found = service(session, user_id=user_id, group_id=group_id, settlement_id=settlement_id)
            return ok(_view(session, user_id, found), version=found.version)

        (await self._transactions.post(req, user_id, move)).send(resp)


class SettlementConfirmation(_Transition):
    @endpoint(TAG, answers={200: SettlementOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID, settlement_id: UUID) -> None:
        """Confirm that one has received a payment."""
        await self._send(req, resp, group_id, settlement_id, settlements.confirm_settlement)


class SettlementDispute(_Transition):
    @endpoint(TAG, answers={200: SettlementOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID, settlement_id: UUID) -> None:
        """Say that there was no such payment; it counts no longer."""
        await self._send(req, resp, group_id, settlement_id, settlements.dispute_settlement)


class SettlementReversal(_Transition):
    @endpoint(TAG, answers={200: SettlementOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, group_id: UUID, settlement_id: UUID) -> None:
        """Take a payment back for good, or withdraw one that is pending."""
        await self._send(req, resp, group_id, settlement_id, settlements.reverse_settlement)


def _view(reader: Reader, user_id: UUID, record: SettlementRecord) -> SettlementOut:
    scope = open_group(reader, user_id=user_id, group_id=record.group_id)
    return SettlementOut.of(record, scope.members)
