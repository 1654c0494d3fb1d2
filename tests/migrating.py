"""Migrations, run from a test."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from core.database import Database
from core.migrations import migration_config


def migrate(url: str, target: str = "head") -> None:
    """Bring the database up to a revision."""
    database = Database(url, pool_size=1)
    with database.engine.connect() as connection:
        command.upgrade(config_for(connection), target)
        connection.commit()
    database.close()


def config_for(connection: Connection) -> Config:
    """Alembic's configuration, working on this connection."""
    config = migration_config()
    config.attributes["connection"] = connection
    return config
