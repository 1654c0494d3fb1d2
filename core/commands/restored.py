"""Have clients log in and copy everything anew, after a backup of the database was put back.

They may have copies of what was written after the backup was made, and nobody knows of that any more, nor of
who has logged out since.
"""

import argparse
import os

from core.commands.databases import opened_database
from core.config import load_settings
from core.services.changes import begin_epochs
from core.services.sessions import end_all_logins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(arguments: argparse.Namespace) -> int:  # noqa: ARG001 - it takes none
    with opened_database(load_settings(os.environ)) as database, database.transaction() as session:
        count = begin_epochs(session)
        end_all_logins(session)
    print(f"Users whose clients log in and copy everything anew: {count}")
    return 0
