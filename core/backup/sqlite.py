"""Copying SQLite's tables out and in: rows as they are stored, some hundred of them at a time as msgpack."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from core.backup.container import MAX_CHUNK_BYTES
from core.backup.errors import BackupError, DamagedBackup
from core.backup.schema import StoredTable
from core.database import driver_of

BATCH = 2_000
"""Rows of a part: about half a megabyte of expenses."""

CACHE_KIB = 128_000
"""While a database is filled and its indexes are sorted; with half of it that takes half as long again."""

Rows = list[Sequence[Any]]


def begin_copying(connection: Connection) -> None:
    """The snapshot is that of the first statement; writers go on beside it."""


def dump(connection: Connection, table: StoredTable) -> Iterator[bytes]:
    columns = ", ".join(_quoted(connection, name) for name in table.columns)
    query = f"SELECT {columns} FROM {_quoted(connection, table.name)}"  # noqa: S608 - names of the schema
    with driver_of(connection) as driver:
        cursor = driver.execute(query)
        while rows := cursor.fetchmany(BATCH):
            yield from _encoded(rows)


def _encoded(rows: Rows) -> Iterator[bytes]:
    data = msgspec.msgpack.encode(rows)
    if len(data) < MAX_CHUNK_BYTES or len(rows) == 1:
        yield data
        return
    middle = len(rows) // 2
    yield from _encoded(rows[:middle])
    yield from _encoded(rows[middle:])


def sequences(connection: Connection) -> dict[str, tuple[int, bool]]:  # noqa: ARG001
    """None: the next number of a table is the highest that it has, and one."""
    return {}


def begin_filling(connection: Connection) -> None:
    """The transaction has the one write lock from its beginning.

    Foreign keys are looked at when it ends: rows that refer to others of their table come in any order.
    """
    connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
    connection.exec_driver_sql(f"PRAGMA cache_size = -{CACHE_KIB}")


def strip(connection: Connection) -> list[str]:
    """Indexes that are no constraint's: made of whole tables they take half the time."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
    found = connection.exec_driver_sql(query).all()
    for name, _ in found:
        connection.exec_driver_sql(f"DROP INDEX {_quoted(connection, name)}")
    return [statement for _, statement in found]


def load(connection: Connection, table: StoredTable, parts: Iterable[bytes]) -> None:
    columns = ", ".join(_quoted(connection, name) for name in table.columns)
    places = ", ".join("?" * len(table.columns))
    name = _quoted(connection, table.name)
    statement = f"INSERT INTO {name} ({columns}) VALUES ({places})"  # noqa: S608 - names of the schema
    for part in parts:
        try:
            rows = msgspec.msgpack.decode(part, type=list[list[Any]])
        except msgspec.MsgspecError as error:
            raise DamagedBackup(f"rows of {table.name} cannot be understood: {error}") from error
        with driver_of(connection) as driver:
            driver.executemany(statement, rows)


def set_sequences(connection: Connection, found: dict[str, tuple[int, bool]]) -> None:
    """There are none."""


def rebuild(connection: Connection, statements: list[str]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
    wrong = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if wrong is not None:
        raise BackupError(f"a row of {wrong[0]} refers to one of {wrong[2]} that is not there")


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)
