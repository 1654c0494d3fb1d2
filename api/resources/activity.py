from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.administration import AccountActivityOut, AccountActivityPage, AccountActivityQuery
from core.queries.audit import list_activity

TAG = "Accounts"


class MyActivity:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=AccountActivityQuery, answers={200: AccountActivityPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List what was done in the own account, by whom and from where, the newest first."""
        query: AccountActivityQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[int])

        def page(session: Session) -> Answer:
            before = None if position is None else position[0]
            found = list_activity(session, user_id=user_id, before=before, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda event: (event.seq,))
            return ok(AccountActivityPage([AccountActivityOut.of(event) for event in shown], cursor))

        (await self._transactions.read(page)).send(resp)
