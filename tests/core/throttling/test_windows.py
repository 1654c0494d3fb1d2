"""So many in so many seconds, for all processes together."""

import asyncio
import logging
import os
import signal
import time

import pytest
import redis

from core.throttling.limiter import Limiter
from core.throttling.outage import ASK_AGAIN_AFTER_S, TIMEOUT_S
from core.throttling.windows import Counts, LocalWindows, Verdict, Window, verdict
from tests.conftest import REDIS
from tests.core.throttling.conftest import limiter_at
from tests.servers import TestRedis

FIVE = Window("test", 5, 60)


def take(limiter: Limiter, times: int, *, key: str = "somebody", window: Window = FIVE) -> list[Verdict]:
    async def run() -> list[Verdict]:
        try:
            return [await limiter.windows.take(window, key) for _ in range(times)]
        finally:
            await limiter.close()

    return asyncio.run(run())


def test_so_many_are_allowed_and_the_next_is_told_how_long_to_wait(limiter: Limiter) -> None:
    verdicts = take(limiter, 6)
    assert [one.is_allowed for one in verdicts] == [True] * 5 + [False]
    assert [one.remaining for one in verdicts] == [4, 3, 2, 1, 0, 0]
    # The window has to end; once it begins to fade there are less than five in it.
    assert verdicts[-1].retry_after_s == 60


def test_each_key_and_each_limit_has_its_own_count(limiter: Limiter) -> None:
    async def run() -> list[bool]:
        for _ in range(5):
            await limiter.windows.take(FIVE, "somebody")
        others = [
            await limiter.windows.take(FIVE, "somebody else"),
            await limiter.windows.take(Window("other", 5, 60), "somebody"),
        ]
        await limiter.close()
        return [one.is_allowed for one in others]

    assert asyncio.run(run()) == [True, True]


def test_what_does_not_fit_is_not_counted(limiter: Limiter) -> None:
    async def run() -> list[bool]:
        costs = (3, 3, 2)
        verdicts = [await limiter.windows.take(FIVE, "somebody", cost=cost) for cost in costs]
        await limiter.close()
        return [one.is_allowed for one in verdicts]

    assert asyncio.run(run()) == [True, False, True]


def test_after_the_wait_one_more_fits(limiter: Limiter) -> None:
    window = Window("short", 3, 1)

    async def run() -> list[bool]:
        for _ in range(3):
            assert (await limiter.windows.take(window, "somebody")).is_allowed
        refused = await limiter.windows.take(window, "somebody")
        await asyncio.sleep(refused.retry_after_s)
        again = await limiter.windows.take(window, "somebody")
        await limiter.close()
        return [refused.is_allowed, again.is_allowed]

    assert asyncio.run(run()) == [False, True]


def test_processes_count_together(prefix: str) -> None:
    url = os.environ[REDIS]
    first = take(limiter_at(url, prefix), 3)
    second = take(limiter_at(url, prefix), 3)
    assert [one.is_allowed for one in first + second] == [True] * 5 + [False]


@pytest.mark.parametrize(
    ("counts", "cost", "wait_s"),
    [
        # The present window has to end in 20 s; then 60 of 60 have to fade to 59.
        (Counts(0, 0.0, 60, 20.0), 1, 21),
        # The one before counts 60 * 30/60 = 30 beside 30; it fades by one a second.
        (Counts(60, 30.0, 30, 30.0), 1, 1),
        (Counts(60, 30.0, 30, 30.0), 10, 10),
        # The one before has faded, but the present one is too full by itself.
        (Counts(60, 10.0, 55, 10.0), 10, 15),
    ],
)
def test_the_wait_is_long_enough(counts: Counts, cost: int, wait_s: int) -> None:
    window = Window("test", 60, 60)
    found = verdict(window, counts, is_allowed=False, cost=cost)
    assert found.retry_after_s == pytest.approx(wait_s, abs=1)


def test_what_is_kept_in_the_process_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.throttling.windows.MAX_LOCAL_KEYS", 10)
    windows = LocalWindows()
    for number in range(100):
        windows.take(FIVE, str(number), cost=1)
    assert len(windows._began_at) == 10


def test_while_redis_is_away_each_process_keeps_the_limit_and_waits_once_only(
    own_redis: TestRedis, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    limiter = limiter_at(own_redis.url(), prefix)
    pid = own_redis.pid

    async def run() -> None:
        assert (await limiter.windows.take(FIVE, "somebody")).is_allowed
        os.kill(pid, signal.SIGSTOP)
        began = time.monotonic()
        verdicts = [await limiter.windows.take(FIVE, "somebody") for _ in range(100)]
        assert time.monotonic() - began < TIMEOUT_S + ASK_AGAIN_AFTER_S
        assert sum(one.is_allowed for one in verdicts) == 4
        os.kill(pid, signal.SIGCONT)
        # What the process has counted meanwhile is not in Redis.
        async with asyncio.timeout(4 * ASK_AGAIN_AFTER_S):
            while not (await limiter.windows.take(FIVE, "somebody")).is_allowed:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await limiter.close()

    try:
        asyncio.run(run())
    finally:
        os.kill(pid, signal.SIGCONT)
    events = [record.getMessage().partition(" ")[0] for record in caplog.records]
    assert [event for event in events if event.startswith("throttling.")] == [
        "throttling.redis_away",
        "throttling.redis_back",
    ]


def test_redis_holds_neither_names_nor_addresses(prefix: str) -> None:
    limiter = limiter_at(os.environ[REDIS], prefix)
    take(limiter, 1, key=limiter.key("account", "ada@example.com", "192.0.2.7"))
    names = redis.Redis.from_url(os.environ[REDIS]).keys(f"{prefix}:*")
    assert len(names) == 1
    assert b"ada" not in names[0]
    assert b"192" not in names[0].removeprefix(prefix.encode())
