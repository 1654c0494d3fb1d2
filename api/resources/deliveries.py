"""What webhooks and other channels have in common: their deliveries."""

from collections.abc import Callable, Collection
from uuid import UUID

from falcon.asgi import Request
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, ok
from api.pagination import cut_page, decode_cursor
from api.problems import InvalidParameter
from api.schemas.channels import DeliveryOut, DeliveryPage, DeliveryQuery
from api.schemas.notifications import MAX_SEQ
from core.errors import FieldError
from core.queries.channels import load_channel
from core.queries.deliveries import list_deliveries
from core.rules.notification_kinds import ChannelKind
from core.services.deliveries import retry_delivery


def delivery_page(
    req: Request, *, channel_id: UUID, kinds: Collection[ChannelKind]
) -> Callable[[Connection], Answer]:
    """The query for a page of a channel's deliveries, as the request asks for it."""
    query: DeliveryQuery = req.context.query
    user_id = req.context.principal.user_id
    position = decode_cursor(query.cursor, tuple[int])
    if position is not None and not 0 < position[0] <= MAX_SEQ:
        raise InvalidParameter(FieldError("cursor", "not one that this list has given"))

    def page(rows: Connection) -> Answer:
        load_channel(rows, user_id=user_id, channel_id=channel_id, kinds=kinds)
        found = list_deliveries(
            rows,
            user_id=user_id,
            channel_id=channel_id,
            state=query.state,
            before=None if position is None else position[0],
            limit=query.limit + 1,
        )
        shown, cursor = cut_page(found, limit=query.limit, position=lambda delivery: (delivery.seq,))
        return ok(DeliveryPage([DeliveryOut.of(delivery) for delivery in shown], cursor))

    return page


def retried(
    req: Request, *, channel_id: UUID, delivery_id: UUID, kinds: Collection[ChannelKind]
) -> Callable[[Session], Answer]:
    """The write that has a delivery tried again."""
    user_id = req.context.principal.user_id

    def retry(session: Session) -> Answer:
        load_channel(session, user_id=user_id, channel_id=channel_id, kinds=kinds)
        delivery = retry_delivery(session, user_id=user_id, channel_id=channel_id, delivery_id=delivery_id)
        return ok(DeliveryOut.of(delivery))

    return retry
