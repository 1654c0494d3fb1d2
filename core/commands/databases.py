"""The database of a command, which works on it alone and for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from core.config import Settings
from core.database import Database, is_unavailable
from core.errors import ConfigurationError, DatabaseUnavailable


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Closed at the end.

    Raises:
        ConfigurationError: there is none, or nothing in it.
        DatabaseUnavailable: it cannot be reached, or is gone meanwhile; names the setting.
    """
    _check_is_there(settings)
    database = Database(settings.database, pool_size=1)
    try:
        _check_is_migrated(database)
        yield database
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        raise DatabaseUnavailable(f"OUTLAY_DATABASE_URL: {' '.join(str(error).split())}") from error
    finally:
        database.close()


def _check_is_there(settings: Settings) -> None:
    """SQLite would make it: of a mistyped name there would be an empty database, and its folder."""
    url = make_url(settings.database)
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        raise ConfigurationError(
            f"there is no database at {url.database}: see OUTLAY_DATA_DIR and OUTLAY_DATABASE_URL"
        )


def _check_is_migrated(database: Database) -> None:
    with database.reading_rows() as connection:
        if not inspect(connection).has_table("alembic_version"):
            raise ConfigurationError("the database was never migrated: `python -m core migrate` does that")
