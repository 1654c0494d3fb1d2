"""Copying PostgreSQL's tables out and in: COPY in its binary format, whole tables in one statement."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text

from core.backup.container import CHUNK_BYTES
from core.backup.schema import StoredTable, list_tables
from core.database import driver_of

LOCK_TIMEOUT = "5s"
"""Who fills a database has it alone: what still works on it has to be stopped first."""

CONSTRAINTS = text("""
SELECT format('ALTER TABLE %I DROP CONSTRAINT %I', rel.relname, con.conname),
  format('ALTER TABLE %I ADD CONSTRAINT %I %s', rel.relname, con.conname, pg_get_constraintdef(con.oid))
FROM pg_constraint con JOIN pg_class rel ON rel.oid = con.conrelid
WHERE con.contype = 'f' AND con.connamespace = current_schema()::regnamespace AND con.conparentid = 0
ORDER BY rel.relname, con.conname
""")
INDEXES = text("""
SELECT format('DROP INDEX %I', own.relname), pg_get_indexdef(own.oid)
FROM pg_index JOIN pg_class own ON own.oid = pg_index.indexrelid
WHERE own.relnamespace = current_schema()::regnamespace AND NOT own.relispartition
  AND NOT EXISTS (
    SELECT FROM pg_constraint con WHERE con.conindid = own.oid AND con.contype IN ('p', 'u', 'x')
  )
ORDER BY own.relname
""")
SEQUENCES = text("""
SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema() ORDER BY sequencename
""")


def begin_copying(connection: Connection) -> None:
    """Locks the tables before the snapshot is taken.

    To a snapshot that is older a table looks empty once an ALTER TABLE has rewritten it (PostgreSQL, chapter
    13.6, Caveats). A migration that is under way is waited for; the next one waits for the backup.
    """
    names = [_quoted(connection, table.name) for table in list_tables(connection)]
    # To ask for the tables was to take a snapshot; settings and locks alone take none.
    connection.rollback()
    connection.execute(text("SET TRANSACTION READ ONLY"))
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL lock_timeout = 0"))
    # Policies that would hide rows from this role are an error: a backup of a part looks like a whole one.
    connection.execute(text("SET LOCAL row_security = off"))
    if names:
        connection.execute(text(f"LOCK TABLE {', '.join(names)} IN ACCESS SHARE MODE"))


def dump(connection: Connection, table: StoredTable) -> Iterator[bytes]:
    with _copying(connection, table, "TO STDOUT") as copy:
        rows, size = [], 0
        for row in copy:
            rows.append(row)
            size += len(row)
            if size >= CHUNK_BYTES:
                yield b"".join(rows)
                rows, size = [], 0
        if rows:
            yield b"".join(rows)


def sequences(connection: Connection) -> dict[str, tuple[int, bool]]:
    names = connection.scalars(SEQUENCES).all()
    found = {}
    for name in names:
        query = text(f"SELECT last_value, is_called FROM {_quoted(connection, name)}")  # noqa: S608
        last, is_called = connection.execute(query).one()
        found[name] = last, is_called
    return found


def begin_filling(connection: Connection) -> None:
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    connection.execute(text("SET LOCAL row_security = off"))
    connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    # Indexes are sorted in memory as far as this goes; twice as much gains nothing.
    connection.execute(text("SET LOCAL maintenance_work_mem = '128MB'"))
    names = [_quoted(connection, table.name) for table in list_tables(connection)]
    if names:
        connection.execute(text(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"))


def strip(connection: Connection) -> list[str]:
    """Foreign keys and the indexes that are no constraint's: row by row they take most of the time."""
    made_again: list[str] = []
    # Indexes are made first again: foreign keys may lean on unique ones.
    for query in (CONSTRAINTS, INDEXES):
        found = connection.execute(query).all()
        for take_away, _ in found:
            connection.exec_driver_sql(_literal(take_away))
        made_again = [_literal(make) for _, make in found] + made_again
    return made_again


def load(connection: Connection, table: StoredTable, parts: Iterable[bytes]) -> None:
    with _copying(connection, table, "FROM STDIN") as copy:
        for part in parts:
            copy.write(part)


def set_sequences(connection: Connection, found: dict[str, tuple[int, bool]]) -> None:
    for name, (last, is_called) in found.items():
        connection.execute(
            text("SELECT setval(:name, :last, :is_called)"),
            {"name": _quoted(connection, name), "last": last, "is_called": is_called},
        )


def rebuild(connection: Connection, statements: list[str]) -> None:
    # No table can be altered while a trigger still waits for the commit.
    connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    connection.execute(text("SET CONSTRAINTS ALL DEFERRED"))
    for statement in statements:
        connection.exec_driver_sql(statement)
    # Else its plans are those for empty tables until autovacuum comes by.
    names = ", ".join(_quoted(connection, table.name) for table in list_tables(connection))
    connection.execute(text(f"ANALYZE {names}"))


@contextmanager
def _copying(connection: Connection, table: StoredTable, direction: str) -> Iterator[Any]:
    columns = ", ".join(_quoted(connection, name) for name in table.columns)
    statement = f"COPY {_quoted(connection, table.name)} ({columns}) {direction} (FORMAT BINARY)"
    with driver_of(connection) as driver, driver.cursor() as cursor, cursor.copy(statement) as copy:
        yield copy


def _quoted(connection: Connection, name: str) -> str:
    return connection.dialect.identifier_preparer.quote_identifier(name)


def _literal(statement: str) -> str:
    # The driver takes a percent sign for a parameter.
    return statement.replace("%", "%%")
