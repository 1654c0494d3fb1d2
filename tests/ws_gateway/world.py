"""People with sessions and notifications in a real database, and the settings of a gateway beside it."""

from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Self
from uuid import UUID

import msgspec
import redis
from sqlalchemy import delete, update

from core import clock
from core.commands.ports import free_port
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.models import LoginSession, Notification, User
from core.notification_channel import Message, channel_of, encode
from core.queries.notifications import notifications_after
from core.security import Tokens
from core.services.notifications import NewNotification, notify

ORIGIN = "https://outlay.example"


@dataclass(frozen=True)
class Person:
    user_id: UUID
    session_id: UUID


class World:
    """A database, a Redis and the settings of a gateway on them."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.database = Database(database_url, pool_size=8)
        self.settings = msgspec.convert(
            {
                "database_url": database_url,
                "redis_url": redis_url,
                "redis_prefix": f"test-{new_id()}",
                "ws_port": free_port(),
                "ws_allowed_origins": ORIGIN,
            },
            Settings,
        )
        self.tokens = Tokens(self.settings.secret)
        self.redis = redis.Redis.from_url(redis_url)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.settings.ws_port}/ws/notifications"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.redis.close()
        self.database.close()

    def channel(self, person: Person) -> str:
        return channel_of(self.settings.redis_prefix, person.user_id)

    def person(self) -> Person:
        person = Person(new_id(), new_id())
        name, now = str(person.user_id), clock.now()
        with self.database.transaction() as session:
            session.add(
                User(
                    id=person.user_id, username=name, username_key=name, email=name, email_key=name,
                    display_name="", password_hash="", timezone="UTC", currency="EUR",
                    is_active=True, created_at=now, updated_at=now,
                )
            )  # fmt: skip
            session.flush()  # the session refers to the user
            session.add(self._login(person))
        return person

    def second_login(self, person: Person) -> Person:
        other = Person(person.user_id, new_id())
        with self.database.transaction() as session:
            session.add(self._login(other))
        return other

    def _login(self, person: Person) -> LoginSession:
        now = clock.now()
        return LoginSession(
            user_id=person.user_id, id=person.session_id, user_agent=None, ip_address=None,
            created_at=now, last_used_at=now, expires_at=now + timedelta(days=1), revoked_at=None,
        )  # fmt: skip

    def token(self, person: Person, *, age: timedelta = timedelta()) -> str:
        return self.tokens.access_token(
            user_id=person.user_id, session_id=person.session_id, now=clock.now() - age
        )

    def ticket(self, person: Person, *, age: timedelta = timedelta()) -> str:
        return self.tokens.ticket(user_id=person.user_id, session_id=person.session_id, now=clock.now() - age)

    def store(self, person: Person, count: int = 1, *, text: str = "") -> None:
        """Notifications that nobody publishes."""
        with self.database.transaction() as session:
            notify(session, [NewNotification(person.user_id, "test", {"text": text})] * count)

    def publish(self, person: Person, after: int) -> None:
        """Publish the stored notifications above a number, as a worker does."""
        with self.database.reading() as session:
            rows = notifications_after(session, user_id=person.user_id, after=after, limit=100_000)
        for row in rows:
            self.redis.publish(self.channel(person), encode(row))

    def publish_only(self, person: Person, seq: int) -> bytes:
        """Publish a message that is not stored, so that it can arrive over Redis only."""
        message = Message(seq, "test", clock.now(), {})
        encoded = msgspec.json.encode(message)
        self.redis.publish(self.channel(person), encoded)
        return encoded

    def notify(self, person: Person, after: int, count: int = 1, *, text: str = "") -> None:
        self.store(person, count, text=text)
        self.publish(person, after)

    def mute(self, person: Person, kind: str) -> None:
        with self.database.transaction() as session:
            session.execute(update(User).where(User.id == person.user_id).values(muted_kinds=[kind]))

    def revoke(self, person: Person) -> None:
        with self.database.transaction() as session:
            session.execute(
                update(LoginSession)
                .where(LoginSession.id == person.session_id)
                .values(revoked_at=clock.now())
            )

    def deactivate(self, person: Person) -> None:
        with self.database.transaction() as session:
            session.execute(update(User).where(User.id == person.user_id).values(is_active=False))

    def remove(self, person: Person) -> None:
        with self.database.transaction() as session:
            session.execute(delete(User).where(User.id == person.user_id))

    def delete_notifications(self, person: Person, numbers: list[int]) -> None:
        with self.database.transaction() as session:
            session.execute(
                delete(Notification).where(
                    Notification.user_id == person.user_id, Notification.seq.in_(numbers)
                )
            )
