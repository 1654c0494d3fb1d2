"""Reading deliveries: what is due, for who sends it, and what has become of them, for their user."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, bindparam, column, exists, select, text
from sqlalchemy.orm import Session

from core.database import Reader, dialect_of
from core.errors import NotFound
from core.models import Channel, Delivery, Notification, NotificationSettings, User, table_of
from core.models.base import JsonDocument, UtcDateTime
from core.rules.quiet_hours import QuietHours

CHANNELS = table_of(Channel)
DELIVERIES = table_of(Delivery)
NOTIFICATIONS = table_of(Notification)
SETTINGS = table_of(NotificationSettings)
USERS = table_of(User)

WAITING = ("pending", "failed")

# The states stand in the statement: only then is the partial index known to hold all of them.
IS_WAITING = text("deliveries.state IN ('pending', 'failed')")

HOSTS = """
WITH RECURSIVE hosts(host) AS (
  SELECT min(d.host) FROM deliveries d WHERE d.state IN ('pending', 'failed') AND d.host >= :first_host
  UNION ALL
  SELECT (
    SELECT min(d.host) FROM deliveries d WHERE d.state IN ('pending', 'failed') AND d.host > hosts.host
  ) FROM hosts WHERE hosts.host IS NOT NULL
)
"""
"""Each host that something waits for, by one look into the index for each."""

COLUMNS = """
SELECT due.user_id, due.id, due.channel_id, due.seq, due.attempts, due.attempted_at, due.first_tried_at,
  due.host,
  c.kind AS channel_kind, c.state AS channel_state, c.name AS channel_name, c.url, c.secret_issue,
  c.previous_secret_until, c.oldest_issue, u.is_active, n.kind, n.data, n.created_at
"""
JOINS = """
JOIN channels c ON c.user_id = due.user_id AND c.id = due.channel_id
JOIN users u ON u.id = due.user_id
JOIN notifications n ON n.user_id = due.user_id AND n.seq = due.seq
"""
OF_A_HOST = """
FROM deliveries d WHERE d.host = hosts.host AND d.state IN ('pending', 'failed') AND d.available_at <= :now
ORDER BY d.available_at LIMIT :of_a_host
"""

DUE_STATEMENTS = {
    # Apart, so that it is over when there are enough, in whatever order the rest is joined.
    "postgresql": f"""
{HOSTS}, due AS MATERIALIZED (
  SELECT found.* FROM hosts CROSS JOIN LATERAL (SELECT d.* {OF_A_HOST} FOR UPDATE SKIP LOCKED) found
  WHERE hosts.host NOT IN (SELECT jsonb_array_elements_text(CAST(:full_hosts AS jsonb)))
  LIMIT :in_all
)
{COLUMNS}
FROM due {JOINS}
ORDER BY due.host, due.available_at
""",  # noqa: S608 - made of constants
    # Its writers take turns, so there is nothing to lock.
    "sqlite": f"""
{HOSTS}{COLUMNS}
FROM hosts CROSS JOIN deliveries due ON due.rowid IN (SELECT d.rowid {OF_A_HOST}) {JOINS}
WHERE hosts.host NOT IN (SELECT value FROM json_each(:full_hosts))
LIMIT :in_all
""",  # noqa: S608 - made of constants
}
"""The oldest ones of each host, so that nobody waits behind another one's many."""


def _due_statement(statement: str) -> Any:
    types = {
        "user_id": DELIVERIES.c.user_id.type,
        "id": DELIVERIES.c.id.type,
        "channel_id": DELIVERIES.c.channel_id.type,
        "attempted_at": UtcDateTime,
        "first_tried_at": UtcDateTime,
        "previous_secret_until": UtcDateTime,
        "is_active": USERS.c.is_active.type,
        "data": JsonDocument,
        "created_at": UtcDateTime,
    }
    names = (
        "user_id", "id", "channel_id", "seq", "attempts", "attempted_at", "first_tried_at", "host",
        "channel_kind", "channel_state", "channel_name", "url", "secret_issue", "previous_secret_until",
        "oldest_issue", "is_active", "kind", "data", "created_at",
    )  # fmt: skip
    bound = text(statement).bindparams(bindparam("now", type_=UtcDateTime))
    return bound.columns(*(column(name, types.get(name)) for name in names))


DUE: dict[str, Any] = {dialect: _due_statement(statement) for dialect, statement in DUE_STATEMENTS.items()}

IS_ANY_DUE: Any = text(
    f"""
{HOSTS}
SELECT EXISTS (
  SELECT 1 FROM hosts WHERE hosts.host NOT IN (SELECT value FROM json_each(:full_hosts)) AND EXISTS (
    SELECT 1 FROM deliveries d
    WHERE d.host = hosts.host AND d.state IN ('pending', 'failed') AND d.available_at <= :now
  )
)
"""  # noqa: S608 - made of constants
).bindparams(bindparam("now", type_=UtcDateTime))
"""For SQLite, in whose words it is."""

OF_CHANNEL = (
    select(
        DELIVERIES.c.user_id,
        DELIVERIES.c.id,
        DELIVERIES.c.channel_id,
        DELIVERIES.c.seq,
        DELIVERIES.c.attempts,
        DELIVERIES.c.attempted_at,
        DELIVERIES.c.first_tried_at,
        DELIVERIES.c.message_id,
        NOTIFICATIONS.c.kind,
        NOTIFICATIONS.c.data,
        NOTIFICATIONS.c.created_at,
    )
    .join(
        NOTIFICATIONS,
        (NOTIFICATIONS.c.user_id == DELIVERIES.c.user_id) & (NOTIFICATIONS.c.seq == DELIVERIES.c.seq),
    )
    .where(
        DELIVERIES.c.user_id == bindparam("owner"),
        DELIVERIES.c.channel_id == bindparam("its_channel"),
        IS_WAITING,
        DELIVERIES.c.available_at <= bindparam("now"),
    )
    .order_by(DELIVERIES.c.seq)
    .limit(bindparam("most", type_=DELIVERIES.c.attempts.type))
    .with_for_update(of=DELIVERIES, skip_locked=True)
)
QUIET = (
    select(USERS.c.timezone, SETTINGS.c.quiet_from, SETTINGS.c.quiet_to, SETTINGS.c.lets_exceeded_pass)
    .join(SETTINGS, SETTINGS.c.user_id == USERS.c.id)
    .where(USERS.c.id == bindparam("owner"), SETTINGS.c.quiet_from.is_not(None))
)


def due_deliveries(
    session: Session,
    *,
    now: datetime,
    first_host: str,
    full_hosts: Collection[str],
    of_a_host: int,
    in_all: int,
) -> Sequence[Row[Any]]:
    """What is due, locked until the transaction ends, with its notification and channel.

    Of each host in their order from `first_host` on, but for the `full_hosts`, the oldest `of_a_host`; what
    others hold is skipped.
    """
    parameters = {
        "now": now,
        "first_host": first_host,
        "full_hosts": msgspec.json.encode(list(full_hosts)).decode(),
        "of_a_host": of_a_host,
        "in_all": in_all,
    }
    return session.execute(DUE[dialect_of(session)], parameters).all()


def is_any_due(session: Reader, *, now: datetime, first_host: str, full_hosts: Collection[str]) -> bool:
    """Whether `due_deliveries` would find any, without its locks; on SQLite only."""
    parameters = {
        "now": now,
        "first_host": first_host,
        "full_hosts": msgspec.json.encode(list(full_hosts)).decode(),
    }
    return bool(session.execute(IS_ANY_DUE, parameters).scalar())


def due_on_channel(
    session: Session,
    *,
    user_id: UUID,
    channel_id: UUID,
    now: datetime,
    limit: int,
    message_id: UUID | None = None,
) -> Sequence[Row[Any]]:
    """What is due on a channel, or of one of its messages, by number, locked until the transaction ends."""
    query = OF_CHANNEL if message_id is None else OF_CHANNEL.where(DELIVERIES.c.message_id == message_id)
    parameters = {"owner": user_id, "its_channel": channel_id, "now": now, "most": limit}
    found: Any = session.execute(query, parameters).all()
    return list(found)


def quiet_hours_of(session: Reader, *, user_id: UUID) -> QuietHours | None:
    """When the user wants no mails and pushes; None: never."""
    row = session.execute(QUIET, {"owner": user_id}).first()
    return None if row is None else QuietHours(*row)


def has_got_through(session: Session, *, user_id: UUID, channel_id: UUID, since: datetime) -> bool:
    """Whether anything has been sent on the channel since then."""
    sent = exists().where(
        DELIVERIES.c.user_id == user_id,
        DELIVERIES.c.channel_id == channel_id,
        DELIVERIES.c.state == "sent",
        DELIVERIES.c.sent_at > since,
    )
    return bool(session.scalar(select(sent)))


class DeliveryRecord(msgspec.Struct, frozen=True):
    """A delivery as its user sees it."""

    id: UUID
    seq: int
    kind: str
    state: str
    attempts: int
    available_at: datetime
    last_error: str | None
    last_status: int | None
    created_at: datetime
    attempted_at: datetime | None
    sent_at: datetime | None


RECORD = select(
    *(
        NOTIFICATIONS.c.kind if name == "kind" else DELIVERIES.c[name]
        for name in DeliveryRecord.__struct_fields__
    )
).join(
    NOTIFICATIONS,
    (NOTIFICATIONS.c.user_id == DELIVERIES.c.user_id) & (NOTIFICATIONS.c.seq == DELIVERIES.c.seq),
)


def list_deliveries(
    session: Reader,
    *,
    user_id: UUID,
    channel_id: UUID,
    state: str | None = None,
    before: int | None = None,
    limit: int,
) -> list[DeliveryRecord]:
    """Those of a channel, the newest notification first, below the number `before`."""
    query = RECORD.where(DELIVERIES.c.user_id == user_id, DELIVERIES.c.channel_id == channel_id)
    if state is not None:
        query = query.where(DELIVERIES.c.state == state)
    if before is not None:
        query = query.where(DELIVERIES.c.seq < before)
    found = session.execute(query.order_by(DELIVERIES.c.seq.desc()).limit(limit))
    return [DeliveryRecord(*row) for row in found]


def load_delivery(session: Reader, *, user_id: UUID, channel_id: UUID, delivery_id: UUID) -> DeliveryRecord:
    """
    Raises:
        NotFound
    """
    row = session.execute(
        RECORD.where(
            DELIVERIES.c.user_id == user_id,
            DELIVERIES.c.channel_id == channel_id,
            DELIVERIES.c.id == delivery_id,
        )
    ).first()
    if row is None:
        raise NotFound("no such delivery")
    return DeliveryRecord(*row)
