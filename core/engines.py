"""Engines for PostgreSQL and SQLite: how connections are made, and what each is told first."""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url

CONNECT_TIMEOUT_S = 5
"""A database that does not answer within this is down; the caller gets its 503 in time to try again."""

KEEPALIVE_IDLE_S = 10
TCP_USER_TIMEOUT_MS = 15_000
"""A network that swallows packets is noticed within this; time-outs of the server's own do not help there."""

RECYCLE_S = 1_800
"""Firewalls forget connections that have been silent for about an hour."""

STATEMENT_TIMEOUT_MS = 30_000
"""Longer than any query should run, shorter than a proxy's patience."""

LOCK_TIMEOUT_MS = 10_000
"""Row locks are held for milliseconds; whoever waits this long waits for something that hangs."""

SQLITE_BUSY_TIMEOUT_S = 30
"""Writers queue for the one write lock; under a burst the last in the queue must still get it."""

POOL_WAIT_S = 10
"""Thread pools are as large as connection pools, so nobody should ever wait for a connection."""

READ_ONLY = "outlay_read_only"
SNAPSHOT = "outlay_snapshot"


# Parameters are hidden in both engines' errors: payees, notes and password hashes do not belong in a log.
def create_database_engine(
    url: str, *, pool_size: int, lock_timeout_ms: int, role: str | None = None
) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engine(url, pool_size=pool_size)
    if parsed.drivername == "postgres":
        parsed = parsed.set(drivername="postgresql+psycopg")
    settings = {
        "statement_timeout": STATEMENT_TIMEOUT_MS,
        "lock_timeout": lock_timeout_ms,
        # Instants come back in UTC, and days that are cast to text as ISO dates.
        "timezone": "UTC",
        "datestyle": "ISO",
        **({} if role is None else {"role": role}),
    }
    return create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        pool_recycle=RECYCLE_S,
        hide_parameters=True,
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "keepalives_idle": KEEPALIVE_IDLE_S,
            "tcp_user_timeout": TCP_USER_TIMEOUT_MS,
            "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
            "application_name": "outlay",
        },
    )


def _sqlite_engine(url: str, *, pool_size: int) -> Engine:
    path = make_url(url).database
    if path:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_S,
        hide_parameters=True,
        connect_args={"timeout": SQLITE_BUSY_TIMEOUT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite_transaction)
    return engine


def _prepare_sqlite_connection(connection: Any, _record: Any) -> None:
    # Not synchronous=NORMAL: an acknowledged expense must survive a power cut, not only a crash of ours.
    connection.isolation_level = None  # the driver must not begin transactions of its own
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "cache_size=-16000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite_transaction(connection: Connection) -> None:
    """A deferred BEGIN fails when it upgrades to a write, whatever the timeout; so writers say so first.

    Readers need none: as on PostgreSQL, each statement sees what is committed when it runs. For those who
    want a snapshot, the deferred one is right.
    """
    options = connection.get_execution_options()
    if options.get(SNAPSHOT, False):
        connection.exec_driver_sql("BEGIN")
    elif not options.get(READ_ONLY, False):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
