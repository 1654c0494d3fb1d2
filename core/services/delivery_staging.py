"""Where a notification becomes deliveries: one for each channel that takes its kind."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.orm import Session

from core import clock
from core.ids import new_id
from core.job_names import SEND_DELIVERIES
from core.models import Delivery, table_of
from core.queries.channels import OpenChannel, open_channels
from core.services.dialects import insert_into
from core.services.outbox import wake_for

DELIVERIES = table_of(Delivery)

ROWS_AT_ONCE = 1_000
"""Rows a statement: parameters are limited."""


def stage_deliveries(session: Session, notifications: Iterable[Row[Any]]) -> int:
    """Have notifications sent on their users' channels once this transaction has committed.

    Of a notification that was staged before nothing is staged again. Answers how many deliveries there are.
    """
    notifications = list(notifications)
    channels: defaultdict[UUID, list[OpenChannel]] = defaultdict(list)
    for channel in open_channels(session, user_ids={one.user_id for one in notifications}):
        channels[channel.user_id].append(channel)
    now = clock.now()
    rows = [
        {
            "user_id": one.user_id,
            "id": new_id(),
            "channel_id": channel.id,
            "seq": one.seq,
            "state": "pending",
            "host": channel.host,
            "attempts": 0,
            "available_at": now,
            "created_at": now,
        }
        for one in notifications
        for channel in channels[one.user_id]
        if channel.takes(one.kind)
    ]
    for start in range(0, len(rows), ROWS_AT_ONCE):
        session.execute(
            insert_into(session, DELIVERIES)
            .values(rows[start : start + ROWS_AT_ONCE])
            .on_conflict_do_nothing(index_elements=["user_id", "channel_id", "seq"])
        )
    if rows:
        wake_for(session, SEND_DELIVERIES)
    return len(rows)
