"""Claiming what is due to be sent.

A claim leases deliveries in one transaction; they are sent with none open, and settled in another
(`core/services/delivery_settling.py`). Should the process die in between, they are due again after the lease:
each is sent at least once.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, bindparam, case, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import dialect_of
from core.ids import new_id
from core.logging import get_logger
from core.queries.deliveries import (
    CHANNELS,
    DELIVERIES,
    WAITING,
    due_deliveries,
    due_on_channel,
    quiet_hours_of,
)
from core.rules.deliveries import tried_since
from core.rules.messages import Message, Part, Receiver
from core.services.dialects import recordset

LEASE = timedelta(seconds=90)
"""A task is killed after a minute; whoever had the lease for longer has ended."""

REST = timedelta(seconds=60)
"""Between the beginnings of two mails, or pushes, to one receiver: what comes meanwhile shares the next."""

MAX_PARTS = 50
"""Notifications in one mail or push. Beyond, nobody would read on; the next message has the rest."""

POSTPONED = timedelta(hours=1)
"""Deliveries of which it cannot be told whether it is quiet are looked at again then."""

log = get_logger(__name__)

USER_OFF = "the account is not active"

LEASE_VALUES = {
    "attempts": DELIVERIES.c.attempts + 1,
    "available_at": bindparam("lease_end"),
    "attempted_at": bindparam("now"),
    "first_tried_at": bindparam("its_first_try"),
    "message_id": bindparam("its_message"),
}
LEASE_ONE = (
    update(DELIVERIES)
    .where(DELIVERIES.c.user_id == bindparam("owner"), DELIVERIES.c.id == bindparam("its_id"))
    .values(LEASE_VALUES)
)
_GIVEN = recordset(
    "rows",
    {
        "owner": DELIVERIES.c.user_id.type,
        "its_id": DELIVERIES.c.id.type,
        "its_message": DELIVERIES.c.id.type,
        "its_first_try": DELIVERIES.c.first_tried_at.type,
    },
)
LEASE_MANY = (
    update(DELIVERIES)
    .where(DELIVERIES.c.user_id == _GIVEN.c.owner, DELIVERIES.c.id == _GIVEN.c.its_id)
    .values({**LEASE_VALUES, "first_tried_at": _GIVEN.c.its_first_try, "message_id": _GIVEN.c.its_message})
)

LOCK_CHANNEL = (
    select(CHANNELS.c.state, CHANNELS.c.sent_at)
    .where(CHANNELS.c.user_id == bindparam("owner"), CHANNELS.c.id == bindparam("its_channel"))
    .with_for_update(skip_locked=True)
)
BEGIN_MESSAGE = (
    update(CHANNELS)
    .where(CHANNELS.c.user_id == bindparam("owner"), CHANNELS.c.id == bindparam("its_channel"))
    .values(sent_at=bindparam("now"))
)

Channel = tuple[UUID, UUID]
"""User and id."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Messages that are leased; how many due deliveries were looked at, and, if that were as many as may be,
    with which host to go on."""

    messages: Sequence[Message]
    looked_at: int
    next_host: str | None


def claim_messages(
    session: Session, *, first_host: str = "", full_hosts: Collection[str] = (), of_a_host: int, in_all: int
) -> Claim:
    """Lease what is due and may go out now; of each host, from `first_host` on, up to `of_a_host` deliveries.

    Deliveries of channels that are off are dead, those that it is too quiet for wait.
    """
    now = clock.now()
    found = due_deliveries(
        session, now=now, first_host=first_host, full_hosts=full_hosts, of_a_host=of_a_host, in_all=in_all
    )
    messages: list[Message] = []
    closed: dict[Channel, Row[Any]] = {}
    bundling: dict[Channel, Row[Any]] = {}
    for row in found:
        if row.channel_state != "active" or not row.is_active:
            closed.setdefault((row.user_id, row.channel_id), row)
        elif row.channel_kind == "webhook":
            messages.append(_message(row.id, row, [row], now))
        else:
            bundling.setdefault((row.user_id, row.channel_id), row)
    for row in closed.values():
        _bury(session, row, now)
    # In key order, though nobody waits for another one's channel here.
    for channel in sorted(bundling):
        try:
            messages += _bundle(session, bundling[channel], now)
        except (LookupError, ValueError, OverflowError):
            # A time zone that is not known any more, for instance: nobody else waits for that.
            log.exception("delivery.not_bundled", user_id=channel[0], channel_id=channel[1])
            session.execute(_due_of(bundling[channel], now).values(available_at=now + POSTPONED))
    _lease(session, messages, now)
    return Claim(messages, len(found), found[-1].host if len(found) == in_all else None)


def give_back(session: Session, messages: Iterable[Message], *, available_at: datetime | None = None) -> None:
    """Have leased messages that were not begun claimed by somebody else, now or then."""
    parts = [(message, part) for message in messages for part in message.parts]
    # Channels before deliveries, as everywhere.
    for owner, channel_id in sorted(
        {_key(message) for message, _ in parts if message.receiver.kind != "webhook"}
    ):
        session.execute(BEGIN_MESSAGE, {"owner": owner, "its_channel": channel_id, "now": None})
    for message, part in parts:
        session.execute(
            update(DELIVERIES)
            .where(
                DELIVERIES.c.user_id == message.receiver.user_id,
                DELIVERIES.c.id == part.delivery_id,
                DELIVERIES.c.attempts == part.attempts,
                DELIVERIES.c.state.in_(WAITING),
            )
            .values(
                available_at=available_at or clock.now(),
                # Where the round of attempts began with this lease, its first try is still to come.
                first_tried_at=case(
                    (DELIVERIES.c.first_tried_at == DELIVERIES.c.attempted_at, None),
                    else_=DELIVERIES.c.first_tried_at,
                ),
            )
        )


def _key(message: Message) -> Channel:
    return message.receiver.user_id, message.receiver.id


def _bury(session: Session, row: Row[Any], now: datetime) -> None:
    """What waits on a channel that is off is dead."""
    reason = USER_OFF
    if row.channel_state != "active":
        off = select(CHANNELS.c.off_reason).where(
            CHANNELS.c.user_id == row.user_id, CHANNELS.c.id == row.channel_id
        )
        reason = f"the channel is off: {session.scalar(off)}"
    session.execute(_due_of(row, now).values(state="dead", last_error=reason))


def _due_of(row: Row[Any], now: datetime) -> Any:
    return update(DELIVERIES).where(
        DELIVERIES.c.user_id == row.user_id,
        DELIVERIES.c.channel_id == row.channel_id,
        DELIVERIES.c.state.in_(WAITING),
        DELIVERIES.c.available_at <= now,
    )


def _bundle(session: Session, row: Row[Any], now: datetime) -> list[Message]:
    """The one message of all that is due on a channel; none if it rests, or somebody else is about it."""
    key = {"owner": row.user_id, "its_channel": row.channel_id}
    channel = session.execute(LOCK_CHANNEL, key).first()
    if channel is None or channel.state != "active":
        return []
    if channel.sent_at is not None and channel.sent_at <= now < channel.sent_at + REST:
        session.execute(_due_of(row, now).values(available_at=channel.sent_at + REST))
        return []
    due = due_on_channel(session, user_id=row.user_id, channel_id=row.channel_id, now=now, limit=MAX_PARTS)
    # What was begun is sent again as it was.
    begun = next((one.message_id for one in due if one.message_id is not None), None)
    if begun is not None:
        due = due_on_channel(
            session,
            user_id=row.user_id,
            channel_id=row.channel_id,
            now=now,
            limit=MAX_PARTS,
            message_id=begun,
        )
    due = _not_held_back(session, row.user_id, due, now, is_whole=begun is not None)
    if not due:
        return []
    session.execute(BEGIN_MESSAGE, {**key, "now": now})
    return [_message(begun or new_id(), row, due, now)]


def _not_held_back(
    session: Session, user_id: UUID, due: Sequence[Row[Any]], now: datetime, *, is_whole: bool
) -> Sequence[Row[Any]]:
    """What may go out at this hour; the rest waits for the end of the quiet hours.

    A message that was begun stays whole: it goes out if a part of it may.
    """
    hours = quiet_hours_of(session, user_id=user_id)
    end = None if hours is None else hours.end_after(now)
    if hours is None or end is None:
        return due
    passing = [one for one in due if hours.lets_pass(one.kind, one.data)]
    if passing and is_whole:
        return due
    kept = {one.id for one in passing}
    for one in due:
        if one.id not in kept:
            its_row = (DELIVERIES.c.user_id == user_id, DELIVERIES.c.id == one.id)
            session.execute(update(DELIVERIES).where(*its_row).values(available_at=end))
    return passing


def _message(message_id: UUID, of_channel: Row[Any], rows: Sequence[Row[Any]], now: datetime) -> Message:
    receiver = Receiver(
        of_channel.user_id,
        of_channel.channel_id,
        of_channel.channel_kind,
        of_channel.url,
        of_channel.secret_issue,
        of_channel.previous_secret_until,
        of_channel.oldest_issue,
    )
    parts = (
        Part(
            row.id,
            row.attempts + 1,
            tried_since(first_tried_at=row.first_tried_at, attempted_at=row.attempted_at, now=now),
            row.seq,
            row.kind,
            row.data,
            row.created_at,
        )
        for row in rows
    )
    return Message(message_id, of_channel.host, receiver, tuple(parts))


def _lease(session: Session, messages: Sequence[Message], now: datetime) -> None:
    rows = [
        {
            "owner": message.receiver.user_id,
            "its_id": part.delivery_id,
            "its_message": message.id,
            "its_first_try": part.first_tried_at,
        }
        for message in messages
        for part in message.parts
    ]
    if not rows:
        return
    common = {"now": now, "lease_end": now + LEASE}
    if dialect_of(session) == "postgresql":
        session.execute(LEASE_MANY, {**common, "rows": msgspec.json.encode(rows).decode()})
    else:
        session.execute(LEASE_ONE, [{**common, **row} for row in rows])
