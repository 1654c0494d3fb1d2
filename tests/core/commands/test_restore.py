"""Restoring: from older schemas, into databases that were migrated already, and by somebody who is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import insert, inspect, select, text

from core import clock
from core.backup.errors import BackupError
from core.database import Database
from core.migrations import Migrations
from core.models import Challenge, ExchangeRate, LoginSession, table_of
from core.services.challenges import issue_challenge
from core.services.sessions import RefreshRefused, open_session, rotate_refresh_token
from tests.core.commands.backups import Installation, empty_like, live_in
from tests.core.commands.test_backup import REPOSITORY
from tests.core.services.replica import Replica
from tests.core.services.spender import Spender
from tests.migrating import migrate

OLDER = "0018"
"""Before deliveries, digests and recurring expenses had tables."""

BYTES_OF_FILES = 8_000_000
"""Much more than what a reader has in hand, and a pipe."""


@pytest.fixture
def fresh(own_database_url: str, tmp_path: Path) -> Iterator[Installation]:
    """In which nothing is at all."""
    with empty_like(own_database_url, tmp_path) as url:
        yield Installation(url, tmp_path / "fresh")


@pytest.fixture
def migrated(own_database_url: str, tmp_path: Path) -> Installation:
    return Installation(own_database_url, tmp_path / "migrated")


def revision(installation: Installation) -> str | None:
    with installation.database() as database, database.reading_rows() as connection:
        return connection.scalar(text("SELECT version_num FROM alembic_version"))


def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    fresh: Installation, migrated: Installation
) -> None:
    """The target has the newest schema already, as after `make run`: it goes down to the backup's first."""
    migrate(fresh.settings.database, OLDER)
    with fresh.database() as database, database.engine.begin() as connection:
        connection.execute(
            text("""
                INSERT INTO users (id, username, username_key, email, email_key, display_name, password_hash,
                  timezone, currency, is_active, notification_seq, version, created_at, updated_at)
                VALUES (:id, 'kim', 'kim', 'k@example.com', 'k@example.com', 'Kim', '-',
                  'UTC', 'EUR', true, 0, 1, :now, :now)
            """),
            {
                "id": str(uuid4()) if database.dialect == "postgresql" else uuid4().hex,
                "now": str(clock.now())[:19],
            },
        )
    path = fresh.back_up()
    migrated.verify(path)
    assert migrated.content()["users"] == []
    migrated.put_back(path)
    assert revision(migrated) == Migrations().newest
    assert [row[1] for row in migrated.content()["users"]] == ["kim"]
    assert migrated.broken_invariants() == []
    with migrated.database() as database:
        live_in(database)


def test_a_backup_of_a_newer_outlay_is_refused(migrated: Installation, fresh: Installation) -> None:
    with migrated.database() as database, database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(BackupError, match="of a newer Outlay"):
        fresh.put_back(migrated.back_up())
    with fresh.database() as database:
        assert inspect(database.engine).get_table_names() == []


def test_what_a_new_system_fills_by_itself_does_not_count_and_gives_way(
    migrated: Installation, fresh: Installation
) -> None:
    with migrated.database() as database:
        live_in(database)
    path, before = migrated.back_up(), migrated.content()
    migrate(fresh.settings.database)
    rate = {
        "currency": "USD",
        "day": clock.now().date(),
        "rate": 1,
        "source": "ecb",
        "fetched_at": clock.now(),
    }
    columns = table_of(ExchangeRate).c
    with fresh.database() as database, database.transaction() as session:
        session.execute(
            insert(ExchangeRate), {name: value for name, value in rate.items() if name in columns}
        )
    fresh.put_back(path)
    assert fresh.content()["exchange_rates"] == before["exchange_rates"] == []


def test_clients_with_copies_begin_anew(migrated: Installation, fresh: Installation) -> None:
    with migrated.database() as database:
        me = Spender(database)
        me.spend("1.00")
        replica = Replica(database, me.id)
        replica.sync()
        path, before = migrated.back_up(), replica.position
    fresh.put_back(path)
    with fresh.database() as database:
        replica = Replica(database, me.id)
        replica.position = before
        assert replica.step()
        assert replica.position is None
        replica.sync()
        replica.assert_complete()


def test_who_is_killed_half_way_leaves_an_empty_database_that_can_be_restored_into(
    migrated: Installation, fresh: Installation, tmp_path: Path
) -> None:
    with migrated.database() as database:
        me = live_in(database)
        expense_id = me.spend("1.00")
    for _ in range(2):
        migrated.attach(me, expense_id, os.urandom(BYTES_OF_FILES // 2))
    path = migrated.back_up()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    settings = fresh.settings
    own = {"OUTLAY_DATABASE_URL": settings.database_url, "OUTLAY_DATA_DIR": settings.data_dir}
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "restore", str(pipe)], cwd=REPOSITORY, env={**os.environ, **own}
    )
    with pipe.open("wb") as file:
        # Who has taken so much has all rows in, and is at the files; the end never comes.
        file.write(path.read_bytes()[:-100_000])
        process.kill()
    assert process.wait() != 0
    with fresh.database() as database:
        assert inspect(database.engine).get_table_names() == []
    fresh.put_back(path)
    before, after = migrated.content(), fresh.content()
    assert after == before
    assert len(set(fresh.store.kept())) == 2


def test_a_damaged_file_is_mended_by_what_is_put_back(migrated: Installation, fresh: Installation) -> None:
    """Whoever goes back to a backup often has the folder of files still."""
    with migrated.database() as database:
        me = Spender(database)
        sha256 = migrated.attach(me, me.spend("1.00"), b"receipt")
    path = migrated.back_up()
    damaged = fresh.store.path(sha256)
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"bit rot")
    fresh.put_back(path)
    assert damaged.read_bytes() == b"receipt"


def test_a_folder_of_files_that_cannot_be_written_to_is_said_so(
    migrated: Installation, fresh: Installation
) -> None:
    with migrated.database() as database:
        me = Spender(database)
        migrated.attach(me, me.spend("1.00"), b"receipt")
    path = migrated.back_up()
    fresh.store.folder.parent.mkdir(parents=True, exist_ok=True)
    fresh.store.folder.write_text("no folder")
    with pytest.raises(BackupError, match="cannot write to"):
        fresh.put_back(path)
    with fresh.database() as database:
        assert inspect(database.engine).get_table_names() == []


def test_a_restored_sequence_gives_no_number_twice(postgres_url: str, tmp_path: Path) -> None:
    origin = Installation(postgres_url, tmp_path / "origin")
    with origin.database() as database:
        me = Spender(database)
        me.spend("1.00")
        me.settle()
        last = _next_number(database)
    path = origin.back_up()
    with empty_like(postgres_url, tmp_path) as url:
        target = Installation(url, tmp_path / "target")
        target.put_back(path)
        with target.database() as database:
            assert _next_number(database) == last + 1


def _next_number(database: Database) -> int:
    with database.transaction() as session:
        number: int = session.scalar(text("SELECT nextval('outbox_id_seq')"))  # type: ignore[assignment]
    return number


def test_all_logins_have_ended(migrated: Installation, fresh: Installation) -> None:
    """Who was logged out after the backup was made stays so."""
    with migrated.database() as database:
        me = Spender(database)
        with database.transaction() as session:
            opened = open_session(session, user_id=me.id, user_agent="a thief's", ip_address=None)
            issue_challenge(session, purpose="second_factor", user_id=me.id)
    fresh.put_back(migrated.back_up())
    with fresh.database() as database, database.transaction() as session:
        answer = rotate_refresh_token(session, refresh_token=opened.refresh_token)
        assert isinstance(answer, RefreshRefused)
        assert session.scalars(select(LoginSession.id).where(LoginSession.revoked_at.is_(None))).all() == []
        assert session.scalars(select(Challenge.token_hash)).all() == []
