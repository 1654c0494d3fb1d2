"""Bring the database's schema up to date with Alembic."""

import argparse

from alembic import command
from sqlalchemy.exc import ArgumentError, OperationalError

from core.errors import ConfigurationError
from core.migrations import migration_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", default="head", help="the revision to go up to (head)")


def run(arguments: argparse.Namespace) -> int:
    try:
        command.upgrade(migration_config(), arguments.target)
    except ArgumentError as error:
        raise ConfigurationError(f"OUTLAY_DATABASE_URL: {error}") from error
    except OperationalError as error:
        if error.statement is not None:
            raise
        # No connection could be made: the reason is all that helps.
        raise ConfigurationError(f"OUTLAY_DATABASE_URL: {' '.join(str(error.orig).split())}") from error
    print("The database is up to date.")
    return 0
