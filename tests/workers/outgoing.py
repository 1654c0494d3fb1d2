"""Users with channels, notifications that become deliveries, and a courier in the test process."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Row, insert, select, update

from core import clock
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.models import Channel, Delivery, Notification, NotificationSettings, User, table_of
from core.outgoing.webhooks import webhook_secret
from core.queries.notifications import numbered_notifications
from core.services.channels import add_mail_channel
from core.services.delivery_staging import stage_deliveries
from core.services.notifications import NewNotification, notify
from tests.workers.outbox import add_user
from workers.courier import Courier
from workers.runtime import Runtime

CHANNELS, DELIVERIES = table_of(Channel), table_of(Delivery)

BUDGET = {
    "budget_name": "Food", "threshold": 80, "percent": 81.5, "spent": "81.50", "limit": "100.00",
    "currency": "EUR",
}  # fmt: skip


def user_with_mail(database: Database, name: str = "ada") -> UUID:
    """Somebody with a verified address."""
    user_id = add_user(database)
    address = f"{name}@example.com"
    with database.transaction() as session:
        session.execute(
            update(User)
            .where(User.id == user_id)
            .values(email=address, email_key=address, email_verified_at=clock.now())
        )
        add_mail_channel(session, user_id=user_id, now=clock.now())
    return user_id


def add_channel(database: Database, user_id: UUID, url: str, *, kind: str = "webhook", **fields: Any) -> UUID:
    channel_id, now = new_id(), clock.now()
    host = url.partition("://")[2].partition("/")[0].partition(":")[0]
    values = {
        "user_id": user_id, "id": channel_id, "kind": kind, "url": url, "host": host, "kinds": [],
        "state": "active", "secret_issue": 1, "version": 1, "created_at": now, "updated_at": now, **fields,
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(CHANNELS).values(values))
    return channel_id


def quiet_hours(database: Database, user_id: UUID, begin: int, end: int, **fields: Any) -> None:
    """In minutes after midnight UTC."""
    values = {
        "user_id": user_id, "choices": {}, "quiet_from": begin, "quiet_to": end, "lets_exceeded_pass": False,
        "digest_frequency": "off", "digest_hour": 8, "digest_weekday": 1, "digest_day": 1,
        "has_empty_digests": False, "version": 1, "updated_at": clock.now(), **fields,
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(table_of(NotificationSettings)).values(values))


def tell(database: Database, user_id: UUID, *kinds: str, **data: Any) -> None:
    """Notify the user and stage what goes out, as the worker does."""
    news = [NewNotification(user_id, kind, {**BUDGET, **data}) for kind in kinds or ("budget.threshold",)]
    with database.transaction() as session:
        notify(session, news)
        newest = session.scalar(select(User.notification_seq).where(User.id == user_id)) or 0
        stage_deliveries(
            session, numbered_notifications(session, [(user_id, newest - len(news) + 1, newest)])
        )


def deliveries(database: Database, channel_id: UUID | None = None) -> list[Row[Any]]:
    """By number."""
    query = select(DELIVERIES).order_by(DELIVERIES.c.seq, DELIVERIES.c.created_at)
    if channel_id is not None:
        query = query.where(DELIVERIES.c.channel_id == channel_id)
    with database.reading() as session:
        return list(session.execute(query))


def states(database: Database, channel_id: UUID | None = None) -> list[str]:
    return [row.state for row in deliveries(database, channel_id)]


def channel(database: Database, channel_id: UUID) -> Row[Any]:
    with database.reading() as session:
        return session.execute(select(CHANNELS).where(CHANNELS.c.id == channel_id)).one()


def notices(database: Database, user_id: UUID, kind: str) -> list[dict[str, Any]]:
    """The data of the user's notifications of a kind."""
    found = select(Notification.data).where(Notification.user_id == user_id, Notification.kind == kind)
    with database.reading() as session:
        return list(session.scalars(found))


def secret_of(settings: Settings, user_id: UUID, channel_id: UUID, issue: int = 1) -> str:
    return webhook_secret(settings.secret, user_id=user_id, channel_id=channel_id, issue=issue)


@contextmanager
def courier(settings: Settings, **changes: Any) -> Iterator[Courier]:
    """A courier's process, in this one; receivers on this machine are allowed."""
    changed = msgspec.structs.replace(settings, **{"private_targets": "allow", **changes})
    runtime = Runtime(changed, {}, connections=3)
    try:
        yield Courier(runtime)
    finally:
        runtime.close()
