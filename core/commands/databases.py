"""The database of a command, which works on it alone and for a moment."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from core.config import Settings
from core.database import Database, is_unavailable
from core.errors import DatabaseUnavailable


@contextmanager
def opened_database(settings: Settings) -> Iterator[Database]:
    """Closed at the end.

    Raises:
        DatabaseUnavailable: it cannot be reached, or is gone meanwhile; names the setting.
    """
    database = Database(settings.database, pool_size=1)
    try:
        yield database
    except SQLAlchemyError as error:
        if not is_unavailable(error):
            raise
        raise DatabaseUnavailable(f"OUTLAY_DATABASE_URL: {' '.join(str(error).split())}") from error
    finally:
        database.close()
