"""Removing what has outlived its promise, batch by batch."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, TextClause, bindparam, delete, select
from sqlalchemy.orm import Session

PURGE_BATCH = 1_000
"""Rows a transaction: on SQLite nobody writes meanwhile."""

Condition = ColumnElement[bool] | TextClause


def some_of(session: Session, table: Table, *conditions: Condition) -> Sequence[Row[Any]]:
    """The keys of up to `PURGE_BATCH` rows, locked; those that somebody else is at are left for later."""
    keys = select(*table.primary_key.columns).where(*conditions).limit(PURGE_BATCH)
    return session.execute(keys.with_for_update(skip_locked=True)).all()


def delete_some(session: Session, table: Table, *conditions: Condition) -> int:
    """Delete up to `PURGE_BATCH` rows; answers how many there were, 0 when nothing is left."""
    rows = some_of(session, table, *conditions)
    if rows:
        is_it = (column == bindparam(f"its_{column.name}") for column in table.primary_key.columns)
        keys = [{f"its_{name}": value for name, value in row._mapping.items()} for row in rows]
        session.execute(delete(table).where(*is_it), keys)
    return len(rows)
