"""A database of any earlier version is brought up to date with all that is in it, and goes on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import select

from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.migrations import migration_config
from core.models import Base
from core.queries.audit import ChainProof, verify_chain
from core.services.invariant_checks import CHECKS, prove
from tests import history
from tests.api.calls import new_expense, read
from tests.cast import PASSWORD, http_client
from tests.conftest import REDIS, TEST_BCRYPT_COST
from tests.history import ADA, MILESTONES, Row
from tests.migrating import migrate
from tests.running_api import RunningApi
from tests.servers import TestPostgres

REVISIONS = [
    one.revision for one in ScriptDirectory.from_config(migration_config()).walk_revisions("base", "heads")
][::-1]

SINCE = {
    "invariant_checks", "api_keys", "challenges", "email_changes", "identities", "known_devices", "passkeys",
    "recovery_codes", "second_factors", "audit_events", "audit_heads",
}  # fmt: skip
"""Tables that were not there yet when the last rows of `history` were written."""


@pytest.fixture(params=["postgresql", "sqlite"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'outlay.db'}"
        return
    server, name = TestPostgres(), f"outlay_own_{new_id().hex}"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)


def lived_in(url: str, *, until: str, is_step_by_step: bool) -> list[tuple[str, Row]]:
    """What was written while the database went through its first versions; after that it is the newest."""
    written: list[tuple[str, Row]] = []
    database = Database(url, pool_size=1)
    for revision, rows in MILESTONES.items():
        if revision <= until:
            migrate(url, revision)
            with database.engine.begin() as connection:
                written += history.write(connection, rows())
    database.close()
    for revision in [one for one in REVISIONS if one > until] if is_step_by_step else ["head"]:
        migrate(url, revision)
    return written


def assert_all_is_there(database: Database, written: list[tuple[str, Row]]) -> None:
    with database.engine.connect() as connection:
        for name, row in written:
            assert len(history.found(connection, name, row)) == 1, f"{name}: {row}"


def assert_all_can_be_read(database: Database, written: list[tuple[str, Row]]) -> None:
    """By the models of today, which convert each field of each row."""
    with database.reading() as session:
        for mapper in Base.registry.mappers:
            table = str(mapper.local_table)
            loaded = session.scalars(select(mapper.class_)).all()
            assert len(loaded) >= sum(name == table for name, _row in written), table


def assert_nothing_is_wrong(database: Database) -> None:
    with database.reading() as session:
        proofs = [prove(session, name=name) for name in CHECKS]
    assert [(proof.name, proof.details) for proof in proofs if not proof.is_whole] == []


def assert_it_is_used(url: str, folder: Path, expense_ids: set[str]) -> None:
    """Ada logs in with her old password, finds what is hers, and goes on."""
    settings = Settings(
        database_url=url,
        redis_url=os.environ[REDIS],
        redis_prefix=f"test-upgrade-{new_id().hex}",
        data_dir=str(folder),
        bcrypt_cost=TEST_BCRYPT_COST,
        requests_per_minute=10_000_000,
        limit_factor=1_000,
    )
    with RunningApi(settings) as api, http_client(api.url) as client:
        answer = client.post("/v1/auth/login", json={"login": "ada", "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        assert ids(client, "/v1/expenses") == expense_ids
        made = new_expense(client, "12.34")
        assert ids(client, "/v1/expenses") == {*expense_ids, made["id"]}
        events = read(client, "/v1/me/activity")["items"]
        assert [(one["seq"], one["action"]) for one in events] == [
            (2, "expense.created"),
            (1, "session.opened"),
        ]
        assert events[0]["object_id"] == made["id"]


def ids(client: httpx.Client, path: str) -> set[str]:
    found: list[dict[str, Any]] = read(client, path)["items"]
    return {one["id"] for one in found}


def listed(written: list[tuple[str, Row]]) -> set[str]:
    """The expenses that are in no trash."""
    return {str(row["id"]) for name, row in written if name == "expenses" and "deleted_at" not in row}


@pytest.mark.parametrize(
    ("until", "is_step_by_step"),
    [("0001", False), ("0003", False), ("0006", False), ("0014", False), ("0020", False), ("0020", True)],
)
def test_an_old_database_is_brought_up_to_date_whole_and_is_used(
    empty_url: str, tmp_path: Path, until: str, is_step_by_step: bool
) -> None:
    written = lived_in(empty_url, until=until, is_step_by_step=is_step_by_step)
    if until == max(MILESTONES):
        assert {name for name, _row in written} == Base.metadata.tables.keys() - SINCE
    database = Database(empty_url, pool_size=2)
    assert_all_is_there(database, written)
    assert_all_can_be_read(database, written)
    assert_nothing_is_wrong(database)
    assert_it_is_used(empty_url, tmp_path / "data", listed(written))
    assert_all_is_there(database, written)
    assert_nothing_is_wrong(database)
    with database.reading() as session:
        assert verify_chain(session, user_id=ADA) == ChainProof(ADA, 2)
    database.close()
