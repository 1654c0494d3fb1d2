"""A database and a Redis of the test's own, and the system on them."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from core.ids import new_id
from tests.conftest import POSTGRES_TEMPLATE, SQLITE_TEMPLATE
from tests.servers import TestPostgres, TestRedis
from tests.system.stored import Stored
from tests.system.system import System


@pytest.fixture
def own_redis() -> Iterator[TestRedis]:
    """One to kill."""
    with TestRedis() as redis:
        yield redis


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(os.environ[SQLITE_TEMPLATE], tmp_path / 'outlay.db')}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    server = TestPostgres()
    name = f"outlay_system_{new_id().hex}"
    server.create_database(name, os.environ[POSTGRES_TEMPLATE])
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(params=["postgresql", "sqlite"])
def own_database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database, once of each kind."""
    kind = "postgres_url" if request.param == "postgresql" else "sqlite_url"
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture
def system(tmp_path: Path, own_database_url: str, own_redis: TestRedis) -> Iterator[System]:
    """A system of which nothing runs yet."""
    with System(tmp_path, database_url=own_database_url, redis_url=own_redis.url()) as system:
        yield system


@pytest.fixture
def stored(own_database_url: str) -> Iterator[Stored]:
    """What the system's database holds."""
    database = Database(own_database_url, pool_size=2)
    yield Stored(database)
    database.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    system = getattr(item, "funcargs", {}).get("system")
    if report.when == "call" and report.failed and isinstance(system, System):
        report.sections.append(("logs of the processes", system.logs()))
    return report
