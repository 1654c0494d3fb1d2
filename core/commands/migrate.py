"""Bring the database's schema up to date with Alembic."""

import argparse
from pathlib import Path

from alembic import command
from alembic.config import Config

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", nargs="?", default="head", help="the revision to go up to (head)")


def run(arguments: argparse.Namespace) -> int:
    command.upgrade(migration_config(), arguments.target)
    return 0


def migration_config() -> Config:
    """Alembic's configuration; `migrations/env.py` reads the database's address from the environment."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
