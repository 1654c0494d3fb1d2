"""Migrations go up and down on both databases, and lead exactly to the models."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from core.database import Database
from core.models import Base
from core.models.ledger import SQLITE_ONLY_TABLES
from tests.migrating import config_for


def test_the_migrations_lead_to_what_the_models_say(migrated_copy: Database) -> None:
    with migrated_copy.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, *_rest: name not in SQLITE_ONLY_TABLES,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_every_migration_can_be_taken_back_and_repeated(migrated_copy: Database) -> None:
    for target in ("base", "head"):
        with migrated_copy.engine.connect() as connection:
            step = command.downgrade if target == "base" else command.upgrade
            step(config_for(connection), target)
            connection.commit()
            tables = set(inspect(connection).get_table_names()) - {"alembic_version"} - SQLITE_ONLY_TABLES
        assert tables == (set() if target == "base" else set(Base.metadata.tables))
