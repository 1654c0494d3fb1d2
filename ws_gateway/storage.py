"""What the gateway reads from the database: which sessions are live, and the notifications themselves."""

import asyncio
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import DatabaseUnavailable
from core.logging import get_logger
from core.metrics import watch_pool
from core.notification_channel import encode
from core.queries.notifications import notifications_after
from core.queries.sessions import LiveSession, live_sessions
from ws_gateway.outgoing import Outgoing

SessionKey = tuple[UUID, UUID]
"""`(user_id, session_id)`"""

READER_THREADS = 4
"""Queries take a millisecond or two, most of it in Python: more threads fight for the interpreter."""

PAGE_ROWS = 500
"""Notifications a read: few queries for a long absence, and at most some hundred KiB in memory a client."""

KEYS_PER_QUERY = 1_000
"""A variable each: SQLite takes 32,766 a statement and PostgreSQL 65,535. More at once would be no faster."""

Answer = TypeVar("Answer")

log = get_logger(__name__)


class Storage:
    """Queries in threads of their own, as many as there are database connections; none on the event loop."""

    def __init__(self, database_url: str) -> None:
        self._database = Database(database_url, pool_size=READER_THREADS + 1)
        watch_pool(self._database, "gateway", size=READER_THREADS + 1)
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="reader")
        # A revoked session must go within two seconds, however many clients are replaying meanwhile.
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="watcher")
        self._is_failing = False

    async def page_after(self, *, user_id: UUID, seq: int) -> list[Outgoing]:
        """The user's next notifications above `seq`; fewer than `PAGE_ROWS` end it.

        Raises:
            DatabaseUnavailable: it could not be asked.
        """

        def read(session: Session) -> list[Outgoing]:
            rows = notifications_after(session, user_id=user_id, after=seq, limit=PAGE_ROWS)
            return [Outgoing(row.seq, encode(row), row.created_at, "stored") for row in rows]

        return await self._run(self._readers, read)

    async def admit(self, keys: Collection[SessionKey]) -> dict[SessionKey, LiveSession]:
        """Which of the sessions are live, for those who want to come in.

        Raises:
            DatabaseUnavailable: it could not be asked.
        """
        return await self._live_sessions(self._readers, keys)

    async def recheck(self, keys: Collection[SessionKey]) -> dict[SessionKey, LiveSession]:
        """Which of the sessions are still live; it never waits behind other reads.

        Raises:
            DatabaseUnavailable: it could not be asked.
        """
        return await self._live_sessions(self._watcher, keys)

    def close(self) -> None:
        for threads in (self._readers, self._watcher):
            threads.shutdown(wait=False, cancel_futures=True)
        self._database.close()

    async def _live_sessions(
        self, threads: ThreadPoolExecutor, keys: Collection[SessionKey]
    ) -> dict[SessionKey, LiveSession]:
        remaining = list(keys)
        live: dict[SessionKey, LiveSession] = {}
        for start in range(0, len(remaining), KEYS_PER_QUERY):
            chunk = remaining[start : start + KEYS_PER_QUERY]
            live |= await self._run(threads, partial(live_sessions, keys=chunk))
        return live

    async def _run(self, threads: ThreadPoolExecutor, read: Callable[[Session], Answer]) -> Answer:
        def read_in_session() -> Answer:
            with self._database.reading() as session:
                return read(session)

        try:
            answer = await asyncio.get_running_loop().run_in_executor(threads, read_in_session)
        except SQLAlchemyError as error:
            if not self._is_failing:
                # Once, not for each of thousands of clients, and the driver's error without the statement.
                log.warning("database.failing", error=getattr(error, "orig", None) or error)
            self._is_failing = True
            raise DatabaseUnavailable("the database cannot be read at the moment") from error
        if self._is_failing:
            log.warning("database.recovered")
            self._is_failing = False
        return answer
