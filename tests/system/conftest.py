"""The system, on a database and a Redis of the test's own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.database import Database
from tests.servers import TestRedis
from tests.system.stored import Stored
from tests.system.system import System


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
