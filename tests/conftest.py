"""Real servers for the whole run: one PostgreSQL and one Redis, shared by all parallel workers.

The controlling process starts them and migrates a template of each database once; each worker works on
clones. The workers find them by environment variables, which they inherit.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from sqlalchemy import delete

from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.models import AuditEvent, AuditHead, Base, Group, table_of
from tests.cast import Cast, http_client, register_cast
from tests.migrating import migrate
from tests.running_api import RunningApi
from tests.servers import TestPostgres, TestRedis

POSTGRES = "OUTLAY_TEST_DATABASE_URL"
POSTGRES_TEMPLATE = "OUTLAY_TEST_POSTGRES_TEMPLATE"
SQLITE_TEMPLATE = "OUTLAY_TEST_SQLITE_TEMPLATE"
REDIS = "OUTLAY_TEST_REDIS_URL"

TEST_BCRYPT_COST = 4
"""bcrypt's least: hundreds of logins must not take the suite's time."""

shared_servers = pytest.StashKey[ExitStack]()


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        config.stash[shared_servers] = _start_servers()


def pytest_unconfigure(config: pytest.Config) -> None:
    if shared_servers in config.stash:
        config.stash[shared_servers].close()


def _start_servers() -> ExitStack:
    with ExitStack() as stack:
        postgres = stack.enter_context(TestPostgres())
        redis = stack.enter_context(TestRedis())
        template = f"outlay_template_{os.getpid()}"
        postgres.create_database(template)
        migrate(postgres.url(template))
        folder = Path(tempfile.mkdtemp(prefix="outlay-"))
        stack.callback(shutil.rmtree, folder)
        migrate(f"sqlite:///{folder / 'template.db'}")
        os.environ[POSTGRES] = postgres.url("postgres")
        os.environ[POSTGRES_TEMPLATE] = template
        os.environ[SQLITE_TEMPLATE] = str(folder / "template.db")
        os.environ[REDIS] = redis.url(0)
        return stack.pop_all()


@pytest.fixture(scope="session", params=["postgresql", "sqlite"])
def database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[str]:
    """A migrated database of this worker's own, once on PostgreSQL and once on SQLite."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("sqlite") / "outlay.db"
        shutil.copy(os.environ[SQLITE_TEMPLATE], path)
        yield f"sqlite:///{path}"
        return
    postgres = TestPostgres()
    name = f"outlay_{worker_id}_{os.getpid()}"
    postgres.create_database(name, os.environ[POSTGRES_TEMPLATE])
    yield postgres.url(name)
    postgres.drop_database(name)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A migrated SQLite database of the test's own."""
    return f"sqlite:///{shutil.copy(os.environ[SQLITE_TEMPLATE], tmp_path / 'outlay.db')}"


@pytest.fixture
def postgres_url() -> Iterator[str]:
    """A migrated PostgreSQL database of the test's own."""
    server = TestPostgres()
    name = f"outlay_own_{new_id().hex}"
    server.create_database(name, os.environ[POSTGRES_TEMPLATE])
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
def confined(postgres_url: str) -> Iterator[Database]:
    """A database that reads as the role which sees one user's rows, as the API's does."""
    database = Database(postgres_url, pool_size=2, has_confined_readers=True)
    yield database
    database.close()


@pytest.fixture(params=["postgresql", "sqlite"])
def own_database_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of the test's own, once of each kind."""
    kind = "postgres_url" if request.param == "postgresql" else "sqlite_url"
    url: str = request.getfixturevalue(kind)
    return url


@pytest.fixture
def own_redis() -> Iterator[TestRedis]:
    """One to stop and to kill."""
    with TestRedis() as server:
        yield server


@pytest.fixture
def migrated_copy(own_database_url: str) -> Iterator[Database]:
    """A migrated database that a test may break."""
    database = Database(own_database_url, pool_size=2)
    yield database
    database.close()


@pytest.fixture(scope="session")
def settings(database_url: str, worker_id: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings for this worker's database, with Redis names of its own."""
    dialect = database_url.partition(":")[0].partition("+")[0]
    return Settings(
        database_url=database_url,
        redis_url=os.environ[REDIS],
        redis_prefix=f"test-{worker_id}-{dialect}",
        data_dir=str(tmp_path_factory.mktemp("data")),
        bcrypt_cost=TEST_BCRYPT_COST,
        # Hundreds of accounts are made from one address, and used faster than by anybody.
        requests_per_minute=10_000_000,
        limit_factor=1_000,
    )


@pytest.fixture(scope="session")
def _pool(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database, pool_size=10)
    yield database
    database.close()


@pytest.fixture
def database(_pool: Database) -> Database:
    """The worker's database, empty."""
    with _pool.transaction() as session:
        # Postings go with their groups only.
        session.execute(delete(Group))
        events, heads = table_of(AuditEvent), table_of(AuditHead)
        for table in reversed(Base.metadata.sorted_tables):
            if table not in (events, heads):
                session.execute(table.delete())
        # The heads go with their users, and the events after them only.
        session.execute(events.delete())
    return _pool


@pytest.fixture(scope="session")
def _api(settings: Settings) -> Iterator[RunningApi]:
    with RunningApi(settings) as api:
        yield api


@pytest.fixture
def client(_api: RunningApi, database: Database) -> Iterator[httpx.Client]:
    """An HTTP client without credentials for the API over the empty database."""
    with http_client(_api.url) as client:
        yield client


@pytest.fixture
def cast(client: httpx.Client) -> Iterator[Cast]:
    """An owner, a member and a stranger, each registered and logged in."""
    with register_cast(client) as cast:
        yield cast
