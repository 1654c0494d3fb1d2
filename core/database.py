"""The engine for PostgreSQL and SQLite, and the transactions that the edges open on it."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from core.engines import (
    CONNECT_TIMEOUT_S,
    LOCK_TIMEOUT_MS,
    READ_ONLY,
    SNAPSHOT,
    create_database_engine,
)
from core.logging import get_logger

BEFORE_COMMIT, AFTER_COMMIT = "outlay.before_commit", "outlay.after_commit"

READER_ROLE = "outlay_reader"
"""Of PostgreSQL: it sees the rows of the one user that is set, and those of their groups. A query that has
forgotten its condition finds nothing of anybody else's."""

WRITER_ROLE = "outlay_writer"
"""Of PostgreSQL: it reaches the rows of the users that are set, those of their groups, and of the others in
these what a group's writes touch."""

ACT_FOR = "SELECT set_config('outlay.user_id', %s, false)"
WRITE_FOR = "SELECT set_config('role', %s, true), set_config('outlay.user_ids', %s, true)"
"""Both end with the transaction, whether it is committed or not."""

CONFINED = "outlay.confined"

log = get_logger(__name__)

Reader = Session | Connection
"""What queries for rows (not for objects) run on."""


def dialect_of(reader: Reader) -> str:
    return (reader.get_bind() if isinstance(reader, Session) else reader).dialect.name


class Database:
    """One process's connections. Make it after a fork, never before.

    Who waits for a lock for longer than `lock_timeout_ms` gives up (`is_timed_out`). SQLite has no locks of
    rows, only the one write lock, for which everybody queues.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
        has_confined_readers: bool = False,
    ) -> None:
        """With confined readers PostgreSQL has twice as many connections, half of them as `READER_ROLE`."""
        self.engine = create_database_engine(url, pool_size=pool_size, lock_timeout_ms=lock_timeout_ms)
        self._reading = self.engine.execution_options(**{READ_ONLY: True})
        self._snapshots = self.engine.execution_options(**{READ_ONLY: True, SNAPSHOT: True})
        if self.dialect == "postgresql":
            self._snapshots = self.engine.execution_options(isolation_level="REPEATABLE READ")
            # Single statements need no BEGIN and ROLLBACK around them; that is two round trips less.
            self._reading = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self.confined_engine: Engine | None = None
        if has_confined_readers and self.dialect == "postgresql":
            self.confined_engine = create_database_engine(
                url, pool_size=pool_size, lock_timeout_ms=lock_timeout_ms, role=READER_ROLE
            )

    @property
    def dialect(self) -> str:
        return self.engine.dialect.name

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back whole. For the edges only."""
        with Session(self.engine, autoflush=False, expire_on_commit=False) as session:
            with session.begin():
                yield session
                if last_works := session.info.pop(BEFORE_COMMIT, ()):
                    _commit_with(session, last_works)
            for work in session.info.pop(AFTER_COMMIT, ()):
                work(session)

    @contextmanager
    def transaction_as(self, user_ids: Collection[UUID]) -> Iterator[Session]:
        """As `transaction`, of what the users may write; of none nobody's rows. SQLite confines nobody."""
        with self.transaction() as session:
            if self.dialect == "postgresql":
                connection = session.connection()
                users = ",".join(map(str, user_ids))
                connection.exec_driver_sql(WRITE_FOR, (WRITER_ROLE, f"{{{users}}}"))
                session.info[CONFINED] = True
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for queries: each sees what is committed when it runs, and nothing is ever written."""
        with Session(self._reading, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def reading_rows(self) -> Iterator[Connection]:
        """As `reading`, for queries that need rows only: a session would cost as much as a small query."""
        with self._reading.connect() as connection:
            yield connection

    @contextmanager
    def snapshot_rows(self) -> Iterator[Connection]:
        """As `reading_rows`, but all queries see the same: what was committed when the first of them ran."""
        with self._snapshots.connect() as connection:
            yield connection

    @contextmanager
    def reading_as(self, user_id: UUID | None) -> Iterator[Session]:
        """As `reading`, of what the user may see; for None of nobody's rows. SQLite confines nobody."""
        if self.confined_engine is None:
            with self.reading() as session:
                yield session
            return
        confined = self.confined_engine.execution_options(isolation_level="AUTOCOMMIT")
        with Session(confined, autoflush=False, expire_on_commit=False) as session:
            _act_for(session.connection(), user_id)
            yield session

    @contextmanager
    def reading_rows_as(self, user_id: UUID | None) -> Iterator[Connection]:
        """As `reading_rows`, of what the user may see."""
        if self.confined_engine is None:
            with self.reading_rows() as connection:
                yield connection
            return
        with self.confined_engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            _act_for(connection, user_id)
            yield connection

    @contextmanager
    def snapshot_rows_as(self, user_id: UUID | None) -> Iterator[Connection]:
        """As `snapshot_rows`, of what the user may see."""
        if self.confined_engine is None:
            with self.snapshot_rows() as connection:
                yield connection
            return
        with self.confined_engine.execution_options(
            isolation_level="REPEATABLE READ"
        ).connect() as connection:
            _act_for(connection, user_id)
            yield connection

    def learn(self, *tables: Table) -> None:
        """Have PostgreSQL look at what the tables hold by now, as it would by itself within minutes.

        Until then its plans are made for what was there before much was written at once.
        """
        if self.dialect == "postgresql":
            with self.engine.begin() as connection:
                connection.execute(text(f"ANALYZE {', '.join(table.name for table in tables)}"))

    def close(self) -> None:
        self.engine.dispose()
        if self.confined_engine is not None:
            self.confined_engine.dispose()


def _commit_with(session: Session, last_works: Iterable[Callable[[Session], None]]) -> None:
    """Send what they write together with the COMMIT, so that it takes no longer than that by itself."""
    session.flush()
    with pipelined(session):
        for work in last_works:
            work(session)
        if dialect_of(session) == "postgresql":
            # The session's own commit, which SQLite waits for, then finds nothing left to do.
            with driver_of(session) as connection:
                connection.commit()


def _act_for(connection: Connection, user_id: UUID | None) -> None:
    """Each reading says it anew: the connection was another user's before."""
    connection.exec_driver_sql(ACT_FOR, ("" if user_id is None else str(user_id),))


def before_commit(session: Session, work: Callable[[Session], None]) -> None:
    """Have work done as the transaction's last: what it locks nobody waits for any longer than a commit.

    It executes statements that answer nothing (`pipelined`).
    """
    session.info.setdefault(BEFORE_COMMIT, []).append(work)


def after_commit(session: Session, work: Callable[[Session], None]) -> None:
    """Have work done once the transaction counts for certain. It must not fail, nor use the session."""
    session.info.setdefault(AFTER_COMMIT, []).append(work)


@contextmanager
def driver_of(reader: Reader) -> Iterator[Any]:
    """The driver's connection, past SQLAlchemy; its errors come as those of SQLAlchemy."""
    connection = reader.connection() if isinstance(reader, Session) else reader
    raised: Any = connection.dialect.loaded_dbapi.Error
    try:
        yield connection.connection.driver_connection
    except raised as error:
        raise DBAPIError.instance(None, None, error, raised, hide_parameters=True) from error


@contextmanager
def pipelined(session: Session) -> Iterator[None]:
    """Send statements that answer nothing without waiting for one before the next; errors come at the end.

    SQLite is not at the other end of a connection, so there is nothing to wait for.
    """
    if session.get_bind().dialect.name != "postgresql":
        yield
        return
    with driver_of(session) as connection, connection.pipeline():
        yield


def abandon(session: Session) -> None:
    """Let go of a connection on which something other than the database has interrupted a statement.

    PostgreSQL would go on with the statement, hold its locks and take no other one; SQLite's library does not
    return before its statement has ended.
    """
    try:
        if session.get_bind().dialect.name == "postgresql":
            connection: Any = session.connection().connection.driver_connection
            connection.cancel_safe(timeout=CONNECT_TIMEOUT_S)
    except (psycopg.Error, SQLAlchemyError) as error:
        # Then its own time-out ends the statement.
        log.warning("statement.not_cancelled", error=error)
    finally:
        session.invalidate()


UNREACHABLE_STATES = ("08", "53", "57P", "25006")
"""Connection exceptions, insufficient resources, shut-down and start-up, and a standby that takes no writes
(PostgreSQL, appendix A)."""

LOCK_TIMED_OUT = "55P03"
TIMED_OUT_STATES = (LOCK_TIMED_OUT, "57014")
"""The time-outs of locks and statements: this work has to wait, others need not."""

RETRIED_STATES = ("40001", "40P01")
"""Serialization failure and deadlock: nothing is wrong with the work, only with its timing."""

SQLITE_UNAVAILABLE = frozenset({5, 8, 10, 13})
"""BUSY (no write lock within the busy timeout), READONLY, IOERR and FULL: sqlite.org/rescode.html."""


def is_unavailable(error: BaseException) -> bool:
    """The database cannot be reached, hung up or is overrun, as opposed to refusing this statement."""
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    # The low byte of an extended code is the primary one.
    if (
        error.connection_invalidated
        or getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in SQLITE_UNAVAILABLE
    ):
        return True
    if not isinstance(error.orig, psycopg.Error):
        return False
    sqlstate = error.orig.sqlstate
    if sqlstate is None:  # as for a connection that was never made
        return isinstance(error, OperationalError)
    return sqlstate.startswith(UNREACHABLE_STATES)


def is_timed_out(error: BaseException) -> bool:
    """It waited too long for a lock, or ran too long."""
    return _sqlstate(error) in TIMED_OUT_STATES


def is_locked_out(error: BaseException) -> bool:
    """Somebody else has held a lock for longer than was to be waited for."""
    return _sqlstate(error) == LOCK_TIMED_OUT


def is_retryable(error: BaseException) -> bool:
    """The same transaction may well succeed if it is run again."""
    return _sqlstate(error) in RETRIED_STATES


def is_undecodable(error: DBAPIError) -> bool:
    """A text of SQLite's, which keeps any bytes as one, is no UTF-8."""
    return str(error.orig).startswith("Could not decode to UTF-8")


def _sqlstate(error: BaseException) -> str | None:
    return getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else None
