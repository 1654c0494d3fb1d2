"""A world for each test, with a database of its own: on SQLite, or on both kinds."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import POSTGRES, REDIS
from tests.servers import TestPostgres, TestRedis
from tests.ws_gateway.world import World


@pytest.fixture
def own_postgres(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestPostgres]:
    """One to kill."""
    monkeypatch.delenv(POSTGRES)
    with TestPostgres() as server:
        yield server


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    with World(sqlite_url, os.environ[REDIS]) as world:
        yield world


@pytest.fixture
def any_world(own_database_url: str) -> Iterator[World]:
    """For what depends on how the database shows what others have just committed."""
    with World(own_database_url, os.environ[REDIS]) as world:
        yield world


@pytest.fixture
def fragile_world(sqlite_url: str, own_redis: TestRedis) -> Iterator[World]:
    """One whose Redis may be stopped."""
    with World(sqlite_url, own_redis.url()) as world:
        yield world
