from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.resources.groups import TAG
from api.schemas.group_activity import ActivityOut, ActivityPage, ActivityQuery
from core.queries.group_activity import list_activity
from core.queries.groups import open_group


class Activity:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=ActivityQuery, answers={200: ActivityPage})
    async def on_get(self, req: Request, resp: Response, group_id: UUID) -> None:
        """List who did what in a group, the newest first."""
        user_id = req.context.principal.user_id
        query: ActivityQuery = req.context.query
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            scope = open_group(rows, user_id=user_id, group_id=group_id)
            found = list_activity(
                rows,
                group_id=group_id,
                kind=query.kind,
                before=None if position is None else position[0],
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.id,))
            return ok(ActivityPage([ActivityOut.of(one, scope.members) for one in shown], cursor))

        (await self._transactions.read_snapshot(page)).send(resp)
