"""Backups as a whole: made, tried out, put back. What the commands and the nightly tick do."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from core.backup.container import ChunkReader, ChunkWriter
from core.backup.documents import Manifest
from core.backup.errors import BackupError, DamagedBackup
from core.backup.folder import NewBackup, new_backup
from core.backup.making import write_backup
from core.backup.restoring import restore
from core.backup.throwaway import throw_away
from core.config import Settings
from core.database import Database, is_locked_out, is_unavailable
from core.errors import DatabaseUnavailable
from core.files import FileStore
from core.migrations import Migrations


@contextmanager
def database_for_backups(settings: Settings) -> Iterator[Database]:
    """The one place that opens it for backups: its role must see all rows and own the tables.

    Raises:
        BackupError: what the database says against it, in a line.
        DatabaseUnavailable
    """
    database = Database(settings.database, pool_size=2)
    try:
        with _in_words():
            yield database
    finally:
        database.close()


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if is_locked_out(error):
            raise BackupError("something works on the database: stop all of Outlay first") from error
        reason = " ".join(str(error.orig).split())
        if is_unavailable(error):
            raise DatabaseUnavailable(f"OUTLAY_DATABASE_URL: {reason}") from error
        raise BackupError(f"the database refuses: {reason}") from error


def back_up(
    settings: Settings, database: Database, folder: Path, *, is_tried_out: bool
) -> tuple[Path, Manifest]:
    """Write a backup into the folder; it has its name once it is whole and, if it is to be, tried out.

    Nothing of it is there if writing fails; what cannot be put back is set aside.
    """
    path = database.engine.url.database
    if database.dialect == "sqlite" and path and not Path(path).exists():
        # SQLite would make it: of a mistyped name there would be an empty backup.
        raise BackupError(f"there is no database at {path}: see OUTLAY_DATA_DIR and OUTLAY_DATABASE_URL")
    with new_backup(folder) as backup:
        with ChunkWriter(backup.file, key=settings.backup_key) as writer:
            manifest = write_backup(database, FileStore(settings.files), writer)
        if is_tried_out:
            _try_out(settings, database, backup)
        backup.finish()
    return backup.path, manifest


def _try_out(settings: Settings, database: Database, backup: NewBackup) -> None:
    backup.settle()
    try:
        with _in_words():
            verify(settings, database, backup.partial)
    except (BackupError, DatabaseUnavailable) as error:
        aside = backup.set_aside()
        raise BackupError(f"{aside} is written, but not verified, and older ones stay: {error}") from error


def verify(settings: Settings, database: Database, path: Path, *, permits_plain: bool = False) -> Manifest:
    """Put it into a database that is thrown away."""

    def keep(_sha256: str, parts: Iterator[bytes]) -> None:
        for _ in parts:
            pass

    opened = _opened(path, settings, permits_plain=permits_plain)
    with opened as reader, throw_away(database) as connection:
        return restore(connection, iter(reader), schema=Migrations(), keep=keep)


def put_back(
    settings: Settings,
    database: Database,
    path: Path,
    *,
    finish: Callable[[Connection], object],
    permits_plain: bool = False,
) -> Manifest:
    """Put it into the empty database; `finish` is the last of the same transaction."""
    store = FileStore(settings.files)

    def keep(sha256: str, parts: Iterator[bytes]) -> None:
        try:
            with store.draft() as draft:
                for part in parts:
                    draft.write(part)
                # What is there under its name may be why a backup is put back.
                kept = draft.keep(replaces=True)
        except OSError as error:
            raise BackupError(f"cannot write to {store.folder}: {error.strerror or error}") from error
        if kept.sha256 != sha256:
            raise DamagedBackup(f"the file {sha256} is not what its name says")

    opened = _opened(path, settings, permits_plain=permits_plain)
    with opened as reader, database.engine.begin() as connection:
        manifest = restore(connection, iter(reader), schema=Migrations(), keep=keep)
        finish(connection)
    return manifest


@contextmanager
def _opened(path: Path, settings: Settings, *, permits_plain: bool) -> Iterator[ChunkReader]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BackupError(f"cannot read {path}: {error.strerror or error}") from error
    with file, ChunkReader(file, key=settings.backup_key, permits_plain=permits_plain) as reader:
        yield reader
