"""Putting a backup into an empty database, in the caller's transaction: all of it, or an error and nothing.

Files are kept before the rows that name them are committed, as ever; if it comes to nothing the sweep takes
them away.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Protocol

from sqlalchemy import Connection, delete
from sqlalchemy import table as bare_table

from core.backup.container import Chunk, Kind
from core.backup.dialects import DIALECTS, Dialect
from core.backup.documents import FileEntry, Manifest, Opening, TableEntry, decode
from core.backup.errors import BackupError, DamagedBackup
from core.backup.schema import StoredTable, current_revision, has_rows, list_tables, sums_of

FILLED_BY_ITSELF = ("exchange_rates", "invariant_checks")
"""A new system has these before anybody has an account; what the backup has of them takes their place."""


class Schema(Protocol):
    """The migrations, which are not this package's."""

    @property
    def newest(self) -> str: ...

    def knows(self, revision: str) -> bool: ...

    def move(self, connection: Connection, revision: str) -> None:
        """Bring the schema there from wherever it is, up or down."""


FileKeeper = Callable[[str, Iterator[bytes]], None]
"""Takes a file's hash and its content, which has been read to its end when it returns."""


def restore(connection: Connection, chunks: Iterator[Chunk], *, schema: Schema, keep: FileKeeper) -> Manifest:
    """Fill the connection's database, compare counts and sums, and bring the schema up to date.

    Raises:
        BackupError: the database has something in it, or the backup does not fit it.
        DamagedBackup
    """
    coming = _Coming(chunks)
    opening = _read_opening(coming, connection.dialect.name, schema)
    dialect = DIALECTS[opening.dialect]
    dialect.begin_filling(connection)
    _require_empty(connection)
    schema.move(connection, opening.revision)
    stripped = dialect.strip(connection)
    tables = _load_tables(connection, coming, dialect)
    _keep_files(coming, keep)
    manifest = decode(coming.take(Kind.MANIFEST).data, Manifest)
    dialect.rebuild(connection, stripped)
    dialect.set_sequences(connection, manifest.sequences)
    _compare(connection, tables, manifest)
    schema.move(connection, schema.newest)
    return manifest


class _Coming:
    """The chunks, one of which can be looked at before it is taken."""

    def __init__(self, chunks: Iterator[Chunk]) -> None:
        self._chunks = chunks
        self._next = next(chunks, None)

    def is_next(self, kind: Kind) -> bool:
        return self._next is not None and self._next.kind is kind

    def take(self, kind: Kind) -> Chunk:
        chunk = self._next
        if chunk is None or chunk.kind is not kind:
            raise DamagedBackup(f"the backup lacks its {kind.name.lower()}")
        self._next = next(self._chunks, None)
        return chunk

    def parts(self, kind: Kind) -> Iterator[bytes]:
        while self.is_next(kind):
            yield self.take(kind).data


def _read_opening(coming: _Coming, dialect: str, schema: Schema) -> Opening:
    opening = decode(coming.take(Kind.OPENING).data, Opening)
    if opening.dialect != dialect:
        raise BackupError(
            f"the backup is of {opening.dialect}, OUTLAY_DATABASE_URL is {dialect}: it fits no other kind"
        )
    if not schema.knows(opening.revision):
        raise BackupError(
            f"the backup is of a newer Outlay (its schema is {opening.revision}, this one ends at "
            f"{schema.newest}): restore it with that one"
        )
    return opening


def _require_empty(connection: Connection) -> None:
    names = [table.name for table in list_tables(connection)]
    if names and current_revision(connection) is None:
        raise BackupError(f"the database is not empty, and not Outlay's: it has a table {names[0]}")
    full = [name for name in names if name not in FILLED_BY_ITSELF and has_rows(connection, name)]
    if full:
        raise BackupError(
            f"the database is not empty (there are rows in {', '.join(full[:3])}): a backup needs a new one"
        )
    for name in FILLED_BY_ITSELF:
        if name in names:
            connection.execute(delete(bare_table(name)))


def _load_tables(connection: Connection, coming: _Coming, dialect: Dialect) -> list[StoredTable]:
    tables = {table.name: table for table in list_tables(connection)}
    missing = set(tables)
    while coming.is_next(Kind.TABLE):
        entry = decode(coming.take(Kind.TABLE).data, TableEntry)
        table = tables.get(entry.name)
        if table is None or set(table.columns) != set(entry.columns):
            raise BackupError(f"the backup's table {entry.name} is not that of its schema")
        stored = StoredTable(table.name, tuple(entry.columns), table.amounts)
        dialect.load(connection, stored, coming.parts(Kind.ROWS))
        missing.discard(entry.name)
    if missing:
        raise BackupError(f"the backup lacks the table {min(missing)}")
    return list(tables.values())


def _keep_files(coming: _Coming, keep: FileKeeper) -> None:
    while coming.is_next(Kind.FILE):
        entry = decode(coming.take(Kind.FILE).data, FileEntry)
        digest = hashlib.sha256()

        def examined(digest: "hashlib._Hash" = digest) -> Iterator[bytes]:
            for part in coming.parts(Kind.BYTES):
                digest.update(part)
                yield part

        keep(entry.sha256, examined())
        if digest.hexdigest() != entry.sha256:
            raise DamagedBackup(f"the file {entry.sha256} is not what its name says")


def _compare(connection: Connection, tables: list[StoredTable], manifest: Manifest) -> None:
    for table in tables:
        expected, found = manifest.tables.get(table.name), sums_of(connection, table)
        if found != expected:
            raise DamagedBackup(f"{table.name} came out otherwise: {found} instead of {expected}")
