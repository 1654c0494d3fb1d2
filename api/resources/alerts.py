from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.resources.budgets import TAG
from api.schemas.budgets import AlertOut, AlertPage, AlertQuery
from core.queries.alerts import list_alerts


class Alerts:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=AlertQuery, answers={200: AlertPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List alerts, the newest first."""
        query: AlertQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(session: Session) -> Answer:
            found = list_alerts(
                session,
                user_id=user_id,
                budget_id=query.budget_id,
                state=query.state,
                before=None if position is None else position[0],
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda alert: (alert.id,))
            return ok(AlertPage([AlertOut.of(alert) for alert in shown], cursor))

        (await self._transactions.read(page)).send(resp)
