"""Changing what nobody may change, as somebody who may do everything to the database."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from core.database import Database


def forge(database: Database, change: Callable[[Any], None]) -> None:
    """As somebody who may do everything to the database, its triggers included."""
    with database.transaction() as session:
        if database.dialect == "postgresql":
            session.execute(text("SET LOCAL session_replication_role = replica"))
            change(session)
            return
        triggers = session.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit_%'")
        ).all()
        for name, _ in triggers:
            session.execute(text(f"DROP TRIGGER {name}"))
        change(session)
        for _, sql in triggers:
            session.execute(text(sql))
