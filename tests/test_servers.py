"""The throw-away servers: usable, apart from one another, and gone whatever happens to their starter."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from tests import postgres_binaries
from tests.processes import eventually, is_alive
from tests.servers import TestPostgres, TestRedis

REPOSITORY = Path(__file__).parents[1]

STARTER = """
import sys
from tests.servers import TestPostgres, TestRedis
postgres, server = TestPostgres(), TestRedis()
postgres.start()
server.start()
print(postgres.pid, server.pid, postgres.folder, server.folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OUTLAY_TEST_DATABASE_URL", raising=False)


@pytest.fixture
def postgres() -> Iterator[TestPostgres]:
    with TestPostgres() as server:
        yield server


def libpq(url: str) -> str:
    return url.replace("+psycopg", "")


def test_a_database_is_cloned_from_its_template(postgres: TestPostgres) -> None:
    postgres.create_database("template")
    with psycopg.connect(libpq(postgres.url("template"))) as connection:
        connection.execute("CREATE TABLE noted AS SELECT 'Zoë' AS name")
    postgres.create_database("clone", template="template")
    with psycopg.connect(libpq(postgres.url("clone"))) as connection:
        assert connection.execute("SELECT name, upper(name) FROM noted").fetchone() == ("Zoë", "ZOË")


def test_a_database_is_dropped_while_somebody_is_connected(postgres: TestPostgres) -> None:
    postgres.create_database("busy")
    with psycopg.connect(libpq(postgres.url("busy"))):
        postgres.drop_database("busy")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(libpq(postgres.url("busy")))


def test_a_killed_postgres_comes_back_with_its_data(postgres: TestPostgres) -> None:
    postgres.create_database("kept")
    postgres.kill()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(libpq(postgres.url("kept")))
    postgres.restart()
    psycopg.connect(libpq(postgres.url("kept"))).close()


def test_a_given_server_is_used_and_left_with_no_database_of_ours(
    postgres: TestPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTLAY_TEST_DATABASE_URL", postgres.url("postgres"))
    with TestPostgres() as given:
        assert not given.is_own
        given.create_database("lent")
        psycopg.connect(libpq(given.url("lent"))).close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(libpq(postgres.url("lent")))
    assert is_alive(postgres.pid)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to change its user")
def test_postgres_runs_for_a_root_that_may_not_make_user_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_binaries, "UNSHARE", ("false",))
    with TestPostgres() as server:
        server.create_database("plain")
        assert Path(f"/proc/{server.pid}").stat().st_uid == postgres_binaries.NOBODY


def test_redis_restarts_empty_on_the_same_port() -> None:
    with TestRedis() as server:
        url = server.url(3)
        with redis.from_url(url) as client:
            client.set("left", "behind")
            server.kill()
            with pytest.raises(redis.ConnectionError):
                client.ping()
            server.restart()
            assert server.url(3) == url
            assert client.get("left") is None


def test_redis_lets_nobody_in_without_the_password() -> None:
    with TestRedis() as server:
        address = server.url().partition("@")[2]
        with redis.from_url(f"redis://{address}") as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()


def test_stopped_servers_leave_nothing_behind() -> None:
    postgres, server = TestPostgres(), TestRedis()
    postgres.start()
    server.start()
    pids, folders = (postgres.pid, server.pid), (postgres.folder, server.folder)
    postgres.stop()
    server.stop()
    server.stop()
    assert not any(is_alive(pid) for pid in pids)
    assert not any(folder.exists() for folder in folders)


def test_servers_end_when_their_starter_is_killed() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    words = starter.stdout.readline().split()
    pids, folders = [int(word) for word in words[:2]], [Path(word) for word in words[2:]]
    assert all(is_alive(pid) for pid in pids)
    starter.send_signal(signal.SIGKILL)
    starter.communicate()
    assert eventually(lambda: not any(is_alive(pid) for pid in pids))
    assert eventually(lambda: not any(folder.exists() for folder in folders))
