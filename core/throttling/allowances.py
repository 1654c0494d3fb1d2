"""A limit that every request comes by, so it must cost nearly nothing.

A process lets a batch of requests of somebody pass on credit and has Redis count them when the batch is used
up, before it gives the next one. So of a hundred requests one waits for Redis, and the limit holds for all
processes together, but for one batch each: the batch that is not counted yet.
"""

import asyncio
import math
import time
from dataclasses import dataclass

from core.throttling.windows import Verdict, Window, Windows

BATCHES = 20
"""A batch is a twentieth of the limit, so four processes exceed it by three twentieths at most."""

MAX_BATCH = 100
"""Larger ones would save nothing any more."""

MAX_KNOWN = 20_000
"""Of whom a process knows how much is left, some 5 MB. Past this all are forgotten, and have a new batch."""


@dataclass(frozen=True, slots=True)
class Quota:
    """What is left of a limit; without anything left, after how many seconds there is again."""

    is_allowed: bool
    remaining: int
    reset_s: int


@dataclass(slots=True)
class _Account:
    ends_at: float
    tokens: int
    rest: int
    refused_until: float = 0.0
    settling: asyncio.Future[None] | None = None


class Allowances:
    def __init__(self, windows: Windows, window: Window) -> None:
        self.window = window
        self._windows = windows
        self._batch = min(max(window.amount // BATCHES, 1), MAX_BATCH)
        # What this process may give on credit is taken off, so that alone it keeps the limit exactly.
        self._counted = Window(window.name, window.amount - self._batch, window.seconds)
        self._accounts: dict[str, _Account] = {}

    async def spend(self, key: str) -> Quota:
        """One request of somebody."""
        account = self._account(key)
        while not account.tokens:
            now = time.monotonic()
            if now < account.refused_until:
                return Quota(False, 0, math.ceil(account.refused_until - now))
            await self._settle(key, account)
        account.tokens -= 1
        reset_s = max(math.ceil(account.ends_at - time.monotonic()), 1)
        return Quota(True, account.tokens + account.rest, reset_s)

    def _account(self, key: str) -> _Account:
        now = time.monotonic()
        account = self._accounts.get(key)
        # What was used of a batch within a whole window is too little to be counted.
        if account is None or (account.tokens and now >= account.ends_at):
            if len(self._accounts) >= MAX_KNOWN:
                self._accounts.clear()
            account = self._accounts[key] = _Account(
                now + self.window.seconds, self._batch, self._counted.amount
            )
        return account

    async def _settle(self, key: str, account: _Account) -> None:
        """Have the batch counted that is used up. Requests that come meanwhile share the answer."""
        if account.settling is None:
            account.settling = asyncio.ensure_future(self._count(key, account))
            account.settling.add_done_callback(lambda _done: setattr(account, "settling", None))
        # One request that is given up must not take the answer from the others.
        await asyncio.shield(account.settling)

    async def _count(self, key: str, account: _Account) -> None:
        verdict: Verdict = await self._windows.take(self._counted, key, cost=self._batch)
        now = time.monotonic()
        if verdict.is_allowed:
            account.tokens, account.rest = self._batch, verdict.remaining
            account.ends_at = now + self.window.seconds
        else:
            account.refused_until = now + verdict.retry_after_s
