"""Write a backup of the database and its files while everything goes on, and see that it can be put back."""

import argparse
import os
import sys
import time
from pathlib import Path

from core.backup.documents import Manifest
from core.backup.errors import BackupError
from core.backup.folder import prune, taken_alone
from core.backup.operations import back_up, database_for_backups
from core.config import Settings, load_settings
from core.database import Database


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, metavar="FOLDER", help="instead of OUTLAY_BACKUP_DIR")
    parser.add_argument("--keep", type=int, metavar="N", help="instead of OUTLAY_BACKUP_KEEP")
    parser.add_argument(
        "--no-verify", action="store_true", help="do not put it into an empty database to see that it fits"
    )


def run(arguments: argparse.Namespace) -> int:
    """Older backups are removed only once the new one is verified and lacks no file that they may have."""
    settings = load_settings(os.environ)
    keep = settings.backup_keep if arguments.keep is None else arguments.keep
    if keep < 1:
        raise BackupError("--keep: at least 1, the new one")
    folder = (arguments.to or settings.backups).resolve()
    with taken_alone(folder) as is_alone, database_for_backups(settings) as database:
        if not is_alone:
            raise BackupError(f"another backup is being written to {folder}")
        path, manifest = _back_up(settings, database, folder, is_tried_out=not arguments.no_verify)
        if not manifest.missing:
            for removed in prune(folder, keep=keep, made=path):
                print(f"Removed {removed.name}")
    for sha256 in manifest.missing:
        print(f"outlay: a file is missing or damaged: {settings.files} lacks {sha256}", file=sys.stderr)
    return 1 if manifest.missing else 0


def _back_up(
    settings: Settings, database: Database, folder: Path, *, is_tried_out: bool
) -> tuple[Path, Manifest]:
    started = time.monotonic()
    path, manifest = back_up(settings, database, folder, is_tried_out=is_tried_out)
    size = path.stat().st_size / 1e6
    print(
        f"{path}: {manifest.rows:,} rows and {manifest.files:,} files in {size:,.1f} MB, "
        f"{'encrypted' if settings.backup_key else 'not encrypted'}, {time.monotonic() - started:.1f} s"
    )
    if is_tried_out:
        print("Put into an empty database: counts and sums are right")
    return path, manifest
