"""So many in so many seconds: sliding windows, by the approximation of two counters.

The count of the window before weighs as much as of it still lies within the last so many seconds. That is two
numbers a key whatever the limit, where a list of instants would be one a request.
"""

import math
import time
from dataclasses import dataclass
from typing import Any

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from redis.asyncio import ConnectionPool

from core.throttling.outage import Outage

MAX_LOCAL_KEYS = 50_000
"""Counters of this process, some 15 MB; past this the oldest is forgotten."""


@dataclass(frozen=True, slots=True)
class Window:
    """`amount` in any `seconds`, counted under `name`."""

    name: str
    amount: int
    seconds: int

    def times(self, factor: int) -> "Window":
        return Window(self.name, self.amount * factor, self.seconds)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether it may be done, how often more, and if not, for how many seconds to wait."""

    is_allowed: bool
    remaining: int
    retry_after_s: int = 0


@dataclass(slots=True)
class Counts:
    """Two windows of a key: how many there were in each, and how many seconds it goes on counting."""

    previous: int = 0
    previous_left_s: float = 0.0
    current: int = 0
    current_left_s: float = 0.0

    def used(self, window: Window) -> int:
        return int(self.previous * self.previous_left_s / window.seconds) + self.current

    def wait_s(self, window: Window, cost: int) -> int:
        """After how many full seconds `cost` more fit in, if nobody else comes."""
        spare = window.amount - cost
        if spare >= self.current and self.previous:
            # The previous window need only fade until both fit.
            fits_at_s = self.previous_left_s - window.seconds * (spare - self.current + 1) / self.previous
        else:
            faded = 1 - (spare + 1) / self.current if self.current else 0.0
            fits_at_s = self.current_left_s + window.seconds * max(faded, 0.0)
        return max(math.ceil(fits_at_s), 1)


class Windows:
    """Counts in Redis, or in this process while Redis is away."""

    def __init__(self, pool: ConnectionPool, outage: Outage, *, prefix: str) -> None:
        # The address is the pool's; the library wants to be told one all the same.
        options: dict[str, Any] = {"connection_pool": pool}
        self._storage = RedisStorage(
            "async+redis://localhost:6379", implementation="redispy", key_prefix=prefix, **options
        )
        self._limiter = SlidingWindowCounterRateLimiter(self._storage)
        self._outage = outage
        self._local = LocalWindows()

    async def take(self, window: Window, key: str, *, cost: int = 1) -> Verdict:
        """Count `cost` if it fits into the window; nothing is counted where it does not."""
        return await self._outage.ask(
            lambda: self._take(window, key, cost), otherwise=lambda: self._local.take(window, key, cost=cost)
        )

    async def _take(self, window: Window, key: str, cost: int) -> Verdict:
        item: RateLimitItem = RateLimitItemPerSecond(window.amount, window.seconds, window.name)
        is_allowed = await self._limiter.hit(item, key, cost=cost)
        found = await self._storage.get_sliding_window(item.key_for(key), window.seconds)
        previous, previous_left_s, current, lifetime_s = found
        # The current counter is kept for a second window, in which it will be the previous one.
        counts = Counts(previous, previous_left_s, current, max(lifetime_s - window.seconds, 0.0))
        if is_allowed:
            # Should Redis go away now, the process goes on from what it knows.
            self._local.take(window, key, cost=cost)
        return verdict(window, counts, is_allowed=is_allowed, cost=cost)


class LocalWindows:
    """The same, of this process alone."""

    def __init__(self) -> None:
        self._began_at: dict[tuple[str, str], tuple[float, Counts]] = {}

    def take(self, window: Window, key: str, *, cost: int) -> Verdict:
        now = time.monotonic()
        name = (window.name, key)
        began_at, counts = self._began_at.pop(name, (now, Counts()))
        age_s = now - began_at
        if age_s >= window.seconds:
            is_next = age_s < 2 * window.seconds
            counts = Counts(previous=counts.current if is_next else 0)
            began_at = began_at + window.seconds if is_next else now
        counts.current_left_s = counts.previous_left_s = began_at + window.seconds - now
        is_allowed = counts.used(window) + cost <= window.amount
        if is_allowed:
            counts.current += cost
        # Put back behind all others, so that the first is the one not asked for the longest.
        self._began_at[name] = (began_at, counts)
        if len(self._began_at) > MAX_LOCAL_KEYS:
            del self._began_at[next(iter(self._began_at))]
        return verdict(window, counts, is_allowed=is_allowed, cost=cost)


def verdict(window: Window, counts: Counts, *, is_allowed: bool, cost: int) -> Verdict:
    remaining = max(window.amount - counts.used(window), 0)
    return Verdict(is_allowed, remaining, 0 if is_allowed else counts.wait_s(window, cost))
