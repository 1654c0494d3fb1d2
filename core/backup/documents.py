"""What a backup says of itself: at its beginning, before each table and file, and at its end."""

from typing import TypeVar

import msgspec

from core.backup.errors import DamagedBackup

Document = TypeVar("Document", bound=msgspec.Struct)


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """First of all, so that what does not fit is refused before anything is touched."""

    dialect: str
    revision: str
    made_at: str


class TableEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Its rows follow, each with these columns."""

    name: str
    columns: list[str]


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Its content follows."""

    sha256: str
    size: int


class TableSums(msgspec.Struct, frozen=True, kw_only=True):
    """How many rows a table has, and the sums of its amounts, as texts: they may be larger than 64 bits."""

    rows: int
    sums: dict[str, str]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Last of all: what must have come, counted by the database in the snapshot that was copied.

    `missing` are files that rows name and that are not there, or are not what their names say.
    """

    tables: dict[str, TableSums]
    sequences: dict[str, tuple[int, bool]]
    files: int
    file_bytes: int
    missing: list[str]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables.values())


def encode(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document)


def decode(data: bytes, kind: type[Document]) -> Document:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise DamagedBackup(f"the backup cannot be understood: {error}") from error
