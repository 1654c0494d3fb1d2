"""Brings notifications from Redis: a subscription for each user who is connected, over one link at a time."""

import asyncio
import random
import secrets
from collections.abc import Callable, Collection
from uuid import UUID

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from core.logging import get_logger
from core.notification_channel import channel_of
from ws_gateway.redis_link import REDIS_TIMEOUT_S, RedisLink

FIRST_DELAY_S = 0.1
"""A restarted Redis is back within half a second."""

LONGEST_DELAY_S = 5.0
"""Nothing is lost meanwhile, as the watch reads the database each second; so there is no need to hurry."""

CONFIRMATION_PATIENCE_S = 1.0
"""A client waits this long for its subscription. What is published before it works, the watch finds."""

log = get_logger(__name__)


class Subscription:
    """The wish to hear of a user, and whether Redis has confirmed it over the present link."""

    __slots__ = ("confirmed", "user_id")

    def __init__(self, user_id: UUID) -> None:
        self.user_id = user_id
        self.confirmed = asyncio.Event()


class Relay:
    """Redis may be away at any time: `run` goes on for ever, and what was missed is the watch's to find."""

    def __init__(
        self,
        redis_url: str,
        *,
        prefix: str,
        on_message: Callable[[UUID, bytes], None],
        on_linked: Callable[[], None],
    ) -> None:
        """
        Args:
            on_message: gets a user and a message as it was published.
            on_linked: called after each (re)connection, when messages may have been missed before it.
        """
        self._pool = ConnectionPool.from_url(
            redis_url,
            protocol=2,
            # The link has timeouts of its own. With this one redis-py writes in asyncio.wait_for, which in
            # Python 3.11 may swallow a cancellation: the link would then never end.
            socket_timeout=None,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = prefix
        self._own_channel = f"{prefix}:gateway:{secrets.token_hex(8)}".encode()
        self._on_message = on_message
        self._on_linked = on_linked
        self._subscriptions: dict[bytes, Subscription] = {}
        self._link: RedisLink | None = None
        self._delay_s = FIRST_DELAY_S
        self._last_error = ""
        self.is_linked = False

    async def listen(self, user_id: UUID) -> None:
        """Hear of the user from now on. Returns at once while Redis is away, and soon in any case."""
        channel = channel_of(self._prefix, user_id).encode()
        subscription = self._subscriptions.get(channel)
        if subscription is None:
            subscription = self._subscriptions[channel] = Subscription(user_id)
            if self._link is not None:
                self._link.listen([channel])
        if not self.is_linked:
            return  # all are read anew as soon as it is
        try:
            async with asyncio.timeout(CONFIRMATION_PATIENCE_S):
                await subscription.confirmed.wait()
        except TimeoutError:
            log.debug("relay.unconfirmed", user_id=user_id)  # the check of the link decides what that means

    def forget_all_but(self, users: Collection[UUID]) -> None:
        """Stop to hear of everybody else. One that is not confirmed yet waits for the next call: so whatever
        confirmation comes is always that of the latest wish."""
        idle = [
            channel
            for channel, subscription in self._subscriptions.items()
            if subscription.user_id not in users and (subscription.confirmed.is_set() or self._link is None)
        ]
        for channel in idle:
            del self._subscriptions[channel]
        if self._link is not None:
            self._link.ignore(idle)

    async def run(self) -> None:
        """Hold a link; after an error wait a little and make a new one."""
        try:
            while True:
                try:
                    await self._hold_link()
                except (RedisError, OSError) as error:
                    self._note_loss(error)
                except Exception:
                    # Nothing that goes wrong here may take the sockets along: they live without Redis.
                    log.exception("relay.defect")
                # A random part of it, so that many gateways do not come back at the same moment.
                await asyncio.sleep(self._delay_s * random.uniform(0.5, 1.0))  # noqa: S311 - no secret
                self._delay_s = min(2 * self._delay_s, LONGEST_DELAY_S)
        finally:
            await self._pool.disconnect()

    async def _hold_link(self) -> None:
        self._link = RedisLink(
            self._pool,
            own_channel=self._own_channel,
            on_message=self._hear,
            on_listening=self._confirm,
        )
        try:
            await self._link.run(self._subscriptions, on_linked=self._note_link)
        finally:
            self._link = None
            self.is_linked = False
            for subscription in self._subscriptions.values():
                subscription.confirmed.clear()

    def _hear(self, channel: bytes, message: bytes) -> None:
        subscription = self._subscriptions.get(channel)
        if subscription is not None:
            self._on_message(subscription.user_id, message)

    def _confirm(self, channel: bytes) -> None:
        subscription = self._subscriptions.get(channel)
        if subscription is not None:
            subscription.confirmed.set()

    def _note_link(self) -> None:
        log.info("relay.linked", users=len(self._subscriptions))
        self.is_linked = True
        self._delay_s = FIRST_DELAY_S
        self._last_error = ""
        self._on_linked()

    def _note_loss(self, error: Exception) -> None:
        description = f"{type(error).__name__}: {error}"
        if description != self._last_error:  # once, not for each attempt while Redis is down
            log.warning("relay.lost", error=description)
        self._last_error = description
