from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.pagination import cut_page, decode_cursor
from api.problems import InvalidParameter
from api.schemas.digests import (
    DigestFiguresOut,
    DigestListQuery,
    DigestOut,
    DigestPage,
    DigestPosition,
    PreviewQuery,
)
from core.errors import FieldError
from core.queries.digest_figures import EARLIEST_DIGEST, preview_figures
from core.queries.digests import list_digests, load_digest
from core.rules.periods import MAX_DAY

TAG = "Notifications"


class Digests:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=DigestListQuery, answers={200: DigestPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the digests that were sent, the newest first; they are kept for a year and a month."""
        query: DigestListQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, DigestPosition)

        def page(rows: Connection) -> Answer:
            found = list_digests(
                rows,
                user_id=user_id,
                before=None if position is None else (position.end, position.id),
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.period.end, one.id))
            return ok(DigestPage([DigestOut.of(one) for one in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)


class OneDigest:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: DigestOut})
    async def on_get(self, req: Request, resp: Response, digest_id: UUID) -> None:
        """Read a digest."""
        user_id = req.context.principal.user_id
        answer = await self._transactions.read_rows(
            lambda rows: ok(DigestOut.of(load_digest(rows, user_id=user_id, digest_id=digest_id)))
        )
        answer.send(resp)


class DigestPreview:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=PreviewQuery, answers={200: DigestFiguresOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """See the digest that would come on a day, without sending it."""
        query: PreviewQuery = req.context.query
        user_id = req.context.principal.user_id
        if query.on is not None and not EARLIEST_DIGEST <= query.on <= MAX_DAY:
            raise InvalidParameter(FieldError("on", f"must be between {EARLIEST_DIGEST} and {MAX_DAY}"))
        answer = await self._transactions.read_snapshot(
            lambda rows: ok(
                DigestFiguresOut.of(
                    preview_figures(rows, user_id=user_id, frequency=query.frequency, on=query.on)
                )
            )
        )
        answer.send(resp)
