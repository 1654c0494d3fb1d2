"""The migrations of the schema, for whoever brings a database up to date or puts an older one back."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

MIGRATIONS = Path(__file__).parents[1] / "migrations"


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
