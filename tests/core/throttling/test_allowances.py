"""The limit of all requests: kept by all processes together, and asked of Redis once a batch."""

import asyncio
import os

import redis

from core.throttling.allowances import Allowances, Quota
from core.throttling.limiter import Limiter
from core.throttling.windows import Window
from tests.conftest import REDIS
from tests.core.throttling.conftest import limiter_at

HUNDRED = Window("user", 100, 60)
BATCH, HALF = 4, 2


def test_alone_a_process_keeps_the_limit_exactly_and_counts_down(limiter: Limiter) -> None:
    async def run() -> list[Quota]:
        allowances = Allowances(limiter.windows, HUNDRED)
        quotas = [await allowances.spend("somebody") for _ in range(103)]
        await limiter.close()
        return quotas

    quotas = asyncio.run(run())
    assert [one.is_allowed for one in quotas] == [True] * 100 + [False] * 3
    assert [one.remaining for one in quotas[:100]] == list(range(99, -1, -1))
    assert all(0 < one.reset_s <= 60 for one in quotas[:100])
    assert all(60 < one.reset_s <= 64 for one in quotas[100:])


def test_requests_at_the_same_time_are_not_let_in_twice(limiter: Limiter) -> None:
    async def run() -> list[Quota]:
        allowances = Allowances(limiter.windows, HUNDRED)
        quotas = await asyncio.gather(*(allowances.spend("somebody") for _ in range(500)))
        await limiter.close()
        return quotas

    assert sum(one.is_allowed for one in asyncio.run(run())) == 100


def test_processes_keep_the_limit_together_but_for_a_batch_each(prefix: str) -> None:
    async def run() -> int:
        limiters = [limiter_at(os.environ[REDIS], prefix) for _ in range(4)]
        processes = [Allowances(one.windows, HUNDRED) for one in limiters]
        allowed = 0
        for _ in range(100):
            for process in processes:
                allowed += (await process.spend("somebody")).is_allowed
        for one in limiters:
            await one.close()
        return allowed

    assert 100 <= asyncio.run(run()) <= 100 + 3 * BATCH


def test_redis_is_asked_when_half_a_batch_is_used_up(prefix: str) -> None:
    server = redis.Redis.from_url(os.environ[REDIS])

    async def run() -> None:
        limiter = limiter_at(os.environ[REDIS], prefix)
        allowances = Allowances(limiter.windows, HUNDRED)
        for _ in range(HALF):
            assert server.keys(f"{prefix}:*") == []
            await allowances.spend("somebody")
        async with asyncio.timeout(10):
            while not server.keys(f"{prefix}:*"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await limiter.close()

    asyncio.run(run())
    [name] = server.keys(f"{prefix}:*")
    assert server.get(name) == str(HALF).encode()


def test_others_have_their_own_limit(limiter: Limiter) -> None:
    async def run() -> bool:
        allowances = Allowances(limiter.windows, HUNDRED)
        for _ in range(101):
            await allowances.spend("somebody")
        quota = await allowances.spend("somebody else")
        await limiter.close()
        return quota.is_allowed

    assert asyncio.run(run())
