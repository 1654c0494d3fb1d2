from collections.abc import Mapping, Sequence
from itertools import islice
from uuid import UUID

from celery import shared_task
from sqlalchemy.orm import Session

from core.job_names import DELIVER_NOTIFICATIONS
from core.notification_channel import channel_of, encode
from core.queries.notifications import numbered_notifications
from core.services.outbox import ClaimedRow
from workers.process import current_runtime
from workers.runtime import Runtime

PAGE = 500
"""Notifications read and published at a time."""


def apply_delivery(runtime: Runtime, session: Session, rows: Mapping[str, Sequence[ClaimedRow]]) -> None:
    """Publish users' new notifications to whoever listens.

    They go out before the rows are deleted, so at least once; gateways drop a number that they have seen.
    """
    numbers = iter(
        [
            (UUID(key), int(row.payload["seq"]) + further)
            for key, of_user in rows.items()
            for row in of_user
            for further in range(row.payload["count"])
        ]
    )
    while page := list(islice(numbers, PAGE)):
        with runtime.redis.pipeline(transaction=False) as pipeline:
            for notification in numbered_notifications(session, page):
                channel = channel_of(runtime.settings.redis_prefix, notification.user_id)
                pipeline.publish(channel, encode(notification))
            pipeline.execute()


@shared_task(name=DELIVER_NOTIFICATIONS)
def deliver_notifications_task() -> None:
    current_runtime().drain(DELIVER_NOTIFICATIONS)
