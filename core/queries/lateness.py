"""How late what should happen by itself is. Asked for every few seconds: each is a look into an index."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, column, func, select, text

from core.database import Reader
from core.models import NotificationSettings, RecurringExpense, User, table_of
from core.models.base import UtcDateTime
from core.queries.deliveries import DELIVERIES, HOSTS, IS_WAITING

RECURRING = table_of(RecurringExpense)
SETTINGS = table_of(NotificationSettings)
USERS = table_of(User)

MOST_COUNTED = 100_000
"""Deliveries that wait; more are not counted, as that would take as long as there are many."""

TRIED_LATELY = timedelta(seconds=90)
"""As long as a lease, and longer than a server that is away is left alone: who is tried so often is not
forgotten."""

OLDEST: Any = (
    text(
        f"""
{HOSTS}, oldest(host, available_at) AS (
  SELECT hosts.host, (
    SELECT d.available_at FROM deliveries d
    WHERE d.host = hosts.host AND d.state IN ('pending', 'failed') ORDER BY d.available_at LIMIT 1
  ) FROM hosts WHERE hosts.host IS NOT NULL
)
SELECT min(oldest.available_at) AS due_since, min(CASE WHEN oldest.host = '' OR NOT EXISTS (
    SELECT 1 FROM deliveries d
    WHERE d.host = oldest.host AND d.state IN ('pending', 'failed')
      AND d.available_at > :now AND d.available_at <= :soon AND d.attempted_at > :lately
  ) THEN oldest.available_at END) AS left_since
FROM oldest WHERE oldest.available_at <= :now
"""  # noqa: S608 - made of constants
    )
    .bindparams(*(bindparam(name, type_=UtcDateTime) for name in ("now", "soon", "lately")))
    .columns(column("due_since", UtcDateTime), column("left_since", UtcDateTime))
)
COUNTED = select(func.count()).select_from(
    select(DELIVERIES.c.host).where(IS_WAITING).limit(MOST_COUNTED).subquery()
)
RECURRING_DUE = (
    select(RECURRING.c.next_at)
    .where(RECURRING.c.next_at <= bindparam("now"))
    .order_by(RECURRING.c.next_at)
    .limit(1)
)
DIGEST_DUE = (
    select(SETTINGS.c.next_digest_at)
    .join(USERS, USERS.c.id == SETTINGS.c.user_id)
    .where(SETTINGS.c.next_digest_at <= bindparam("now"), USERS.c.is_active)
    .order_by(SETTINGS.c.next_digest_at)
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class DueDeliveries:
    """Since when the oldest has been due; and the oldest of those that wait for a courier, or for the mail
    server, rather than behind others for a slow host."""

    due_since: datetime | None
    left_since: datetime | None


def oldest_deliveries(reader: Reader, *, now: datetime) -> DueDeliveries:
    parameters = {
        "first_host": "",
        "now": now,
        "soon": now + TRIED_LATELY,
        "lately": now - TRIED_LATELY,
    }
    return DueDeliveries(*reader.execute(OLDEST, parameters).one())


def count_waiting_deliveries(reader: Reader) -> int:
    """Up to `MOST_COUNTED`."""
    return reader.execute(COUNTED).scalar() or 0


def recurring_due_since(reader: Reader, *, now: datetime) -> datetime | None:
    """Since when the recurring expense that is the longest due has been so."""
    return reader.execute(RECURRING_DUE, {"now": now}).scalar()


def digest_due_since(reader: Reader, *, now: datetime) -> datetime | None:
    """Since when the digest that is the longest due has been so; those being computed are staged already."""
    return reader.execute(DIGEST_DUE, {"now": now}).scalar()
