"""Rows that refer to rows which are not there.

PostgreSQL lets nobody write such. SQLite looks only where the connection has told it to, as ours do; its own
shell does not.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.database import dialect_of
from core.models import Base
from core.queries.invariants import MAX_DIFFERENCES

LOST = text("SELECT rowid, parent FROM pragma_foreign_key_check(:name) LIMIT :most")


@dataclass(frozen=True, slots=True)
class LostReference:
    """What SQLite says of a row: its number in its table, and the table in which there is nothing to it."""

    rowid: int | None
    parent: str


def referring_tables(session: Session) -> Sequence[str]:
    """Each by itself, as SQLite has no time limit for a statement; of PostgreSQL there is none to look at."""
    if dialect_of(session) == "postgresql":
        return []
    return [table.name for table in Base.metadata.sorted_tables if table.foreign_keys]


def lost_references(session: Session, *, table: str) -> list[LostReference]:
    """Those of one table's rows, `MAX_DIFFERENCES` at most."""
    rows = session.execute(LOST, {"name": table, "most": MAX_DIFFERENCES})
    return [LostReference(row.rowid, row.parent) for row in rows]
