"""Failures that make the next attempt wait: a delay that grows, never a lock-out.

An attempt counts as failed from its beginning, so that a thousand at once are not all let in before the first
has failed; who succeeds has it taken off again.
"""

import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast

from redis.asyncio import ConnectionPool, Redis

from core.throttling.outage import Outage

MAX_LOCAL_KEYS = 50_000
"""Of this process, some 10 MB; past this the oldest is forgotten."""

ATTEMPT = """
local time = redis.call('time')
local now = time[1] + time[2] / 1000000
local free, longest, forget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local failures = tonumber(redis.call('hget', KEYS[1], 'failures') or 0)
local next_at = tonumber(redis.call('hget', KEYS[1], 'next_at') or 0)
if now < next_at then return math.ceil(next_at - now) end
failures = failures + 1
local delay = 0
if failures >= free then delay = math.min(longest, 2 ^ math.min(failures - free, 30)) end
redis.call('hset', KEYS[1], 'failures', failures, 'next_at', string.format('%.6f', now + delay))
redis.call('expire', KEYS[1], forget)
return 0
"""

FORGIVE = """
if tonumber(redis.call('hget', KEYS[1], 'failures') or 0) > 0 then
    redis.call('hincrby', KEYS[1], 'failures', -1)
end
return 0
"""


@dataclass(frozen=True, slots=True)
class Delay:
    """After `free` failures the next attempt waits 1, 2, 4 … up to `longest_s` seconds.

    They are forgotten `forget_s` after the last one.
    """

    name: str
    free: int
    longest_s: int
    forget_s: int

    def times(self, factor: int) -> "Delay":
        return Delay(self.name, self.free * factor, self.longest_s, self.forget_s)


class Delays:
    """Counts failures in Redis, or in this process while Redis is away."""

    def __init__(self, pool: ConnectionPool, outage: Outage, *, prefix: str) -> None:
        redis = Redis(connection_pool=pool)
        self._redis = redis
        self._attempt = redis.register_script(ATTEMPT)
        self._forgive = redis.register_script(FORGIVE)
        self._outage = outage
        self._prefix = prefix
        self._local = LocalDelays()

    async def attempt(self, delay: Delay, key: str) -> int:
        """Begin an attempt: 0, or for how many seconds to wait before it may be made."""
        return await self._outage.ask(
            lambda: self._attempt_in_redis(delay, key), otherwise=lambda: self._local.attempt(delay, key)
        )

    async def _attempt_in_redis(self, delay: Delay, key: str) -> int:
        arguments = [delay.free, delay.longest_s, delay.forget_s]
        wait_s: int = await self._attempt([self._name(delay, key)], arguments)
        if not wait_s:
            # Should Redis go away now, the process goes on from what it knows.
            self._local.attempt(delay, key)
        return wait_s

    async def forgive(self, delay: Delay, key: str) -> None:
        """The attempt was none that counts."""
        self._local.forgive(delay, key)
        await self._outage.ask(
            lambda: cast("Awaitable[None]", self._forgive([self._name(delay, key)])), otherwise=lambda: None
        )

    async def forget(self, delay: Delay, key: str) -> None:
        """Whoever it is has succeeded."""
        self._local.forget(delay, key)
        await self._outage.ask(
            lambda: cast("Awaitable[None]", self._redis.delete(self._name(delay, key))),
            otherwise=lambda: None,
        )

    async def remember(self, key: str, text: str, *, seconds: int) -> None:
        """Keep a short text."""
        self._local.remember(key, text, seconds=seconds)
        await self._outage.ask(
            lambda: cast("Awaitable[None]", self._redis.set(f"{self._prefix}:{key}", text, ex=seconds)),
            otherwise=lambda: None,
        )

    async def recall(self, key: str) -> str | None:
        """The text; while Redis is away, if this process has kept it."""
        return await self._outage.ask(
            lambda: self._stored(f"{self._prefix}:{key}"), otherwise=lambda: self._local.recall(key)
        )

    async def _stored(self, name: str) -> str | None:
        found = await self._redis.get(name)
        return found.decode() if isinstance(found, bytes) else found

    def _name(self, delay: Delay, key: str) -> str:
        return f"{self._prefix}:{delay.name}:{key}"


@dataclass(slots=True)
class _Failures:
    count: int = 0
    next_at: float = 0.0
    forgotten_at: float = 0.0


class LocalDelays:
    """The same, of this process alone."""

    def __init__(self) -> None:
        self._failures: dict[tuple[str, str], _Failures] = {}
        self._texts: dict[str, tuple[float, str]] = {}

    def attempt(self, delay: Delay, key: str) -> int:
        now = time.monotonic()
        # Put back behind all others, so that the first is the one not asked for the longest.
        failures = self._failures.pop((delay.name, key), None)
        if failures is None or now >= failures.forgotten_at:
            failures = _Failures()
        self._failures[delay.name, key] = failures
        if len(self._failures) > MAX_LOCAL_KEYS:
            del self._failures[next(iter(self._failures))]
        if now < failures.next_at:
            return math.ceil(failures.next_at - now)
        failures.count += 1
        if failures.count >= delay.free:
            failures.next_at = now + min(delay.longest_s, 2 ** min(failures.count - delay.free, 30))
        failures.forgotten_at = now + delay.forget_s
        return 0

    def forgive(self, delay: Delay, key: str) -> None:
        failures = self._failures.get((delay.name, key))
        if failures is not None and failures.count:
            failures.count -= 1

    def forget(self, delay: Delay, key: str) -> None:
        self._failures.pop((delay.name, key), None)

    def remember(self, key: str, text: str, *, seconds: int) -> None:
        self._texts.pop(key, None)
        self._texts[key] = (time.monotonic() + seconds, text)
        if len(self._texts) > MAX_LOCAL_KEYS:
            del self._texts[next(iter(self._texts))]

    def recall(self, key: str) -> str | None:
        until, text = self._texts.get(key, (0.0, ""))
        return text if until > time.monotonic() else None
