"""An empty database for a moment, to see that a backup can be put back. Nothing of it outlives the block."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

from core.backup.errors import BackupError
from core.database import Database
from core.ids import new_id

PREFIX = ".outlay-verification-"

FORBIDDEN = "42501"
"""insufficient_privilege (PostgreSQL, appendix A)."""


@contextmanager
def throw_away(database: Database) -> Iterator[Connection]:
    """A connection to an empty database of the same kind, in a transaction that is rolled back.

    On PostgreSQL that is a schema of its own in the same database, which nobody else ever sees; on SQLite a
    file beside the database, where there is room for the data and who may read it is settled already.
    """
    if database.dialect == "postgresql":
        with _rolled_back(database) as connection:
            _make_schema(connection)
            yield connection
        return
    place = Path(database.engine.url.database or ".").parent
    _remove_left_over(place)
    with _folder_in(place) as folder, _held(Path(folder)):
        empty = Database(f"sqlite:///{Path(folder) / 'outlay.db'}", pool_size=1)
        try:
            with _rolled_back(empty) as connection:
                yield connection
        finally:
            empty.close()


def _folder_in(place: Path) -> TemporaryDirectory[str]:
    try:
        return TemporaryDirectory(prefix=PREFIX, dir=place)
    except OSError as error:
        raise BackupError(f"cannot try it out in {place}: {error.strerror or error}") from error


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """For as long as this process lives nobody takes it for left over.

    Raises:
        BlockingIOError: somebody else has it.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_left_over(place: Path) -> None:
    """Of somebody who was killed: each is as large as the database."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError), _held(folder):
            shutil.rmtree(folder)


@contextmanager
def _rolled_back(database: Database) -> Iterator[Connection]:
    with database.engine.connect() as connection, connection.begin() as transaction:
        yield connection
        transaction.rollback()


def _make_schema(connection: Connection) -> None:
    name = f"outlay_verification_{new_id().hex}"
    try:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != FORBIDDEN:
            raise
        raise BackupError(
            "the database's role may not make the schema in which a backup is tried out: "
            "GRANT CREATE ON DATABASE … TO it"
        ) from error
    # Without public: nothing of what is there may be taken for what the backup brings.
    connection.execute(text(f"SET LOCAL search_path TO {name}"))
