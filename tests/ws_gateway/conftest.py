"""A world for each test, with a database of its own: on SQLite, or on both kinds."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ids import new_id
from tests.conftest import POSTGRES, POSTGRES_TEMPLATE, REDIS, SQLITE_TEMPLATE
from tests.servers import TestPostgres, TestRedis
from tests.ws_gateway.world import World


@pytest.fixture
def own_redis() -> Iterator[TestRedis]:
    """One to stop and to kill."""
    with TestRedis() as server:
        yield server


@pytest.fixture
def own_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestPostgres]:
    """One to kill."""
    monkeypatch.delenv(POSTGRES)
    with TestPostgres() as server:
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(os.environ[SQLITE_TEMPLATE], tmp_path / 'outlay.db')}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    server = TestPostgres()
    name = f"ws_gateway_{new_id().hex}"
    server.create_database(name, os.environ[POSTGRES_TEMPLATE])
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    with World(sqlite_url, os.environ[REDIS]) as world:
        yield world


@pytest.fixture(params=["sqlite", "postgresql"])
def any_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """For what depends on how the database shows what others have just committed."""
    url = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    with World(url, os.environ[REDIS]) as world:
        yield world


@pytest.fixture
def fragile_world(sqlite_url: str, own_redis: TestRedis) -> Iterator[World]:
    """One whose Redis may be stopped."""
    with World(sqlite_url, own_redis.url()) as world:
        yield world
