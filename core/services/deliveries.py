"""Deliveries that their user wants tried again, and those that are too old to be of interest."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound
from core.job_names import SEND_DELIVERIES
from core.queries.deliveries import CHANNELS, DELIVERIES, DeliveryRecord, load_delivery
from core.services.delivery_claims import LEASE
from core.services.outbox import wake_for
from core.services.purging import delete_some

KEPT = timedelta(days=90)
"""Deliveries that are over."""


def retry_delivery(session: Session, *, user_id: UUID, channel_id: UUID, delivery_id: UUID) -> DeliveryRecord:
    """Have a delivery that failed or is dead sent at once, with a new round of attempts.

    Raises:
        NotFound
        Conflict: it is sent already, waits for its first try, or is being sent at this moment; or the
            channel is off.
    """
    row = session.execute(
        select(
            DELIVERIES.c.state,
            DELIVERIES.c.attempted_at,
            DELIVERIES.c.available_at,
            CHANNELS.c.state.label("channel_state"),
        )
        .join(
            CHANNELS,
            (CHANNELS.c.user_id == DELIVERIES.c.user_id) & (CHANNELS.c.id == DELIVERIES.c.channel_id),
        )
        .where(
            DELIVERIES.c.user_id == user_id,
            DELIVERIES.c.channel_id == channel_id,
            DELIVERIES.c.id == delivery_id,
        )
        .with_for_update(of=DELIVERIES)
    ).first()
    if row is None:
        raise NotFound("no such delivery")
    if row.state not in ("failed", "dead"):
        raise Conflict(f"only what has failed can be retried; this delivery is {row.state}")
    if row.channel_state != "active":
        # A courier would only bury it again.
        raise Conflict("the channel is off: switch it on first")
    now = clock.now()
    is_leased = row.attempted_at is not None and row.available_at == row.attempted_at + LEASE
    if row.state == "failed" and is_leased and row.available_at > now:
        raise Conflict("the delivery is being sent at this moment")
    session.execute(
        update(DELIVERIES)
        .where(DELIVERIES.c.user_id == user_id, DELIVERIES.c.id == delivery_id)
        .values(state="pending", available_at=now, first_tried_at=None, message_id=None)
    )
    wake_for(session, SEND_DELIVERIES)
    return load_delivery(session, user_id=user_id, channel_id=channel_id, delivery_id=delivery_id)


def purge_deliveries(session: Session) -> int:
    """Delete some of the old ones that are over; answers how many."""
    is_over = DELIVERIES.c.state.in_(("sent", "dead"))
    return delete_some(session, DELIVERIES, is_over, DELIVERIES.c.created_at < clock.now() - KEPT)
