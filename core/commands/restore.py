"""Put a backup into an empty database and its files into their folder; all of it, or nothing."""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.backup.container import ChunkReader
from core.backup.documents import Manifest
from core.backup.errors import BackupError, DamagedBackup
from core.backup.restoring import restore
from core.backup.throwaway import throw_away
from core.commands.data_folder import prepare_folder
from core.commands.migrate import Migrations
from core.config import Settings, load_settings
from core.database import Database, is_locked_out, is_unavailable
from core.errors import DatabaseUnavailable
from core.files import FileStore
from core.services.changes import begin_epochs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="what `outlay backup` has written")
    parser.add_argument(
        "--verify-only", action="store_true", help="put it into a database that is thrown away at once"
    )


def run(arguments: argparse.Namespace) -> int:
    settings, started = load_settings(os.environ), time.monotonic()
    if not arguments.verify_only:
        prepare_folder(Path(settings.data_dir))
    database = database_for_backups(settings)
    try:
        with refusals_explained():
            if arguments.verify_only:
                manifest = verify(settings, database, arguments.file)
            else:
                manifest = put_back(settings, database, arguments.file)
    finally:
        database.close()
    where = "an empty database, and thrown away" if arguments.verify_only else "the database"
    print(
        f"{manifest.rows:,} rows and {manifest.files:,} files put into {where}: counts and sums are right, "
        f"{time.monotonic() - started:.1f} s"
    )
    for sha256 in manifest.missing:
        print(f"This file was missing or damaged when the backup was made: {sha256}")
    return 0


def database_for_backups(settings: Settings) -> Database:
    """The one place that opens it for backups: its role must see all rows and own the tables."""
    return Database(settings.database, pool_size=2)


def require_database(database: Database) -> None:
    """SQLite makes a file that is not there: of a mistyped name there would be an empty backup."""
    path = database.engine.url.database
    if database.dialect == "sqlite" and path and not Path(path).exists():
        raise BackupError(f"there is no database at {path}: see OUTLAY_DATA_DIR and OUTLAY_DATABASE_URL")


def put_back(settings: Settings, database: Database, path: Path) -> Manifest:
    store = FileStore(settings.files)

    def keep(sha256: str, parts: Iterator[bytes]) -> None:
        with store.draft() as draft:
            for part in parts:
                draft.write(part)
            if draft.keep().sha256 != sha256:
                raise DamagedBackup(f"the file {sha256} is not what its name says")

    with _opened(path, settings) as reader, database.engine.begin() as connection:
        manifest = restore(connection, iter(reader), schema=Migrations(), keep=keep)
        # Clients may have copies of what was written after the backup, and nobody knows of that any more.
        with Session(connection) as session:
            begin_epochs(session)
    return manifest


def verify(settings: Settings, database: Database, path: Path) -> Manifest:
    """Do the same in a database that is thrown away."""

    def keep(_sha256: str, parts: Iterator[bytes]) -> None:
        for _ in parts:
            pass

    with _opened(path, settings) as reader, throw_away(database) as connection:
        return restore(connection, iter(reader), schema=Migrations(), keep=keep)


@contextmanager
def _opened(path: Path, settings: Settings) -> Iterator[ChunkReader]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror or error}") from error
    with file, ChunkReader(file, key=settings.backup_key) as reader:
        yield reader


@contextmanager
def refusals_explained() -> Iterator[None]:
    """What the database says against it, in a line."""
    try:
        yield
    except DBAPIError as error:
        if is_locked_out(error):
            raise BackupError("something works on the database: stop all of Outlay first") from error
        reason = " ".join(str(error.orig).split())
        if is_unavailable(error):
            raise DatabaseUnavailable(f"OUTLAY_DATABASE_URL: {reason}") from error
        raise BackupError(f"the database refuses: {reason}") from error
