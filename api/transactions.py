"""One request, one transaction: services run in a bounded pool of threads, one a database connection."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TypeVar
from uuid import UUID

from falcon.asgi import Request
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from api.answers import Answer
from api.audit import take_entry
from api.idempotency import answer_once, keyed_request
from api.measures import measures
from core.database import Database, is_retryable
from core.errors import Overloaded
from core.logging import get_logger
from core.services.audit import record_action
from core.services.idempotency import KeyedRequest
from core.services.outbox import staged_jobs
from core.tracing import span
from core.wakeups import WakeUps

T = TypeVar("T")
R = TypeVar("R", Session, Connection)

Transaction = Callable[[], AbstractContextManager[Session]]
"""Opens one: for some users, or for everybody."""

MAX_WAITING = 1_000
"""About a second's work of a busy process; whoever comes later is better off trying again."""

MAX_ATTEMPTS = 3
"""Deadlocks and dropped connections: the second try nearly always succeeds, a third says it is not luck."""

_caller: ContextVar[UUID | None] = ContextVar("caller", default=None)

log = get_logger(__name__)


def act_for(user_id: UUID) -> None:
    """From here on the request under way sees and writes what this user may."""
    _caller.set(user_id)


class Transactions:
    """Runs queries and services off the event loop."""

    def __init__(
        self, database: Database, wake_ups: WakeUps, *, threads: int, fingerprint_key: bytes
    ) -> None:
        self._database = database
        self._wake_ups = wake_ups
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="transaction")
        self._waiting = 0
        self._fingerprint_key = fingerprint_key

    async def read(self, query: Callable[[Session], T]) -> T:
        """The result of a query; it sees everything of the caller's that was committed before the call."""
        return await self.run(lambda: self._read(query, partial(self._database.reading_as, _caller.get())))

    async def read_rows(self, query: Callable[[Connection], T], *, user_id: UUID | None = None) -> T:
        """As `read`, for the queries that are asked for most: rows only, no objects.

        As long as it is to be found out who calls, the user who they say they are is given.
        """
        seen_by = user_id or _caller.get()
        return await self.run(lambda: self._read(query, partial(self._database.reading_rows_as, seen_by)))

    async def read_snapshot(self, query: Callable[[Connection], T]) -> T:
        """As `read_rows`, for several queries whose results must fit each other."""
        return await self.run(
            lambda: self._read(query, partial(self._database.snapshot_rows_as, _caller.get()))
        )

    async def read_all(self, query: Callable[[Session], T]) -> T:
        """As `read`, of everybody's rows: before it is known who calls, and for what is not their own."""
        return await self.run(lambda: self._read(query, self._database.reading))

    async def snapshot_all(self, query: Callable[[Connection], T]) -> T:
        """As `read_snapshot`, of everybody's rows."""
        return await self.run(lambda: self._read(query, self._database.snapshot_rows))

    async def write(self, service: Callable[[Session], T], *, user_id: UUID | None = None) -> T:
        """The result of a service, once its transaction has committed, and with it what the trail says.

        It reaches what the caller may write; or, as long as it is to be found out who calls, the given user.
        """
        return await self._write(_with_trail(service), self._as_caller(user_id))

    async def write_all(self, service: Callable[[Session], T]) -> T:
        """As `write`, of everybody's rows: before it is known who calls, and for what is not their own."""
        return await self._write(_with_trail(service), self._database.transaction)

    async def post(self, req: Request, owner_id: UUID, service: Callable[[Session], Answer]) -> Answer:
        """As `write`, but a repeated `Idempotency-Key` gives the stored answer instead of a second effect."""
        return await self._write(self._once(req, owner_id, service), self._as_caller())

    async def post_all(self, req: Request, owner_id: UUID, service: Callable[[Session], Answer]) -> Answer:
        """As `post`, of everybody's rows."""
        return await self._write(self._once(req, owner_id, service), self._database.transaction)

    def _once(
        self, req: Request, owner_id: UUID, service: Callable[[Session], Answer]
    ) -> Callable[[Session], Answer]:
        request = self.keyed_request(req, owner_id)
        recorded = _with_trail(service)
        if request is None:
            return recorded
        return lambda session: answer_once(session, request, recorded)

    def _as_caller(self, user_id: UUID | None = None) -> Transaction:
        caller = user_id or _caller.get()
        return partial(self._database.transaction_as, () if caller is None else (caller,))

    async def _write(self, service: Callable[[Session], T], transaction: Transaction) -> T:
        return await self.run(lambda: self.write_now(service, transaction))

    def keyed_request(self, req: Request, owner_id: UUID) -> KeyedRequest | None:
        return keyed_request(req, owner_id, self._fingerprint_key)

    async def run(self, work: Callable[[], T]) -> T:
        """Any blocking work, in one of the threads."""
        if self._waiting >= MAX_WAITING:
            raise Overloaded("too many requests are waiting")
        self._waiting += 1
        measures().transactions.inc()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, copy_context().run, work)
        finally:
            self._waiting -= 1
            measures().transactions.dec()

    def _read(self, query: Callable[[R], T], reading: Callable[[], AbstractContextManager[R]]) -> T:
        for attempt in range(1, MAX_ATTEMPTS + 1):
            try:
                with span("query"), reading() as reader:
                    return query(reader)
            except DBAPIError as error:
                if attempt == MAX_ATTEMPTS or not error.connection_invalidated:
                    raise
                log.warning("query.retried", attempt=attempt, error=error.orig)
        raise AssertionError("the last attempt returns or raises")

    def write_now(self, service: Callable[[Session], T], transaction: Transaction) -> T:
        """For threads: run the service in such a transaction, commit, wake the workers for what it staged."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            is_done = False
            try:
                with span("transaction"), transaction() as session:
                    result = service(session)
                    is_done = True
            except DBAPIError as error:
                # A connection lost in the commit may have committed: only the client may repeat that.
                is_lost_before_commit = error.connection_invalidated and not is_done
                if attempt == MAX_ATTEMPTS or not (is_retryable(error) or is_lost_before_commit):
                    raise
                log.warning("transaction.retried", attempt=attempt, error=error.orig)
                continue
            self._wake_ups.request(staged_jobs(session))
            return result
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        self._executor.shutdown(wait=True)


def _with_trail(service: Callable[[Session], T]) -> Callable[[Session], T]:
    """The service of the request under way: its effect and its place in the audit trail come together."""
    entry = take_entry()
    if entry is None:
        return service

    def recorded(session: Session) -> T:
        result = service(session)
        record_action(session, entry.action(result))
        return result

    return recorded
