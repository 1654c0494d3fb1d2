"""Backups of a database at work come out consistent, whole, and into nothing but an empty database."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError

from core.backup import postgres
from core.backup.errors import BackupError, DamagedBackup
from core.backup.folder import LOCK, taken_alone
from core.backup.operations import verify
from core.backup.schema import list_tables
from core.database import Database
from core.models import Base
from tests.core.commands.backups import Installation, empty_like, live_in
from tests.core.services.household import Household
from tests.core.services.spender import Spender, at

REPOSITORY = Path(__file__).parents[3]
CASTS = re.compile(r"::(character varying|text)(\[\])?|[()]")
"""PostgreSQL tells a condition that it has told before with its casts in other places."""

KEY = "a key of thirty-two bytes or more"


@pytest.fixture
def origin(own_database_url: str, tmp_path: Path) -> Installation:
    return Installation(own_database_url, tmp_path / "origin")


@pytest.fixture
def target(own_database_url: str, tmp_path: Path) -> Iterator[Installation]:
    with empty_like(own_database_url, tmp_path) as url:
        yield Installation(url, tmp_path / "target")


def command(installation: Installation, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    settings = installation.settings
    own = {"OUTLAY_DATABASE_URL": settings.database_url, "OUTLAY_DATA_DIR": settings.data_dir}
    return subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=REPOSITORY,
        env={**os.environ, **own, **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_everything_comes_back_row_by_row_with_its_files(origin: Installation, target: Installation) -> None:
    with origin.database() as database:
        me = live_in(database)
        sha256 = origin.attach(me, me.spend("1.00"), b"%PDF-1.7 a receipt")
    target.put_back(origin.back_up())
    before, after = origin.content(), target.content()
    # Clients copy everything anew: their numbers begin another epoch.
    assert before.pop("change_feeds") == after.pop("change_feeds") == []
    assert after == before
    assert after["postings"]
    assert after["audit_events"]
    assert after["outbox"]
    assert target.broken_invariants() == []
    with target.store.open(sha256) as file:
        assert file.read() == b"%PDF-1.7 a receipt"


def test_the_restored_database_is_worked_with_as_before(origin: Installation, target: Installation) -> None:
    """Its indexes, constraints, triggers and counters are all there."""
    with origin.database() as database:
        live_in(database)
    target.put_back(origin.back_up())
    assert structure(target) == structure(origin)
    with target.database() as database:
        live_in(database)
    assert target.broken_invariants() == []


def structure(installation: Installation) -> list[tuple[str, ...]]:
    """Every index, constraint and trigger, as the database itself tells them."""
    with installation.database() as database, database.reading_rows() as connection:
        if database.dialect == "sqlite":
            query = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        else:
            query = """
                SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
                UNION ALL SELECT conname, conrelid::regclass || ' ' || pg_get_constraintdef(oid)
                FROM pg_constraint WHERE connamespace = 'public'::regnamespace
                UNION ALL SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
                ORDER BY 1, 2
            """
        return [tuple(CASTS.sub("", part or "") for part in row) for row in connection.execute(text(query))]


def test_a_backup_is_of_one_moment_while_writing_goes_on(origin: Installation, target: Installation) -> None:
    ends, written = threading.Event(), []

    def write() -> None:
        with origin.database() as database:
            me, home = Spender(database), Household(database, "Ada", "Bob")
            while not ends.is_set():
                written.append(me.spend("1.23", category="food"))
                home.add("3.00", split=home.equal("Ada", "Bob"))
                home.settle_all()

    writer = threading.Thread(target=write)
    writer.start()
    counts = []
    try:
        while len(written) < 10:
            ends.wait(0.01)
        for _ in range(3):
            counts.append(len(written))
            path = origin.back_up()
        while len(written) < counts[-1] + 3:
            ends.wait(0.01)
    finally:
        ends.set()
        writer.join()
    target.put_back(path)
    assert target.broken_invariants() == []
    restored = sum(1 for row in target.content()["expenses"] if 123 in row)
    assert counts[-1] <= restored < len(written)


def test_no_table_is_rewritten_behind_the_snapshot(postgres_url: str) -> None:
    """It would look empty."""
    database = Database(postgres_url, pool_size=2)
    with database.snapshot_rows() as copied:
        postgres.begin_copying(copied)
        Spender(database)
        with database.engine.connect() as altering:
            altering.execute(text("SET LOCAL lock_timeout = '100ms'"))
            with pytest.raises(OperationalError, match="lock timeout"):
                altering.execute(text("ALTER TABLE users ALTER COLUMN version TYPE bigint"))
        assert copied.scalar(text("SELECT count(*) FROM users")) == 1, "the snapshot comes behind the locks"
    database.close()


def test_every_table_is_in_it(origin: Installation) -> None:
    with origin.database() as database:
        manifest = verify(origin.settings, database, origin.back_up())
    assert set(manifest.tables) >= set(Base.metadata.tables)
    # Amounts too, wherever they are.
    for table in Base.metadata.tables.values():
        amounts = {column.name for column in table.columns if column.name.endswith("_minor")}
        assert set(manifest.tables[table.name].sums) >= amounts, table.name


def test_tables_come_behind_those_that_they_refer_to(migrated_copy: Database) -> None:
    with migrated_copy.reading_rows() as connection:
        order = [table.name for table in list_tables(connection)]
    for table in Base.metadata.tables.values():
        for key in table.foreign_keys:
            assert order.index(key.column.table.name) <= order.index(table.name)


def test_a_file_that_is_missing_or_damaged_is_told_and_all_the_rest_is_there(
    origin: Installation, target: Installation
) -> None:
    with origin.database() as database:
        me = live_in(database)
        expense_id = me.spend("1.00")
    missing, damaged, whole = (
        origin.attach(me, expense_id, content) for content in (b"missing", b"damaged", b"whole")
    )
    with at("2026-05-04T00:00:00"):
        complete = origin.back_up()
    origin.store.path(missing).unlink()
    origin.store.path(damaged).write_bytes(b"something else")
    done = command(origin, "backup", "--keep", "1")
    assert done.returncode == 1
    assert all(f"lacks {sha256}" in done.stderr for sha256 in (missing, damaged))
    assert whole not in done.stderr
    older, path = origin.backups
    assert older == complete, "it may have what is lacking, though only one is to be kept"
    restored = command(target, "restore", str(path))
    assert (restored.returncode, restored.stderr) == (0, "")
    assert damaged in restored.stdout
    assert set(target.store.kept()) == {whole}


def test_a_database_with_something_in_it_is_refused_and_stays_as_it_is(
    origin: Installation, target: Installation
) -> None:
    with origin.database() as database:
        live_in(database)
    path = origin.back_up()
    before = origin.content()
    with pytest.raises(BackupError, match="the database is not empty"):
        origin.put_back(path)
    assert origin.content() == before
    with target.database() as database, database.engine.begin() as connection:
        connection.execute(text("CREATE TABLE others (id INTEGER)"))
    with pytest.raises(BackupError, match="not Outlay's: it has a table others"):
        target.put_back(path)


def test_a_damaged_backup_leaves_the_database_empty(origin: Installation, target: Installation) -> None:
    with origin.database() as database:
        live_in(database)
    path = origin.back_up()
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedBackup):
            target.put_back(path)
    path.write_bytes(whole[:-20] + bytes((whole[-20] ^ 1,)) + whole[-19:])
    with pytest.raises(DamagedBackup):
        target.verify(path)
    path.write_bytes(whole)
    target.put_back(path)
    assert target.content()["expenses"] == origin.content()["expenses"]


def test_a_backup_of_the_other_kind_of_database_is_refused(
    sqlite_url: str, postgres_url: str, tmp_path: Path
) -> None:
    one, other = (Installation(url, tmp_path / url[:6]) for url in (sqlite_url, postgres_url))
    with pytest.raises(BackupError, match="the backup is of sqlite, OUTLAY_DATABASE_URL is postgresql"):
        other.put_back(one.back_up())
    with pytest.raises(BackupError, match="the backup is of postgresql, OUTLAY_DATABASE_URL is sqlite"):
        one.put_back(other.back_up())


def test_the_command_backs_up_verifies_keeps_the_newest_and_restores(
    origin: Installation, target: Installation
) -> None:
    with origin.database() as database:
        live_in(database)
    before = origin.content()
    for _ in range(3):
        done = command(origin, "backup", "--keep", "2", OUTLAY_BACKUP_KEY=KEY)
        assert (done.returncode, done.stderr) == (0, "")
        assert ", encrypted," in done.stdout
        assert "counts and sums are right" in done.stdout
    assert done.stdout.count("Removed ") == 1
    assert len(origin.backups) == 2
    # Trying it out has left nothing behind.
    assert origin.content() == before
    path = str(origin.backups[-1])
    refused = command(target, "restore", path, OUTLAY_BACKUP_KEY=KEY + "!")
    assert (refused.returncode, "is not the key" in refused.stderr) == (1, True)
    # Who permits plain ones needs the key for the others all the same.
    tried = command(target, "restore", path, "--verify-only", "--unencrypted", OUTLAY_BACKUP_KEY=KEY)
    assert (tried.returncode, tried.stderr, "thrown away" in tried.stdout) == (0, "", True)
    restored = command(target, "restore", path, OUTLAY_BACKUP_KEY=KEY)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert target.content()["users"] == before["users"]


def test_with_a_key_a_plain_backup_is_refused_unless_it_is_asked_for(
    origin: Installation, target: Installation
) -> None:
    """Whoever can put a file into the folder could have made it."""
    with origin.database() as database:
        live_in(database)
    path = str(origin.back_up())
    for option in ((), ("--verify-only",)):
        refused = command(target, "restore", path, *option, OUTLAY_BACKUP_KEY=KEY)
        assert (refused.returncode, "--unencrypted" in refused.stderr) == (1, True)
    restored = command(target, "restore", path, "--unencrypted", OUTLAY_BACKUP_KEY=KEY)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert "API keys are as they were in the backup" in restored.stdout


def test_what_cannot_be_done_is_said_in_a_line(origin: Installation, tmp_path: Path) -> None:
    for arguments, words in (
        (("restore", str(tmp_path / "none")), "cannot read"),
        (("backup", "--keep", "0"), "--keep: at least 1"),
        (("backup", "--to", "/dev/null/x"), "cannot write to"),
    ):
        done = command(origin, *arguments)
        assert done.returncode == 1
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    with taken_alone(origin.settings.backups):
        assert "another backup is being written" in command(origin, "backup").stderr
    nowhere = Installation(f"sqlite:///{tmp_path / 'mistyped.db'}", tmp_path / "nowhere")
    assert "there is no database at" in command(nowhere, "backup").stderr
    assert not (tmp_path / "mistyped.db").exists()
    away = Installation("postgresql+psycopg://nobody:x@127.0.0.1:1/nothing", tmp_path / "away")
    assert "OUTLAY_DATABASE_URL" in command(away, "backup").stderr


def test_what_somebody_left_who_was_killed_while_trying_out_goes(sqlite_url: str, tmp_path: Path) -> None:
    left = tmp_path / ".outlay-verification-left"
    left.mkdir()
    (left / "outlay.db").write_bytes(b"large")
    origin = Installation(sqlite_url, tmp_path / "origin")
    origin.verify(origin.back_up())
    assert list(tmp_path.glob(".outlay*")) == []


@pytest.fixture
def reader(postgres_url: str, tmp_path: Path) -> Iterator[Installation]:
    """Somebody who may read all rows of all tables, and no more."""
    database, name = Database(postgres_url, pool_size=1), f"reader_{uuid4().hex}"
    with database.engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN BYPASSRLS"))
        connection.execute(text(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"))
        connection.execute(text(f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}"))
    url = database.engine.url.set(username=name).render_as_string(hide_password=False)
    yield Installation(url, tmp_path / "reader")
    with database.engine.begin() as connection:
        connection.execute(text(f"DROP OWNED BY {name}"))
        connection.execute(text(f"DROP ROLE {name}"))
    database.close()


def test_a_role_that_may_not_try_backups_out_is_told_what_it_lacks(reader: Installation) -> None:
    done = command(reader, "backup", "--keep", "1")
    assert done.returncode == 1
    assert "not verified, and older ones stay" in done.stderr
    assert "GRANT CREATE ON DATABASE" in done.stderr
    assert reader.backups == []
    assert command(reader, "backup", "--no-verify").returncode == 0


def test_who_would_not_see_all_rows_makes_no_backup(reader: Installation, postgres_url: str) -> None:
    """Of what policies let through it would look like a whole one."""
    database = Database(postgres_url, pool_size=1)
    with database.engine.begin() as connection:
        name = make_url(reader.settings.database).username
        connection.execute(text(f"ALTER ROLE {name} NOBYPASSRLS"))
    database.close()
    done = command(reader, "backup", "--no-verify")
    assert done.returncode == 1
    assert "row-level security" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in reader.settings.backups.iterdir()] == [LOCK]
