"""Alembic's entry: one migration at a time, and never one that blocks the running service for long."""

import os
from typing import Literal

from alembic import context
from sqlalchemy import Connection, text

from core.config import load_settings
from core.database import Database
from core.models import Base
from core.models.base import JsonDocument, UtcDateTime
from core.models.ledger import SQLITE_ONLY_TABLES

MIGRATION_LOCK = 4_021_976
"""Any fixed number: two processes that migrate at once take turns (PostgreSQL advisory lock)."""

LOCK_TIMEOUT = "5s"
"""A migration that waits for a table lock makes every later query wait behind it; rather try again."""


def render_item(kind: str, item: object, _context: object) -> str | Literal[False]:
    """Migrations name SQLAlchemy's own types: they must run long after ours have changed."""
    if kind == "type" and item is UtcDateTime:
        return "sa.DateTime(timezone=True)"
    if kind == "type" and item is JsonDocument:
        return 'sa.JSON().with_variant(postgresql.JSONB(), "postgresql")'
    return False


def is_compared(name: str | None, kind: str, _parents: object) -> bool:
    return kind != "table" or name not in SQLITE_ONLY_TABLES


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Base.metadata,
        render_as_batch=context.config.attributes.get("render_as_batch", True),
        render_item=render_item,
        include_name=is_compared,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    database = Database(load_settings(os.environ).database, pool_size=1)
    with database.engine.connect() as own:
        migrate(own)
    database.close()
