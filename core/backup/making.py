"""Making a backup: one snapshot of the database while writing goes on, then the files that it speaks of."""

import hashlib
from collections.abc import Iterator
from typing import BinaryIO

from sqlalchemy import Connection

from core import clock
from core.backup.container import CHUNK_BYTES, ChunkWriter, Kind
from core.backup.dialects import DIALECTS
from core.backup.documents import FileEntry, Manifest, Opening, TableEntry, encode
from core.backup.errors import BackupError
from core.backup.schema import StoredTable, current_revision, is_named, list_tables, named_files, sums_of
from core.database import Database
from core.files import FileStore
from core.logging import get_logger

log = get_logger(__name__)


def write_backup(database: Database, store: FileStore, writer: ChunkWriter) -> Manifest:
    """Write all tables and files, and answer what there is of them.

    A file has its name before a row speaks of it, and is swept away a day after no row does. So whatever the
    snapshot speaks of is there, unless its row has gone meanwhile.
    """
    dialect = DIALECTS[database.dialect]
    with database.snapshot_rows() as connection:
        dialect.begin_copying(connection)
        tables = list_tables(connection)
        _put_opening(writer, connection)
        sums = {}
        for table in tables:
            writer.put(Kind.TABLE, encode(TableEntry(name=table.name, columns=list(table.columns))))
            for part in dialect.dump(connection, table):
                writer.put(Kind.ROWS, part)
            sums[table.name] = sums_of(connection, table)
        sequences = dialect.sequences(connection)
        hashes = named_files(connection, tables)
    # Files take their time; no snapshot is held open for them.
    missing, count, size = [], 0, 0
    for sha256 in hashes:
        found = _put_file(writer, store, sha256)
        if found is not None:
            count, size = count + 1, size + found
        elif _is_still_named(database, tables, sha256):
            missing.append(sha256)
    manifest = Manifest(tables=sums, sequences=sequences, files=count, file_bytes=size, missing=missing)
    writer.put(Kind.MANIFEST, encode(manifest), is_last=True)
    return manifest


def _put_opening(writer: ChunkWriter, connection: Connection) -> None:
    revision = current_revision(connection)
    if revision is None:
        raise BackupError("the database has never been migrated: there is nothing to back up")
    opening = Opening(
        dialect=connection.dialect.name, revision=revision, made_at=clock.now().isoformat(timespec="seconds")
    )
    writer.put(Kind.OPENING, encode(opening))


def _put_file(writer: ChunkWriter, store: FileStore, sha256: str) -> int | None:
    """Its size; None when it is not there, or is not what its name says."""
    try:
        # Open all the time: what is swept away meanwhile can still be read to its end.
        with store.open(sha256) as file:
            digest, size = hashlib.sha256(), 0
            for part in _parts(file):
                digest.update(part)
                size += len(part)
            if digest.hexdigest() != sha256:
                log.error("backup.file_damaged", sha256=sha256)
                return None
            file.seek(0)
            writer.put(Kind.FILE, encode(FileEntry(sha256=sha256, size=size)))
            for part in _parts(file):
                writer.put(Kind.BYTES, part)
    except FileNotFoundError:
        return None
    except OSError as error:
        # Rather none than one in which a file breaks off.
        raise BackupError(f"cannot read {store.path(sha256)}: {error.strerror or error}") from error
    return size


def _parts(file: BinaryIO) -> Iterator[bytes]:
    while part := file.read(CHUNK_BYTES):
        yield part


def _is_still_named(database: Database, tables: list[StoredTable], sha256: str) -> bool:
    """Else its row has gone since the snapshot, and the sweep has taken it: nobody will miss it."""
    with database.reading_rows() as connection:
        return is_named(connection, tables, sha256)
