"""What tables a database has, asked of itself: so that none is forgotten, at whatever revision it is."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Integer, Select, column, func, inspect, select, table, union
from sqlalchemy.engine.interfaces import ReflectedColumn
from sqlalchemy.sql.expression import TableClause

from core.backup.documents import TableSums
from core.database import Reader

REVISIONS = "alembic_version"
"""Alembic's own table: where the schema is, and not part of what is kept in it."""

FILE_COLUMN = "sha256"
"""A column of this name names a file of `core/files.py`; a test holds that no other does."""

SPLIT = 1_000_000
"""Sums are added up in two parts: SQLite's end at 64 bits, where a million large amounts do not."""


@dataclass(frozen=True, slots=True)
class StoredTable:
    name: str
    columns: tuple[str, ...]
    amounts: tuple[str, ...]
    """The columns whose sums are compared."""


def list_tables(connection: Connection) -> list[StoredTable]:
    """All but Alembic's own, each behind those that it refers to. Computed columns are left out.

    In another order SQLite would look through a table for each row that comes into one that it refers to.
    """
    inspector = inspect(connection)
    columns = {name: found for (_, name), found in inspector.get_multi_columns().items()}
    names = [name for name, _ in inspector.get_sorted_table_and_fkc_names() if name in columns]
    return [_stored(name, columns[name]) for name in names if name != REVISIONS]


def _stored(name: str, columns: list[ReflectedColumn]) -> StoredTable:
    stored = [one for one in columns if "computed" not in one]
    amounts = [
        one["name"]
        for one in stored
        if isinstance(one["type"], Integer)
        if one["name"].endswith("_minor") or one["name"] == "count"
    ]
    return StoredTable(name, tuple(one["name"] for one in stored), tuple(amounts))


def current_revision(connection: Connection) -> str | None:
    """Where Alembic has brought the schema; None where it has never been."""
    if not inspect(connection).has_table(REVISIONS):
        return None
    return connection.scalar(select(column("version_num")).select_from(table(REVISIONS)))


def sums_of(connection: Connection, stored: StoredTable) -> TableSums:
    """As the transaction of this connection sees it."""
    parts = [
        part
        for name in stored.amounts
        for part in (
            func.coalesce(func.sum(column(name, Integer).op("/")(SPLIT)), 0),
            func.coalesce(func.sum(column(name, Integer).op("%")(SPLIT)), 0),
        )
    ]
    rows, *found = connection.execute(select(func.count(), *parts).select_from(_named(stored.name))).one()
    pairs = zip(found[::2], found[1::2], strict=True)
    sums = {
        name: str(int(high) * SPLIT + int(low))
        for name, (high, low) in zip(stored.amounts, pairs, strict=True)
    }
    return TableSums(rows=rows, sums=sums)


def has_rows(connection: Connection, name: str) -> bool:
    return connection.execute(select(1).select_from(_named(name)).limit(1)).first() is not None


def named_files(reader: Reader, tables: list[StoredTable]) -> list[str]:
    """The hashes of all files that rows speak of, each once."""
    queries: list[Select[Any]] = [
        select(column(FILE_COLUMN)).select_from(_named(one.name)).where(column(FILE_COLUMN).is_not(None))
        for one in tables
        if FILE_COLUMN in one.columns
    ]
    return sorted(row[0] for row in reader.execute(union(*queries))) if queries else []


def is_named(reader: Reader, tables: list[StoredTable], sha256: str) -> bool:
    return any(
        reader.execute(
            select(1).select_from(_named(one.name)).where(column(FILE_COLUMN) == sha256).limit(1)
        ).first()
        for one in tables
        if FILE_COLUMN in one.columns
    )


def _named(name: str) -> TableClause:
    return table(name)
