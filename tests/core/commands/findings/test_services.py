"""What the doctor says of the database, of Redis and of the work, and the command as a whole."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from sqlalchemy import insert, make_url, text

from core import clock
from core.commands.findings import databases, work
from core.commands.findings.examination import examine
from core.commands.findings.finding import Finding, Level
from core.commands.findings.redis_server import redis_findings
from core.config import Settings
from core.database import Database
from core.models import InvariantCheck, OutboxRow
from core.services.invariant_checks import CHECKS, keep_proof, prove
from tests.servers import TestRedis

REPOSITORY = Path(__file__).parents[4]


def levels(findings: list[Finding]) -> list[str]:
    return [one.level.value for one in findings]


def examined(url: str, folder: Path, **environ: str) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    given: Mapping[str, str] = {"OUTLAY_DATABASE_URL": url, "OUTLAY_DATA_DIR": str(folder), **environ}
    for one in examine(given):
        found.setdefault(one.about, []).append(one)
    return found


def test_a_healthy_database_is_told_as_it_is(own_database_url: str, tmp_path: Path) -> None:
    found = examined(own_database_url, tmp_path)
    assert levels(found["schema"]) == ["ok"]
    assert levels(found["jobs"]) == ["ok", "ok"]
    if own_database_url.startswith("sqlite"):
        assert levels(found["SQLite"]) == ["ok", "ok"]
    else:
        for about in ("PostgreSQL", "encoding", "clock of the database", "max_connections", "roles"):
            assert levels(found[about]) == ["ok"], about


@pytest.mark.parametrize(("revision", "words"), [("0018", "the newest is"), ("9999", "of a newer Outlay")])
def test_a_schema_of_another_outlay_is_a_problem(
    own_database_url: str, tmp_path: Path, revision: str, words: str
) -> None:
    database = Database(own_database_url, pool_size=1)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": revision})
    database.close()
    found = examined(own_database_url, tmp_path)
    assert levels(found["schema"]) == ["problem"]
    assert words in found["schema"][0].detail
    # What might not fit that schema is not asked.
    assert "jobs" not in found


def test_a_database_that_was_never_migrated_is_a_problem(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    missing = examined(f"sqlite:///{path}", tmp_path)["OUTLAY_DATABASE_URL"]
    assert levels(missing) == ["problem"]
    assert not path.exists()
    path.touch()
    assert levels(examined(f"sqlite:///{path}", tmp_path)["schema"]) == ["problem"]


def test_no_password_is_ever_told(postgres_url: str, tmp_path: Path) -> None:
    for url in (
        "postgresql+psycopg://kim:hunter2@127.0.0.1:1/nothing",
        "postgresql+psycopg://kim@127.0.0.1:1/nothing?password=hunter2",
        "nonsense://kim:hunter2@host",
        "postgresql+psycopg://kim:hunter2@host:port/x",
        make_url(postgres_url).set(password="hunter2").render_as_string(hide_password=False),
    ):
        found = examined(
            url,
            tmp_path,
            OUTLAY_REDIS_URL="redis://:hunter2@127.0.0.1:1/0",
            OUTLAY_SECRET="hunter2" * 9,
            OUTLAY_BACKUP_KEY="hunter2" * 8,
            OUTLAY_MAIL_URL="smtp://kim:hunter2@127.0.0.1:1",
        )
        assert found["OUTLAY_DATABASE_URL"][0].level is (Level.OK if "host=" in url else Level.PROBLEM), url
        assert levels(found["Redis"]) == ["problem"]
        assert "hunter2" not in repr(found)


def test_a_pool_that_does_not_fit_the_server_is_a_problem(postgres_url: str) -> None:
    database = Database(postgres_url, pool_size=1)
    with database.reading_rows() as connection:
        many, some, few = (
            databases.connections(connection, Settings(api_processes=count, api_threads=10))
            for count in (64, 5, 1)
        )
    database.close()
    assert levels([many, some, few]) == ["problem", "warning", "ok"]


def test_who_cannot_become_what_confines_the_api_is_a_problem(postgres_url: str) -> None:
    database = Database(postgres_url, pool_size=1)
    with database.engine.connect() as connection:
        owner = databases.roles(connection, Settings())
        connection.execute(text("SET LOCAL ROLE pg_monitor"))
        somebody = databases.roles(connection, Settings())
        connection.execute(text("RESET ROLE"))
        connection.execute(text("CREATE ROLE a_member"))
        connection.execute(text("GRANT outlay_reader TO a_member"))
        connection.execute(text("GRANT outlay_writer TO a_member WITH SET FALSE"))
        connection.execute(text("SET LOCAL ROLE a_member"))
        member = databases.roles(connection, Settings())
        connection.rollback()
    database.close()
    assert levels([owner, somebody, member]) == ["ok", "problem", "problem"]
    assert "outlay_reader and outlay_writer" in somebody.detail
    assert member.detail == "the API cannot become outlay_writer"


def test_a_clock_that_differs_is_a_problem_but_not_one_that_is_set_ahead_on_purpose(
    tmp_path: Path,
) -> None:
    def skew(**behind: int) -> str:
        return databases.agreement("clock", clock.now() - timedelta(**behind), Settings()).level.value

    assert [skew(), skew(seconds=5), skew(seconds=-5)] == ["ok", "problem", "problem"]
    ahead = Settings(clock_offset_s=86_400)
    theirs = clock.now() - timedelta(days=1)
    assert databases.agreement("clock", theirs, ahead).level is Level.OK


def test_a_redis_that_drops_what_it_is_given_is_a_problem(own_redis: TestRedis) -> None:
    settings = Settings(redis_url=own_redis.url())
    assert levels(redis_findings(settings)) == ["ok", "ok", "ok"]
    client: Any = Redis.from_url(own_redis.url())
    client.config_set("maxmemory-policy", "allkeys-lru")
    assert levels(redis_findings(settings)) == ["ok", "warning", "ok"]
    client.config_set("maxmemory", "100mb")
    assert levels(redis_findings(settings)) == ["ok", "problem", "ok"]
    client.close()
    own_redis.kill()
    assert levels(redis_findings(settings)) == ["problem"]


def test_the_redis_of_make_run_is_found_by_its_configuration(own_redis: TestRedis, tmp_path: Path) -> None:
    assert levels(redis_findings(Settings(data_dir=str(own_redis.folder)))) == ["ok", "ok", "ok"]
    (tmp_path / "redis.conf").write_text("port 1\nbind 127.0.0.1\nrequirepass x\n")
    assert levels(redis_findings(Settings(data_dir=str(tmp_path)))) == ["warning"]


def test_jobs_that_wait_or_have_failed_are_told(migrated_copy: Database) -> None:
    now = clock.now()
    row = {"job": "evaluate_budgets", "key": "x", "payload": {}, "available_at": now}
    with migrated_copy.transaction() as session:
        session.execute(insert(OutboxRow), row | {"created_at": now})
        assert work.waiting_jobs(session).level is Level.OK
        session.execute(insert(OutboxRow), row | {"created_at": now - timedelta(hours=1)})
        assert work.waiting_jobs(session).level is Level.WARNING
        assert work.dead_jobs(session).level is Level.OK
        session.execute(insert(OutboxRow), row | {"created_at": now, "dead_at": now})
        assert work.dead_jobs(session).level is Level.PROBLEM
        assert work.late_deliveries(session).level is Level.OK


def test_checks_that_were_never_made_are_stale_or_have_failed_are_told(migrated_copy: Database) -> None:
    with migrated_copy.transaction() as session:
        assert levels(work.invariants(session)) == ["warning"]
        for name in CHECKS:
            keep_proof(session, prove(session, name=name))
        assert levels(work.invariants(session)) == ["ok"]
        table = InvariantCheck.__table__
        session.execute(text(f"UPDATE {table.name} SET failures = 3 WHERE name = 'group_ledger'"))
        [found] = work.invariants(session)
        assert (found.level, "group_ledger: 3 wrong" in found.detail) == (Level.PROBLEM, True)
        session.execute(text(f"UPDATE {table.name} SET failures = 0, unproved = 5 WHERE failures = 3"))
        [found] = work.invariants(session)
        assert (found.level, "group_ledger: 5 too large" in found.detail) == (Level.WARNING, True)
        old = clock.now() - timedelta(days=9)
        session.execute(table.update().values(unproved=0, checked_at=old))  # type: ignore[attr-defined]
        assert levels(work.invariants(session)) == ["warning"]


@pytest.mark.parametrize(
    ("about", "value"),
    [
        ("OUTLAY_REDIS_URL", "foo://:hunter2@x/0"),
        ("OUTLAY_REDIS_URL", "redis://:hunter2@x:abc/0"),
        ("OUTLAY_PUBLIC_URL", "http://[::1"),
        ("OUTLAY_WS_ALLOWED_ORIGINS", "http://[::1"),
        ("OUTLAY_DATABASE_URL", "sqlite://"),
    ],
)
def test_a_check_that_breaks_down_is_a_problem_and_the_others_are_made(
    tmp_path: Path, about: str, value: str
) -> None:
    found = examined(**{"url": "sqlite:///nowhere.db", "folder": tmp_path, about: value})
    assert levels(found[about]) == ["problem"]
    assert "hunter2" not in repr(found)
    # The last one of all.
    assert found["backups"]


def doctor(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OUTLAY_")}
    return subprocess.run(
        [sys.executable, "-m", "core", "doctor", *arguments],
        cwd=REPOSITORY,
        env=kept | environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_command_fails_when_there_is_a_problem_and_says_what_to_do(
    sqlite_url: str, tmp_path: Path, own_redis: TestRedis
) -> None:
    well = {
        "OUTLAY_DATABASE_URL": sqlite_url,
        "OUTLAY_DATA_DIR": str(tmp_path / "data"),
        "OUTLAY_REDIS_URL": own_redis.url(),
    }
    done = doctor(**well)
    assert (done.returncode, done.stderr) == (0, "")
    assert "ok       schema" in done.stdout
    done = doctor("--quiet", **well, OUTLAY_MAIL_URL="smtp://127.0.0.1:1")
    assert done.returncode == 1
    assert "problem  OUTLAY_MAIL_URL: nobody answers at 127.0.0.1:1" in done.stdout
    assert "ok       " not in done.stdout
    assert "Problems: 1," in done.stdout


def test_settings_that_cannot_be_read_are_a_problem_and_the_only_one() -> None:
    done = doctor(OUTLAY_API_PORT="99999")
    assert done.returncode == 1
    assert done.stdout.startswith("problem  settings: OUTLAY_API_PORT")
    assert "Problems: 1, warnings: 0, as it should be: 0" in done.stdout
