import msgspec
from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.notifications import (
    NotificationOut,
    NotificationPage,
    NotificationPatch,
    NotificationQuery,
    ReadAllIn,
    ReadAllOut,
    Seq,
)
from core.queries.notifications import list_notifications
from core.services.notifications import mark_all_read, mark_read

TAG = "Notifications"


class Position(msgspec.Struct, array_like=True):
    """Behind which number the next page begins."""

    seq: Seq


class Notifications:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=NotificationQuery, answers={200: NotificationPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List notifications, the newest first; with `after` the oldest first."""
        query: NotificationQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, Position)
        is_forward = query.after is not None
        after = max(query.after, position.seq if position else 0) if query.after is not None else None

        def page(session: Session) -> Answer:
            found = list_notifications(
                session,
                user_id=user_id,
                is_unread=query.unread,
                kind=query.kind,
                before=position.seq if position and not is_forward else None,
                after=after,
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.seq,))
            return ok(NotificationPage([NotificationOut.of(one) for one in shown], cursor))

        (await self._transactions.read(page)).send(resp)


class OneNotification:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=NotificationPatch, answers={200: NotificationOut}, is_versioned=False)
    async def on_patch(self, req: Request, resp: Response, seq: int) -> None:
        """Mark a notification as read or unread."""
        user_id = req.context.principal.user_id
        is_read = req.context.json.is_read
        answer = await self._transactions.write(
            lambda session: ok(
                NotificationOut.of(mark_read(session, user_id=user_id, seq=seq, is_read=is_read))
            )
        )
        answer.send(resp)


class ReadAllNotifications:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=ReadAllIn, answers={200: ReadAllOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Mark all notifications as read, or those up to a number."""
        user_id = req.context.principal.user_id
        up_to = req.context.json.up_to

        def read_all(session: Session) -> Answer:
            return ok(ReadAllOut(mark_all_read(session, user_id=user_id, up_to=up_to)))

        (await self._transactions.post(req, user_id, read_all)).send(resp)
