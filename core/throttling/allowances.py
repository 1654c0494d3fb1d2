"""A limit that every request comes by, so it must cost nearly nothing.

A process lets a batch of requests of somebody pass on credit. When half of it is used up it has Redis count
that half, while the other half lasts, and gives as much again. So hardly any request waits for Redis, and the
limit holds for all processes together, but for one batch each: the batch that is not counted yet.
"""

import asyncio
import math
import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

from core.throttling.windows import Verdict, Window, Windows

BATCHES = 20
"""A batch is a twentieth of the limit, so four processes exceed it by three twentieths at most."""

MAX_KNOWN = 20_000
"""Of whom a process knows how much is left, some 5 MB. Past this all are forgotten, and have a new batch."""


class Quota(NamedTuple):
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
    settling: asyncio.Task[None] | None = None


class Allowances:
    def __init__(self, windows: Windows, window: Window) -> None:
        self.window = window
        self._windows = windows
        self._half = max(window.amount // BATCHES, 2) // 2
        # What this process may give on credit is taken off, so that alone it keeps the limit exactly.
        self._counted = Window(window.name, window.amount - 2 * self._half, window.seconds)
        self._accounts: dict[Hashable, _Account] = {}

    async def spend(self, key: Hashable) -> Quota:
        """One request of somebody, whose key is counted by its text."""
        quota = self.spend_now(key)
        while quota is None:
            account = self._accounts[key]
            # One request that is given up must not take the answer from the others.
            await asyncio.shield(self._settle(key, account))
            quota = self.spend_now(key)
        return quota

    def spend_now(self, key: Hashable) -> Quota | None:
        """As `spend`; None where that has to wait for Redis."""
        now = time.monotonic()
        account = self._accounts.get(key)
        # What was used of a batch within a whole window is too little to be counted.
        if account is None or (account.tokens and now >= account.ends_at):
            account = self._new_account(key, now)
        if not account.tokens:
            wait_s = account.refused_until - now
            return Quota(False, 0, math.ceil(wait_s)) if wait_s > 0 else None
        account.tokens -= 1
        if account.tokens <= self._half and now >= account.refused_until:
            self._settle(key, account)
        return Quota(True, account.tokens + account.rest, math.ceil(account.ends_at - now))

    def refused_for_s(self, key: Hashable) -> int:
        """For how many seconds this process knows that there is nothing left; it spends nothing."""
        account = self._accounts.get(key)
        if account is None or account.tokens:
            return 0
        return max(math.ceil(account.refused_until - time.monotonic()), 0)

    def _new_account(self, key: Hashable, now: float) -> _Account:
        if len(self._accounts) >= MAX_KNOWN:
            self._accounts.clear()
        account = _Account(now + self.window.seconds, 2 * self._half, self._counted.amount)
        self._accounts[key] = account
        return account

    def _settle(self, key: Hashable, account: _Account) -> asyncio.Task[None]:
        """Have half a batch counted that is used up. Requests that come meanwhile share the answer."""
        if account.settling is None:
            account.settling = asyncio.create_task(self._count(key, account))
            account.settling.add_done_callback(lambda _done: setattr(account, "settling", None))
        return account.settling

    async def _count(self, key: Hashable, account: _Account) -> None:
        verdict: Verdict = await self._windows.take(self._counted, str(key), cost=self._half)
        now = time.monotonic()
        if verdict.is_allowed:
            account.tokens += self._half
            account.rest = verdict.remaining
            account.ends_at = now + self.window.seconds
        else:
            account.refused_until = now + verdict.retry_after_s
