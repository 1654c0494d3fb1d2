"""What is asked of Redis, and what stands in for it while it is away."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from core.logging import get_logger

TIMEOUT_S = 0.5
"""A request waits for this. Redis answers within a millisecond or is not well; a busy machine may not look at
the answer for a while."""

ASK_AGAIN_AFTER_S = 2.0
"""While Redis is away one request in so many seconds finds out whether it is back; the others do not wait."""

MAX_CONNECTIONS = 8
"""One script a request and well under a millisecond each; a crowd waits in line instead of flooding Redis."""

T = TypeVar("T")

log = get_logger(__name__)


def new_pool(redis_url: str) -> ConnectionPool:
    return ConnectionPool.from_url(
        redis_url,
        max_connections=MAX_CONNECTIONS,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        # Once more, as Redis may have been restarted since the last request. Never after a time-out: what was
        # sent may have counted.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )


class Outage:
    """Remembers that Redis is away, so that only the first request pays for finding out."""

    def __init__(self) -> None:
        self._is_away = False
        self._ask_again_at = 0.0
        self._turns = asyncio.Semaphore(MAX_CONNECTIONS)

    async def ask(self, redis: Callable[[], Awaitable[T]], *, otherwise: Callable[[], T]) -> T:
        """Redis' answer, or the other one where Redis gives none in time."""
        if self._is_resting():
            return otherwise()
        # Waiting in line is our own affair, and says nothing about Redis.
        async with self._turns:
            if self._is_resting():
                return otherwise()
            if self._is_away:
                self._ask_again_at = time.monotonic() + ASK_AGAIN_AFTER_S
            return await self._ask(redis, otherwise)

    def _is_resting(self) -> bool:
        return self._is_away and time.monotonic() < self._ask_again_at

    async def _ask(self, redis: Callable[[], Awaitable[T]], otherwise: Callable[[], T]) -> T:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await redis()
        except (RedisError, OSError) as error:  # a TimeoutError is an OSError
            self._ask_again_at = time.monotonic() + ASK_AGAIN_AFTER_S
            if not self._is_away:
                log.warning("throttling.redis_away", error=error)
            self._is_away = True
            return otherwise()
        if self._is_away:
            log.warning("throttling.redis_back")
            self._is_away = False
        return answer
