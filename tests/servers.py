"""Throw-away PostgreSQL and Redis servers. None outlives the process that started it, however that ends."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from core.commands.redis_server import EmbeddedRedis
from core.commands.watchdog import Watchdog
from tests.postgres_binaries import PostgresBinaries, find_postgres

START_TIMEOUT_S = 30.0
"""A server is up within half a second; the rest is for machines that do much else at the time."""
STOP_TIMEOUT_S = 10.0
POLL_S = 0.01

MAX_SOCKET_FOLDER_BYTES = 90
"""The name of a Unix socket has 108 bytes at most, on some systems 104, and ours adds `/.s.PGSQL.5432`."""

SUPERUSER = "outlay"

POSTGRES_SETTINGS = {
    # Reached through a socket in a folder of ours: no port to race for, and nobody else gets in.
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
}

THROW_AWAY_SETTINGS = {
    # The data is thrown away: durability would only cost time.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


class _Server:
    """A server process and its temporary folder, both gone after `stop()` or when this process is gone."""

    ending = signal.SIGTERM

    def __init__(self) -> None:
        self._watchdog: Watchdog | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path()

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not running"
        return self._process.pid

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it and remove what it left. Calling it twice does no harm."""
        self._end(self.ending)
        if self._watchdog is not None:
            self._watchdog.close()
            self._watchdog = None

    def _prepare_folder(self) -> None:
        base = tempfile.gettempdir()
        if len(os.fsencode(base)) > MAX_SOCKET_FOLDER_BYTES - 20:
            base = "/tmp"
        self.folder = Path(tempfile.mkdtemp(prefix="outlay-", dir=base))
        self._watchdog = Watchdog()
        self._watchdog.remove(self.folder)

    def _launch(self, command: list[str], is_ready: Callable[[], bool], uid: int | None = None) -> bool:
        """Start the process and wait until it is ready; False when it has ended before that."""
        assert self._watchdog is not None
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                user=uid,
                group=uid,
                extra_groups=None if uid is None else [],
            )
        self._watchdog.watch(self._process.pid, self.ending)
        deadline = time.monotonic() + START_TIMEOUT_S
        while not is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                return False
            time.sleep(POLL_S)
        return True

    def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(number)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._watchdog is not None:
            self._watchdog.forget(self._process.pid)
        self._process = None

    def _log(self) -> str:
        return "".join(path.read_text(errors="replace") for path in self.folder.glob("*log"))

    def start(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class TestPostgres(_Server):
    """The server that `OUTLAY_TEST_DATABASE_URL` names, on which databases may be made, else one of our own.

    A process may give its children that variable with `url("postgres")`, to share its server with them.
    """

    __test__ = False  # not a test, whatever its name says
    # "Fast" shutdown (SIGINT) waits for no client but leaves no shared memory behind, as SIGKILL would.
    ending = signal.SIGINT

    def __init__(self, *, is_durable: bool = False) -> None:
        """`is_durable` makes commits as safe, and as slow, as in production: for measurements."""
        super().__init__()
        self._settings = POSTGRES_SETTINGS if is_durable else {**POSTGRES_SETTINGS, **THROW_AWAY_SETTINGS}
        self._given = os.environ.get("OUTLAY_TEST_DATABASE_URL", "")
        self._databases: set[str] = set()
        self._binaries: PostgresBinaries | None = None

    @property
    def is_own(self) -> bool:
        """Whether this object runs the server, so that it may kill and restart it."""
        return not self._given

    def start(self) -> None:
        if self._given:
            self._execute(sql.SQL("SELECT 1"))
            return
        self._prepare_folder()
        self._binaries = find_postgres(self.folder)
        self._binaries.run(
            "initdb", f"--pgdata={self.folder / 'data'}", f"--username={SUPERUSER}", "--auth=trust",
            "-E", "UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions",
        )  # fmt: skip
        self.restart()

    def restart(self) -> None:
        """Start it on the same data, ending it first when it runs."""
        assert self._binaries is not None, "this server is not ours to restart"
        self._end(self.ending)
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = self._binaries.command(
            "postgres", "-D", str(self.folder / "data"), "-k", str(self.folder), *settings
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._launch(command, self._is_ready, self._binaries.uid):
            # After a crash the old server's children hold its shared memory until they notice.
            if "shared memory block" not in self._log() or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{self._log()}")
            time.sleep(POLL_S)

    def stop(self) -> None:
        if self._given:
            for name in sorted(self._databases):
                self.drop_database(name)
        super().stop()

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database on this server."""
        url = self._url().set(drivername="postgresql+psycopg", database=database)
        return url.render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database, from a template to which nobody is connected: 50 ms for a migrated one."""
        self._execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template or "template1")
            )
        )
        self._databases.add(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        self._databases.discard(name)

    def _url(self) -> URL:
        if self._given:
            return make_url(self._given)
        return URL.create("postgresql", SUPERUSER, database="postgres", query={"host": str(self.folder)})

    def _execute(self, statement: sql.SQL | sql.Composed) -> None:
        address = self._url().set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement)

    def _is_ready(self) -> bool:
        try:
            self._execute(sql.SQL("SELECT 1"))
        except psycopg.OperationalError:
            return False
        return True


class TestRedis(_Server):
    """A Redis like the one that `make run` starts. Its databases share their pub/sub channels."""

    __test__ = False  # not a test, whatever its name says

    PORTS_TO_TRY = 5
    """Another process may take a free port between our look and the server's start."""

    def __init__(self) -> None:
        super().__init__()
        self._server: EmbeddedRedis | None = None

    def start(self) -> None:
        self._prepare_folder()
        for _ in range(self.PORTS_TO_TRY):
            self._server = EmbeddedRedis(self.folder)
            if self._launch(self._server.command(), self._server.is_ready):
                return
        raise RuntimeError(f"Redis did not start:\n{self._log()}")

    def restart(self) -> None:
        """Start it empty on the same port, ending it first when it runs."""
        assert self._server is not None, "start it first"
        self._end(self.ending)
        if not self._launch(self._server.command(), self._server.is_ready):
            raise RuntimeError(f"Redis did not start again:\n{self._log()}")

    def url(self, database: int = 0) -> str:
        assert self._server is not None, "start it first"
        return self._server.url(database)
