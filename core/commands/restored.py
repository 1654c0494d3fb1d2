"""Have clients log in and copy everything anew, after a backup of the database was put back.

They may have copies of what was written after the backup was made, and nobody knows of that any more, nor of
who has logged out since.
"""

import argparse
import os

from core.config import load_settings
from core.database import Database
from core.services.changes import begin_epochs
from core.services.sessions import end_all_logins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - it takes none
    database = Database(load_settings(os.environ).database, pool_size=1)
    try:
        with database.transaction() as session:
            count = begin_epochs(session)
            end_all_logins(session)
    finally:
        database.close()
    print(f"Users whose clients log in and copy everything anew: {count}")
    return 0
