"""The folder of backups: their names, how one comes to have its name, and which ones are kept."""

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO

from core import clock
from core.backup.errors import BackupError

NAME = re.compile(r"outlay-(\d{8}-\d{6})-[0-9a-f]{4}\.backup")
PARTIAL = re.compile(r"\.outlay-\d{8}-\d{6}-[0-9a-f]{4}\.backup\.partial")
UNVERIFIED = re.compile(NAME.pattern + r"\.unverified")
LOCK = ".lock"
TIME = "%Y%m%d-%H%M%S"


@dataclass(frozen=True, slots=True)
class Backup:
    path: Path
    made_at: datetime


def list_backups(folder: Path) -> list[Backup]:
    """The complete ones, the oldest first; whatever else is there is none of ours."""
    return [
        Backup(path, made_at)
        for path in sorted(folder.glob("outlay-*"))
        if (made_at := _time_in(path.name)) and path.is_file()
    ]


def _time_in(name: str) -> datetime | None:
    match = NAME.fullmatch(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], TIME).replace(tzinfo=UTC)
    except ValueError:
        # Digits that are no date: somebody else's.
        return None


class NewBackup:
    """A backup that is being written under a name that nobody takes for one."""

    def __init__(self, folder: Path) -> None:
        name = f"outlay-{clock.now().strftime(TIME)}-{token_hex(2)}.backup"
        self.path = folder / name
        self.partial = folder / f".{name}.partial"
        self.file: BinaryIO = _open_held(self.partial)

    def settle(self) -> None:
        """Have all of it on the disk, where it can be read as `partial`."""
        try:
            self.file.flush()
            os.fsync(self.file.fileno())
        except OSError as error:
            raise self._unwritten(error) from error

    def finish(self) -> None:
        """Have it on the disk, whole, and then under its name."""
        self.settle()
        self._have_name(self.path)

    def set_aside(self) -> Path:
        """Keep it under a name that counts for no backup; one such is enough to see what was wrong."""
        path = self.path.with_name(f"{self.path.name}.unverified")
        for former in self.path.parent.glob("outlay-*"):
            if UNVERIFIED.fullmatch(former.name):
                former.unlink(missing_ok=True)
        self._have_name(path)
        return path

    def _have_name(self, path: Path) -> None:
        try:
            self.partial.rename(path)
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._unwritten(error) from error

    def _unwritten(self, error: OSError) -> BackupError:
        return BackupError(f"cannot write {self.path}: {error.strerror or error}")

    def close(self) -> None:
        # What is still to be written goes with the file if there is no room for it.
        with suppress(OSError):
            self.file.close()
        self.partial.unlink(missing_ok=True)


def _open_held(path: Path) -> BinaryIO:
    """Held by whoever writes: what is left behind by somebody who was killed is held by nobody."""
    while True:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Before it was held somebody may have taken it for left over.
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()


@contextmanager
def new_backup(folder: Path) -> Iterator[NewBackup]:
    """Without `finish` or `set_aside` nothing of it stays.

    Raises:
        BackupError: the folder cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _remove_left_over(folder)
        backup = NewBackup(folder)
    except OSError as error:
        raise BackupError(f"cannot write to {folder}: {error.strerror or error}") from error
    try:
        yield backup
    finally:
        backup.close()


@contextmanager
def taken_alone(folder: Path) -> Iterator[bool]:
    """Whether nobody else has the folder like this, until the end of the block or of this process.

    Raises:
        BackupError: the folder cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = (folder / LOCK).open("ab")
    except OSError as error:
        raise BackupError(f"cannot write to {folder}: {error.strerror or error}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def newest_time(folder: Path) -> datetime | None:
    """When the newest backup was made. One of a time to come is none: a clock was ahead when it was made."""
    return max((one.made_at for one in _made_by_now(folder)), default=None)


def prune(folder: Path, *, keep: int, made: Path) -> list[Path]:
    """Remove the oldest backups beyond the newest `keep`, the one that was just made among them.

    It stays whatever its name says, since the clock may have been put back; so do those of a time to come.
    Answers which have gone.
    """
    others = [one.path for one in _made_by_now(folder) if one.path != made]
    removed = others[: max(len(others) + 1 - keep, 0)]
    for path in removed:
        path.unlink(missing_ok=True)
    return removed


def _made_by_now(folder: Path) -> list[Backup]:
    return [one for one in list_backups(folder) if one.made_at <= clock.now()]


def _remove_left_over(folder: Path) -> None:
    for path in folder.glob(".outlay-*.partial"):
        if not PARTIAL.fullmatch(path.name):
            continue
        with path.open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            path.unlink(missing_ok=True)
