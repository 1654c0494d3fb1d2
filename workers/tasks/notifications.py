from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from celery import shared_task
from sqlalchemy import Row
from sqlalchemy.orm import Session

from core.job_names import DELIVER_NOTIFICATIONS
from core.log_context import request_ids_of
from core.logging import ALERT, get_logger
from core.notification_channel import channel_of, encode_published
from core.queries.notifications import numbered_notifications
from core.services.delivery_staging import stage_deliveries
from core.services.outbox import ClaimedRow
from workers.process import current_runtime
from workers.runtime import Runtime

MAX_AT_ONCE = 500
"""Notifications read and published at a time."""

TOLD = ("budget_id", "threshold", "group_id")
"""What of a notification stands in the log of alerts."""

alerts = get_logger(ALERT)


def apply_delivery(runtime: Runtime, session: Session, rows: Mapping[str, Sequence[ClaimedRow]]) -> None:
    """Publish users' new notifications to whoever listens, and have them sent on the other channels.

    They are published before the rows are deleted, so at least once; gateways drop a number that they have
    seen. Their deliveries are staged in the transaction that deletes the rows, so exactly once.
    """
    for ranges in _ranges(rows):
        with runtime.redis.pipeline(transaction=False) as pipeline:
            notifications = numbered_notifications(session, ranges)
            for notification in notifications:
                channel = channel_of(runtime.settings.redis_prefix, notification.user_id)
                request_ids = request_ids_of(str(notification.user_id))
                pipeline.publish(channel, encode_published(notification, request_ids))
            pipeline.execute()
        for notification in notifications:
            _tell(notification)
        stage_deliveries(session, notifications)


def _tell(notification: Row[Any]) -> None:
    """Ids only: what it says holds amounts and names."""
    about = {name: notification.data[name] for name in TOLD if name in notification.data}
    alerts.info(
        "notification.published",
        user_id=notification.user_id,
        seq=notification.seq,
        kind=notification.kind,
        request_ids=(request_ids_of(str(notification.user_id)) or "").split(),
        **about,
    )


def _ranges(rows: Mapping[str, Sequence[ClaimedRow]]) -> Iterator[list[tuple[UUID, int, int]]]:
    """The numbers that the rows ask for as `(user_id, first, last)`, `MAX_AT_ONCE` numbers at a time."""
    ranges: list[tuple[UUID, int, int]] = []
    room = MAX_AT_ONCE
    for key, of_user in rows.items():
        for begin, end in _merged((row.payload["seq"], row.payload["count"]) for row in of_user):
            first = begin
            while first < end:
                following = min(end, first + room)
                ranges.append((UUID(key), first, following - 1))
                room -= following - first
                first = following
                if not room:
                    yield ranges
                    ranges, room = [], MAX_AT_ONCE
    if ranges:
        yield ranges


def _merged(parts: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Parts `(first, count)` as `(first, end)`, those that follow upon each other as one."""
    merged: list[tuple[int, int]] = []
    for first, count in sorted(parts):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], first + count))
        else:
            merged.append((first, first + count))
    return merged


@shared_task(name=DELIVER_NOTIFICATIONS)
def deliver_notifications_task() -> None:
    current_runtime().drain(DELIVER_NOTIFICATIONS)
