"""The folder of a system's data (`OUTLAY_DATA_DIR`): private, with its secret, for one launcher at a time."""

import fcntl
import os
import secrets
import time
from pathlib import Path
from typing import IO

from core.errors import ConfigurationError

LOCK_WAIT_S = 1.0
"""What is left of a launcher that was killed holds its lock until its processes have ended: a moment."""
POLL_S = 0.05


def prepare_folder(folder: Path) -> Path:
    """Make the folder when it is missing, closed to other users, and give its absolute path.

    Raises:
        ConfigurationError: it cannot be made or written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError("not writable")
    except OSError as error:
        raise ConfigurationError(
            f"OUTLAY_DATA_DIR: cannot use {folder}: {error.strerror or error}"
        ) from error
    return folder.resolve()


def lock_folder(folder: Path) -> IO[str]:
    """Take the folder for this process; closing the file (or ending) lets it go.

    Raises:
        ConfigurationError: another launcher has it.
    """
    lock = (folder / "run.lock").open("a+", encoding="utf-8")
    deadline = time.monotonic() + LOCK_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < deadline:
                time.sleep(POLL_S)
                continue
            lock.seek(0)
            owner = lock.read().strip()
            lock.close()
            raise ConfigurationError(
                f"already running on {folder} (process {owner}); stop it or set OUTLAY_DATA_DIR to another"
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock


def persistent_secret(folder: Path) -> str:
    """The folder's random secret, made at the first call, so that tokens outlive a restart."""
    path = folder / "secret"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(48) + "\n")
    return path.read_text(encoding="utf-8").strip()
