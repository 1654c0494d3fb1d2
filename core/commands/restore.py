"""Put a backup into an empty database and its files into their folder; all of it, or nothing."""

import argparse
import os
import time
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from core.backup.operations import database_for_backups, put_back, verify
from core.commands.data_folder import prepare_folder
from core.config import load_settings
from core.services.changes import begin_epochs
from core.services.sessions import end_all_logins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="what `outlay backup` has written")
    parser.add_argument(
        "--unencrypted", action="store_true", help="even a backup without a key, despite OUTLAY_BACKUP_KEY"
    )
    parser.add_argument(
        "--verify-only", action="store_true", help="put it into a database that is thrown away at once"
    )


def run(arguments: argparse.Namespace) -> int:
    settings, started = load_settings(os.environ), time.monotonic()
    if not arguments.verify_only:
        prepare_folder(Path(settings.data_dir))
    with database_for_backups(settings) as database:
        if arguments.verify_only:
            manifest = verify(settings, database, arguments.file, permits_plain=arguments.unencrypted)
        else:
            manifest = put_back(
                settings,
                database,
                arguments.file,
                finish=have_clients_start_over,
                permits_plain=arguments.unencrypted,
            )
    where = "an empty database, and thrown away" if arguments.verify_only else "the database"
    print(
        f"{manifest.rows:,} rows and {manifest.files:,} files put into {where}: counts and sums are right, "
        f"{time.monotonic() - started:.1f} s"
    )
    if not arguments.verify_only:
        print("All logins have ended. API keys are as they were in the backup, deleted ones included.")
    for sha256 in manifest.missing:
        print(f"This file was missing or damaged when the backup was made: {sha256}")
    return 0


def have_clients_start_over(connection: Connection) -> None:
    """They may have copies of what was written after the backup, and nobody knows of that any more.

    Nor of who has logged out since, or has ended the login of a thief.
    """
    with Session(connection) as session:
        begin_epochs(session)
        end_all_logins(session)
