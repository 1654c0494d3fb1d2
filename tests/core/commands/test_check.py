"""`python -m core check`: all checks at once, and an exit code for whoever asks by a script."""

import os
import subprocess
import sys
from pathlib import Path

from sqlalchemy import update

from core.database import Database
from core.models import DailySpending
from core.queries.invariant_checks import check_results
from core.services.invariant_checks import CHECKS
from tests.core.commands.backups import Installation, empty_like
from tests.core.services.spender import Spender

REPOSITORY = Path(__file__).parents[3]


def check(database_url: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "core", "check"],
        cwd=REPOSITORY,
        env={**os.environ, "OUTLAY_DATABASE_URL": database_url, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_it_tells_of_each_check_keeps_what_it_finds_and_fails_if_anything_is_wrong(
    own_database_url: str,
) -> None:
    database = Database(own_database_url, pool_size=1)
    me = Spender(database)
    me.spend("9.00")
    done = check(own_database_url)
    assert (done.returncode, done.stderr) == (0, "")
    names = list(CHECKS)
    assert done.stdout.splitlines() == [f"{name}: nothing wrong" for name in [*names, "files"]]
    with database.transaction() as session:
        session.execute(update(DailySpending).values(amount_minor=17_00))
    done = check(own_database_url)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "daily_spending: 1 wrong"
    assert f"invariant.broken check=daily_spending subject=user={me.id}" in done.stderr
    with database.reading() as session:
        assert {one.name: one.failures for one in check_results(session)} == {
            **dict.fromkeys(names, 0),
            "daily_spending": 1,
        }
    database.close()


def test_a_database_that_is_away_is_said_so() -> None:
    done = check("postgresql+psycopg://nobody:x@127.0.0.1:1/nothing")
    assert done.returncode == 1
    assert "OUTLAY_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "mistyped" / "outlay.db"
    done = check(f"sqlite:///{path}")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"outlay: there is no database at {path}: see OUTLAY_DATA_DIR and OUTLAY_DATABASE_URL\n"
    )
    assert not path.parent.exists()


def test_a_database_without_tables_is_said_so(own_database_url: str, tmp_path: Path) -> None:
    with empty_like(own_database_url, tmp_path) as url:
        if url.startswith("sqlite"):
            (tmp_path / "restored.db").touch()
        done = check(url)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "outlay: the database was never migrated: `python -m core migrate` does that\n"


def test_a_file_that_a_row_names_and_that_is_not_there_is_found(
    own_database_url: str, tmp_path: Path
) -> None:
    installation = Installation(own_database_url, tmp_path)
    with installation.database() as database:
        me = Spender(database)
        sha256 = installation.attach(me, me.spend("9.00"), b"%PDF-1.7")
    assert check(own_database_url, OUTLAY_DATA_DIR=str(tmp_path)).returncode == 0
    installation.store.path(sha256).unlink()
    done = check(own_database_url, OUTLAY_DATA_DIR=str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "files: 1 missing"
    assert sha256 in done.stderr
