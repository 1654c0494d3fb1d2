"""Bring the database's schema up to date with Alembic."""

import argparse
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import ArgumentError, OperationalError

from core.errors import ConfigurationError

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", default="head", help="the revision to go up to (head)")


def run(arguments: argparse.Namespace) -> int:
    try:
        command.upgrade(migration_config(), arguments.target)
    except ArgumentError as error:
        raise ConfigurationError(f"OUTLAY_DATABASE_URL: {error}") from error
    except OperationalError as error:
        if error.statement is not None:
            raise
        # No connection could be made: the reason is all that helps.
        raise ConfigurationError(f"OUTLAY_DATABASE_URL: {' '.join(str(error.orig).split())}") from error
    print("The database is up to date.")
    return 0


def migration_config() -> Config:
    """Alembic's configuration; `migrations/env.py` reads the database's address from the environment."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


class Migrations:
    """Alembic's revisions, one behind the other, for whoever has a connection of their own."""

    def __init__(self) -> None:
        revisions = ScriptDirectory.from_config(migration_config()).walk_revisions()
        self._upwards = [one.revision for one in revisions][::-1]

    @property
    def newest(self) -> str:
        return self._upwards[-1]

    def knows(self, revision: str) -> bool:
        return revision in self._upwards

    def move(self, connection: Connection, revision: str) -> None:
        """Bring the schema there from wherever it is, in the connection's transaction."""
        config = migration_config()
        config.attributes["connection"] = connection
        now = MigrationContext.configure(connection).get_current_revision()
        if now is not None and self._upwards.index(revision) < self._upwards.index(now):
            command.downgrade(config, revision)
        elif now != revision:
            command.upgrade(config, revision)
