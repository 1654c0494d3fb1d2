"""Rows by the thousand, past SQLAlchemy's work on each, which would take longer than all the rest."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, lru_cache
from itertools import chain, islice
from typing import Any

from psycopg import sql
from sqlalchemy import Connection, CursorResult, Dialect, Insert, Select, Table, column, insert
from sqlalchemy import table as bare_table
from sqlalchemy.orm import Session

from core.database import CONFINED, driver_of

Conversion = Callable[[Any], Any]

ROWS_A_COPY = 10_000
"""A COPY is one statement for as long as rows come, and no statement may take longer than its time-out."""

MAX_KEPT = 64
"""Statements as text: a few for each table that gets many rows at once. Tests have many dialects."""


@contextmanager
def raw_rows(
    connection: Connection, query: Select[Any], parameters: Mapping[str, Any], *, size: int
) -> Iterator[Iterator[list[tuple[Any, ...]]]]:
    """The rows of a query as the driver has them, `size` at a time, and no more of them in memory.

    Without the conversions of SQLAlchemy, which take longer than all the rest where rows are read by the
    million. Whoever wants the same on both databases has the query cast everything to texts and numbers.

    While the caller deals with some of PostgreSQL's, the next ones are on their way. Meanwhile the connection
    may be read from like this for another query, but not be used in any other way.
    """
    streaming = connection.execution_options(stream_results=True, max_row_buffer=size)
    with streaming.execute(query, parameters) as found:
        if connection.dialect.name == "postgresql":
            with ThreadPoolExecutor(1, thread_name_prefix="rows") as thread:
                yield _prefetched(thread, found, size)
        else:
            # It is not at the other end of a connection, and would only take turns with the caller.
            yield iter(lambda: _fetch(found, size), [])


def _prefetched(
    thread: ThreadPoolExecutor, found: CursorResult[Any], size: int
) -> Iterator[list[tuple[Any, ...]]]:
    coming = thread.submit(_fetch, found, size)
    while batch := coming.result():
        coming = thread.submit(_fetch, found, size)
        yield batch


def _fetch(found: CursorResult[Any], size: int) -> list[tuple[Any, ...]]:
    # The strategy of a result whose cursor is at its end is another one.
    rows: list[tuple[Any, ...]] = found.cursor_strategy.fetchmany(found, found.cursor, size)
    return rows


def insert_rows(session: Session, table: Table, rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert many rows, all with the same columns, past SQLAlchemy's work on each: on PostgreSQL by COPY.

    That is a tenth of the client's time there, where the server works on the first rows while the next ones
    are made, and a half on SQLite. It fits no pipeline. A confined transaction may not COPY, and inserts.
    """
    coming = iter(rows)
    first = next(coming, None)
    if first is None:
        return
    every, names = chain((first,), coming), tuple(first)
    if session.get_bind().dialect.name == "sqlite":
        execute_for_rows(session, _insertion(table, names), every)
        return
    if session.info.get(CONFINED):
        session.execute(_insertion(table, names), list(every))
        return
    dialect = session.get_bind().dialect
    types = [str(table.c[name].type.compile(dialect)).partition("(")[0].lower() for name in names]
    columns = sql.SQL(", ").join(map(sql.Identifier, names))
    command = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table.name), columns)
    with driver_of(session) as connection, connection.cursor() as cursor:
        for row in every:
            with cursor.copy(command) as copy:
                copy.set_types(types)
                for one in chain((row,), islice(every, ROWS_A_COPY - 1)):
                    copy.write_row([one[name] for name in names])


@cache
def _insertion(table: Table, names: tuple[str, ...]) -> Insert:
    """Of a bare table, which has no defaults for other columns."""
    return insert(bare_table(table.name, *(column(name, table.c[name].type) for name in names)))


def execute_for_rows(session: Session, statement: Insert, rows: Iterable[Mapping[str, Any]]) -> None:
    """Execute an insertion for each of many rows, past SQLAlchemy's work on each. For SQLite.

    The statement is one that is kept, as what it is compiled to is kept with it.
    """
    text, conversions = _for_driver(statement, session.get_bind().dialect)
    as_stored = [(name, _remembering(convert)) for name, convert in conversions]
    stored = (
        [row[name] if convert is None else convert(row[name]) for name, convert in as_stored] for row in rows
    )
    with driver_of(session) as connection:
        connection.executemany(text, stored)


@lru_cache(maxsize=MAX_KEPT)
def _for_driver(statement: Insert, dialect: Dialect) -> tuple[str, list[tuple[str, Conversion | None]]]:
    """Its text, and how the driver wants each of its values, in their order."""
    compiled: Any = statement.compile(dialect=dialect)
    types = [(name, compiled.binds[name].type.dialect_impl(dialect)) for name in compiled.positiontup]
    return compiled.string, [(name, type_.bind_processor(dialect)) for name, type_ in types]


def _remembering(convert: Conversion | None) -> Conversion | None:
    """The conversion, not made again for the very same value: of many rows, owner and time are one."""
    if convert is None:
        return None
    given = stored = None

    def converted(value: Any) -> Any:
        nonlocal given, stored
        if value is not given:
            given, stored = value, convert(value)
        return stored

    return converted
