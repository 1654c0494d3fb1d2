"""Load exchange rates: the history once, or a file where the workers have no network."""

import argparse
import os
from pathlib import Path

from core.commands.databases import opened_database
from core.config import load_settings
from core.errors import NotFound
from core.rate_files import fetch_rate_file, read_rate_file
from core.services.exchange_rates import store_rates


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", help="a CSV, XML or zip file of the bank's, or an address with http(s)")


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(os.environ)
    source: str = arguments.source
    is_address = source.startswith(("http://", "https://"))
    file = read_rate_file(fetch_rate_file(source) if is_address else _read(Path(source)))
    name = source if is_address else Path(source).name
    stored = 0
    with opened_database(settings) as database:
        for batch in file.batches():
            with database.transaction() as session:
                stored += store_rates(session, rates=batch, source=name)
    days = [rate.day for rate in file.rates]
    print(f"{len(days)} rates from {min(days)} to {max(days)}, {stored} of them new.")
    if file.passed_over:
        print(f"Passed over, as they are in use no more: {', '.join(file.passed_over)}")
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound(f"{path}: {error.strerror}") from error
