"""bcrypt off the event loop, in a pool of its own, so that logins never starve the database's threads."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

from api.measures import measures
from core.errors import Overloaded
from core.security import NO_PASSWORD, catch_up, hash_password, is_password

T = TypeVar("T")

MAX_WAITING = 40
"""At cost 12 and two cores about five seconds of waiting; past that a 503 is kinder than a queue."""


class Passwords:
    def __init__(self, *, cost: int) -> None:
        self._cost = cost
        self._executor = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="password")
        self._waiting = 0
        # Somebody unknown is checked against this, so that it takes as long as for somebody known.
        self._nobody = hash_password("nobody's password", cost=cost)

    async def hash(self, password: str) -> str:
        return await self.run(lambda: hash_password(password, cost=self._cost))

    async def is_password(self, password: str, password_hash: str | None) -> bool:
        """Whether the password fits; without a hash (an unknown login) never, after the same work."""
        if password_hash == NO_PASSWORD:
            password_hash = None
        is_right = await self.run(lambda: self._check(password, password_hash or self._nobody))
        return is_right and password_hash is not None

    def _check(self, password: str, password_hash: str) -> bool:
        is_right = is_password(password, password_hash)
        catch_up(password_hash, cost=self._cost)
        return is_right

    async def run(self, work: Callable[[], T]) -> T:
        """Any work on passwords that is too much for the event loop, in one of the threads."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many logins are waiting")
        self._waiting += 1
        measures().passwords.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, work)
        finally:
            self._waiting -= 1
            measures().passwords.dec()

    def close(self) -> None:
        self._executor.shutdown(wait=True)
