"""Files by their content: each is kept once, under its SHA-256, outside of the database.

A file is whole before it has its name, and has its name before a row of the database speaks of it. So a row
never lacks its file, whatever is killed when. A file may lack a row for a while: a sweep removes those that
nobody has put here for `SPARE_AGE_S`.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

SPARE_AGE_S = 86_400.0
"""A file is named by a row within seconds of its upload, or never; a day is safe beyond doubt."""

LOCK, SWEPT = "lock", "swept"
BLOBS, DRAFTS = "blobs", "drafts"


@dataclass(frozen=True, slots=True)
class StoredFile:
    sha256: str
    size: int


class Draft:
    """A file that is being written. Without `keep` nothing of it stays."""

    def __init__(self, store: "FileStore") -> None:
        self._store = store
        folder = store.folder / DRAFTS
        folder.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=folder)
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "wb")
        self._digest = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # What is still to be written goes with the file if there is no room for it.
        with suppress(OSError):
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._digest.update(data)
        self.size += len(data)

    def keep(self, *, replaces: bool = False) -> StoredFile:
        """Have the file on the disk under its content's name; it is there even if the power fails now.

        What is there under that name already may be damaged, though hardly ever: with `replaces` it gives way
        in any case, else when its size is another.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        sha256 = self._digest.hexdigest()
        path = self._store.path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._store.locked(fcntl.LOCK_SH):
            # The same content again: from now on it counts as new, and no sweep takes it away.
            if not replaces and self._is_at(path):
                os.utime(path)
            else:
                self._path.rename(path)
                _sync_folder(path.parent)
        return StoredFile(sha256, self.size)

    def _is_at(self, path: Path) -> bool:
        with suppress(FileNotFoundError):
            return path.stat().st_size == self.size
        return False


class FileStore:
    """The files of one folder, which several processes share. Nothing is created before the first file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, sha256: str) -> Path:
        """Where the content is; two levels, as a folder of a million entries is slow."""
        return self.folder / BLOBS / sha256[:2] / sha256

    def draft(self) -> Draft:
        return Draft(self)

    def open(self, sha256: str) -> BinaryIO:
        """Raises:
        FileNotFoundError
        """
        return self.path(sha256).open("rb")

    def kept(self) -> Iterator[str]:
        """The hashes of all files, in no order."""
        for folder in sorted((self.folder / BLOBS).glob("??")):
            yield from (path.name for path in folder.iterdir())

    def remove_spare(self, sha256: str) -> bool:
        """Remove a file that no row names, unless somebody has put it here again lately."""
        path = self.path(sha256)
        with self.locked(fcntl.LOCK_EX), suppress(FileNotFoundError):
            # Both are the file system's time, whatever our clock says.
            if path.stat().st_mtime < time.time() - SPARE_AGE_S:
                path.unlink()
                return True
        return False

    def remove_old_drafts(self) -> int:
        """Remove what was left behind by processes that died while they wrote; answers how many."""
        count = 0
        for path in (self.folder / DRAFTS).glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - SPARE_AGE_S:
                    path.unlink()
                    count += 1
        return count

    def swept_at(self) -> datetime | None:
        """When the last sweep that has ended began, by our clock."""
        with suppress(FileNotFoundError):
            return datetime.fromtimestamp((self.folder / SWEPT).stat().st_mtime, UTC)
        return None

    def note_sweep(self, began_at: datetime) -> None:
        # With no folder there is nothing to be swept, and nothing to be spared.
        with suppress(FileNotFoundError):
            mark = self.folder / SWEPT
            mark.touch()
            os.utime(mark, (began_at.timestamp(), began_at.timestamp()))

    @contextmanager
    def locked(self, kind: int) -> Iterator[None]:
        """Writers share the lock, a sweep has it alone; the kernel frees it when its holder dies."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / LOCK).open("ab") as file:
            fcntl.flock(file, kind)
            yield


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
