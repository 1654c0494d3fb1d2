"""The folders of data, files, backups and logs: private, writable, and with room."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

from core import clock
from core.backup.folder import list_backups
from core.commands.findings.finding import Finding, noted, ok, problem, warning
from core.config import Settings

OTHERS = 0o007
"""Permissions of whoever is neither the owner nor of the group."""

LITTLE_BYTES = 1 << 30
"""A day of a busy system's writing, with the room that a backup takes."""
NO_BYTES = 100 << 20
LITTLE_PERCENT = 5

BACKUP_AGE = timedelta(hours=50)
"""Once a night, and one that failed."""

DOCUMENTATION = "docs/operations/backup.md"


def data_folder(settings: Settings) -> Finding:
    return _folder("OUTLAY_DATA_DIR", Path(settings.data_dir).resolve())


def files_folder(settings: Settings) -> Finding:
    return _folder("OUTLAY_FILES_DIR", settings.files)


def backup_folder(settings: Settings) -> Finding:
    return _folder("OUTLAY_BACKUP_DIR", settings.backups)


def log_folder(settings: Settings) -> Finding:
    about = "OUTLAY_LOG_DIR"
    if settings.log_folder is None:
        return ok(about, "logs go to where each process writes, and into no file")
    return _folder(about, settings.log_folder)


def _folder(about: str, folder: Path) -> Finding:
    if not os.path.exists(folder):  # noqa: PTH110 - False as well where this user may not look
        parent = _place(folder)
        if os.access(parent, os.W_OK | os.X_OK):
            return ok(about, f"{folder} is made when it is needed")
        return problem(about, f"{folder} is not there and cannot be made", f"let this user write to {parent}")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return problem(about, f"{folder} cannot be written to", "give it to the user of Outlay's processes")
    if folder.stat().st_mode & OTHERS and not _is_closed_above(folder):
        return warning(about, f"everybody on this machine can look into {folder}", f"chmod 0700 {folder}")
    return ok(about, str(folder))


def _is_closed_above(folder: Path) -> bool:
    """Nobody gets into a folder through one that they may not pass."""
    return any(not one.stat().st_mode & 0o001 for one in folder.parents)


def room(settings: Settings) -> list[Finding]:
    """One finding a file system."""
    found: dict[int, Finding] = {}
    folders = [Path(settings.data_dir).resolve(), settings.files, settings.backups]
    if settings.log_folder is not None:
        folders.append(settings.log_folder)
    for folder in folders:
        place = _place(folder)
        device = place.stat().st_dev
        if device not in found:
            found[device] = _room_of(place)
    return list(found.values())


def _place(folder: Path) -> Path:
    """Where it is, or will be made, as far as this user may look."""
    return next(one for one in (folder, *folder.parents) if os.path.exists(one))  # noqa: PTH110


def _room_of(place: Path) -> Finding:
    usage = shutil.disk_usage(place)
    percent = 100 * usage.free // usage.total if usage.total else 0
    about, detail = "disk", f"{usage.free / 1e9:,.1f} GB ({percent} %) free at {place}"
    if usage.free < NO_BYTES:
        return problem(about, detail, "make room: soon nothing can be written any more")
    if usage.free < LITTLE_BYTES or percent < LITTLE_PERCENT:
        return warning(about, detail, "make room, or keep fewer backups (OUTLAY_BACKUP_KEEP)")
    return ok(about, detail)


def newest_backup(settings: Settings) -> Finding:
    about, backups = "backups", list_backups(settings.backups)
    every_night = f"have `outlay backup` run every night: {DOCUMENTATION}"
    if not backups:
        return warning(about, f"there is none in {settings.backups}", every_night)
    newest = backups[-1]
    age = clock.now() - newest.made_at
    if age < timedelta():
        return problem(
            about,
            f"{newest.path.name} is of a time to come",
            "have the clock right, and move the file away: it counts for none, and never goes by itself",
        )
    detail = f"{len(backups)}, the newest {age.total_seconds() / 3600:,.0f} hours old"
    if age > BACKUP_AGE:
        return warning(about, detail, every_night)
    return ok(about, detail)


def backup_device(settings: Settings) -> Finding:
    about = "backups"
    if _place(settings.backups).stat().st_dev != _place(Path(settings.data_dir).resolve()).stat().st_dev:
        return ok(about, "on another file system than the data")
    level = warning if settings.is_production else noted
    return level(about, "on the disk of the data", f"copy them to another machine: {DOCUMENTATION}")
