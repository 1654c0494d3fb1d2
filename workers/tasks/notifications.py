from collections.abc import Sequence
from uuid import UUID

from celery import shared_task
from sqlalchemy.orm import Session

from core.job_names import DELIVER_NOTIFICATIONS
from core.notification_channel import channel_of, encode
from core.queries.notifications import notifications_after
from core.services.outbox import ClaimedRow
from workers.process import current_runtime
from workers.runtime import Runtime

PAGE = 500
"""Notifications read and published at a time."""


def apply_delivery(runtime: Runtime, session: Session, key: str, rows: Sequence[ClaimedRow]) -> None:
    """Publish a user's new notifications to whoever listens.

    They go out before the rows are deleted, so at least once; gateways drop a number that they have seen.
    """
    user_id = UUID(key)
    channel = channel_of(runtime.settings.redis_prefix, user_id)
    after = min(int(row.payload["seq"]) for row in rows) - 1
    while True:
        page = notifications_after(session, user_id=user_id, after=after, limit=PAGE)
        with runtime.redis.pipeline(transaction=False) as pipeline:
            for notification in page:
                pipeline.publish(channel, encode(notification))
            pipeline.execute()
        if len(page) < PAGE:
            return
        after = page[-1].seq


@shared_task(name=DELIVER_NOTIFICATIONS)
def deliver_notifications_task() -> None:
    current_runtime().drain(DELIVER_NOTIFICATIONS)
