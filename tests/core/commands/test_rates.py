"""`python -m core rates`: a file or an address, and what is wrong with it in a line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.database import Database
from core.queries.exchange_rates import newest_day
from tests.core.test_rate_files import CSV, MONDAY, zipped


def load(source: str, database_url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "core", "rates", source],
        env={**os.environ, "OUTLAY_DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_file_is_loaded_and_loading_it_again_changes_nothing(sqlite_url: str, tmp_path: Path) -> None:
    path = tmp_path / "eurofxref-hist.zip"
    path.write_bytes(zipped(CSV))
    first, second = load(str(path), sqlite_url), load(str(path), sqlite_url)
    assert first.stdout == (
        "4 rates from 2026-04-10 to 2026-04-13, 4 of them new.\n"
        "Passed over, as they are in use no more: LVL\n"
    )
    assert "0 of them new" in second.stdout
    database = Database(sqlite_url, pool_size=1)
    with database.reading() as session:
        assert newest_day(session) == MONDAY
    database.close()


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("/nowhere/rates.csv", "No such file"),
        ("http://127.0.0.1:1/", "refused"),
        (__file__, "no CSV"),
    ],
)
def test_what_cannot_be_loaded_is_said_in_a_line(sqlite_url: str, source: str, reason: str) -> None:
    done = load(source, sqlite_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1
