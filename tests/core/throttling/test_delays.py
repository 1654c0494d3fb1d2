"""Failures make the next attempt wait, longer each time, and never for good."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from core.throttling.delays import Delay, Delays
from core.throttling.limiter import Limiter

T = TypeVar("T")

DELAY = Delay("test", free=3, longest_s=60, forget_s=600)


def with_delays(limiter: Limiter, use: Callable[[Delays], Awaitable[T]]) -> T:
    async def run() -> T:
        try:
            return await use(limiter.delays)
        finally:
            await limiter.close()

    return asyncio.run(run())


def test_the_first_failures_are_free_and_then_the_wait_doubles(limiter: Limiter) -> None:
    async def use(delays: Delays) -> list[int]:
        waits = []
        for longest_s in (1, 1, 1, 1, 2, 4):
            quick = Delay("test", free=3, longest_s=longest_s, forget_s=600)
            waits.append(await delays.attempt(quick, "somebody"))
            if not waits[-1]:
                continue
            await asyncio.sleep(waits[-1])
            assert await delays.attempt(quick, "somebody") == 0
        return waits

    assert with_delays(limiter, use) == [0, 0, 0, 1, 1, 2]


def test_a_thousand_at_once_are_not_all_let_in(limiter: Limiter) -> None:
    async def use(delays: Delays) -> list[int]:
        return await asyncio.gather(*(delays.attempt(DELAY, "somebody") for _ in range(1_000)))

    assert with_delays(limiter, use).count(0) == 3


def test_the_wait_has_an_end_however_many_failures_there_were(limiter: Limiter) -> None:
    patient = Delay("test", free=1, longest_s=1, forget_s=600)

    async def use(delays: Delays) -> list[int]:
        waits = []
        for _ in range(3):
            assert await delays.attempt(patient, "somebody") == 0
            waits.append(await delays.attempt(patient, "somebody"))
            await asyncio.sleep(1)
        return waits

    assert with_delays(limiter, use) == [1, 1, 1]


def test_what_is_forgiven_does_not_count(limiter: Limiter) -> None:
    async def use(delays: Delays) -> list[int]:
        waits = []
        for _ in range(10):
            waits.append(await delays.attempt(DELAY, "somebody"))
            await delays.forgive(DELAY, "somebody")
        await delays.forgive(DELAY, "nobody")
        return waits

    assert with_delays(limiter, use) == [0] * 10


def test_success_forgets_all_failures(limiter: Limiter) -> None:
    async def use(delays: Delays) -> list[int]:
        for _ in range(3):
            await delays.attempt(DELAY, "somebody")
        assert await delays.attempt(DELAY, "somebody") == 1
        await delays.forget(DELAY, "somebody")
        return [await delays.attempt(DELAY, "somebody") for _ in range(3)]

    assert with_delays(limiter, use) == [0, 0, 0]


def test_failures_are_forgotten_after_a_while(limiter: Limiter) -> None:
    forgetful = Delay("test", free=1, longest_s=60, forget_s=1)

    async def use(delays: Delays) -> list[int]:
        waits = [await delays.attempt(forgetful, "somebody") for _ in range(2)]
        await asyncio.sleep(1.1)
        return [*waits, await delays.attempt(forgetful, "somebody")]

    assert with_delays(limiter, use) == [0, 1, 0]


def test_texts_are_kept(limiter: Limiter) -> None:
    async def use(delays: Delays) -> list[str | None]:
        before = await delays.recall("known:here")
        await delays.remember("known:here", "1", seconds=60)
        return [before, await delays.recall("known:here"), await delays.recall("known:there")]

    assert with_delays(limiter, use) == [None, "1", None]
