"""Write a new migration from the difference between the models and an up-to-date database."""

import argparse

from alembic import command

from core.migrations import migration_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-m", "--message", required=True, help='what it changes, such as "add tags"')
    parser.add_argument("--empty", action="store_true", help="write it without looking at the models")


def run(arguments: argparse.Namespace) -> int:
    config = migration_config()
    if not arguments.empty:
        # Alembic compares against the database, which therefore has to be at the newest revision.
        command.upgrade(config, "head")
    command.revision(config, message=arguments.message, autogenerate=not arguments.empty)
    return 0
