"""The system under measurement: Outlay's own processes over a durable database, all on this machine."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from core.commands.ports import free_port
from tests.migrating import migrate
from tests.servers import TestPostgres, TestRedis

START_TIMEOUT_S = 30.0
POLL_S = 0.05

PASSWORD = "correct horse battery"

PROCESSES = {
    "api": ["api"],
    "gateway": ["ws_gateway"],
    "worker": ["workers", "worker"],
    "builder": ["workers", "builder"],
    "courier": ["workers", "courier"],
    "beat": ["workers", "beat"],
}

Dialect = Literal["postgresql", "sqlite"]


class System:
    """API, gateway, worker and beat on free ports, with servers of their own."""

    def __init__(
        self,
        dialect: Dialect,
        *,
        processes: tuple[str, ...] = tuple(PROCESSES),
        api_processes: int = 1,
        builder_processes: int = 1,
        **settings: str,
    ) -> None:
        self._settings = settings
        self.dialect = dialect
        self._names = processes
        self._api_processes = api_processes
        self._builder_processes = builder_processes
        self._stack = ExitStack()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.api_port, self.ws_port = free_port(), free_port()
        self.database_url = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="outlay-bench-")))
            self.database_url = self._start_database(stack)
            redis = stack.enter_context(TestRedis())
            self.environment = {
                **os.environ,
                "OUTLAY_DATABASE_URL": self.database_url,
                "OUTLAY_REDIS_URL": redis.url(0),
                "OUTLAY_DATA_DIR": str(self._folder / "data"),
                "OUTLAY_API_PORT": str(self.api_port),
                "OUTLAY_WS_PORT": str(self.ws_port),
                "OUTLAY_API_PROCESSES": str(self._api_processes),
                "OUTLAY_BUILDER_PROCESSES": str(self._builder_processes),
                "OUTLAY_LOG_LEVEL": "WARNING",
                # Hundreds of users are registered before anything is measured.
                "OUTLAY_BCRYPT_COST": "4",
                # From one address, and as fast as can be: what limiting costs is in all figures all the same.
                "OUTLAY_REQUESTS_PER_MINUTE": "10000000",
                "OUTLAY_LIMIT_FACTOR": "1000",
                **self._settings,
            }
            migrate(self.database_url)
            stack.callback(self._stop_processes)
            for name in self._names:
                self.start(name)
            for name, port in (("api", self.api_port), ("gateway", self.ws_port)):
                if name in self._names:
                    await_port(port)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def start(self, name: str, command: list[str] | None = None, **settings: str) -> None:
        """One of the `PROCESSES`, or another command for `python -m`."""
        self._processes[name] = subprocess.Popen(
            [sys.executable, "-m", *(command or PROCESSES[name])], env=self.environment | settings
        )

    def stop(self, name: str) -> None:
        process = self._processes.pop(name)
        process.terminate()
        process.wait()

    def call(self, method: str, path: str, token: str = "", body: Any = None) -> Any:
        """A call to the API, decoded; for setting things up."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.api_port}{path}"
        with urllib.request.urlopen(
            urllib.request.Request(url, data=data, headers=headers, method=method), timeout=60
        ) as answer:
            return json.loads(answer.read() or b"null")

    def new_user(self, name: str) -> tuple[str, str]:
        """The id and access token of somebody who has just registered."""
        account = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
        user = self.call("POST", "/v1/auth/register", body=account)
        return user["id"], self.login(name)

    def login(self, name: str) -> str:
        token: str = self.call("POST", "/v1/auth/login", body={"login": name, "password": PASSWORD})[
            "access_token"
        ]
        return token

    def memory_mb(self) -> dict[str, float]:
        """Resident memory of each process, and of the worker's children as `worker child`."""
        found = {}
        for name, process in self._processes.items():
            found[name] = _resident_mb(process.pid)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            if children:
                found[f"{name} child"] = max(_resident_mb(int(child)) for child in children)
        return found

    def peak_mb(self, name: str) -> float:
        """The most resident memory that a process or one of its children has had so far."""
        pid = self._processes[name].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return max(_resident_mb(int(one), "VmHWM:") for one in (str(pid), *children))

    def cpu_seconds(self, name: str) -> float:
        """Of the processor, that a process and its children have had so far."""
        pid = self._processes[name].pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = (
            Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:13]
            for one in (pid, *children)
        )
        return sum(int(user) + int(kernel) for user, kernel in ticks) / os.sysconf("SC_CLK_TCK")

    def _start_database(self, stack: ExitStack) -> str:
        if self.dialect == "sqlite":
            return f"sqlite:///{self._folder / 'outlay.db'}"
        postgres = stack.enter_context(TestPostgres(is_durable=True))
        postgres.create_database("outlay")
        return postgres.url("outlay")

    def _stop_processes(self) -> None:
        for name in list(self._processes):
            self.stop(name)


def await_port(port: int) -> None:
    """Wait until somebody listens there."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)
        else:
            return


def _resident_mb(pid: int, figure: str = "VmRSS:") -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(figure)) / 1024
