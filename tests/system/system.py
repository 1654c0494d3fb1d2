"""The whole system as real processes, which a test may kill and start again one by one."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx

from core.commands.healthcheck import is_healthy
from core.commands.ports import LOOPBACK, free_port
from core.commands.run import API, BEAT, BUILDER, COURIER, GATEWAY, SERVICES, WORKER
from core.commands.watchdog import Watchdog
from core.config import ENVIRONMENT_PREFIX
from tests.cast import http_client

__all__ = ["API", "BEAT", "BUILDER", "COURIER", "GATEWAY", "WORKER", "System"]

REPOSITORY = Path(__file__).parents[2]

COMMANDS = {service.name: tuple(service.command) for service in SERVICES}

USUAL = (API, GATEWAY, WORKER, BEAT)
"""What is started where nothing is named: few tests build files, and each process takes a second to start."""

PATIENCE_S = 40.0
"""For what is going to happen anyway, on a machine that does much else at the time."""

START_S = 120.0
"""The same for processes to listen: all begin at once, and each has to import for some seconds of a core."""

POLL_S = 0.02

LOG_TAIL_LINES = 40
"""Of each process, shown with a failure."""


class System:
    """All processes on free ports, over a database and a Redis that are there.

    Each process leads a group of its own and writes a log of its own. A watchdog ends all of them if the
    test process dies.
    """

    def __init__(self, folder: Path, *, database_url: str, redis_url: str, **settings: object) -> None:
        self._folder = folder
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._watchdog = Watchdog()
        self.api_port, self.gateway_port = free_port(), free_port()
        own = {
            "database_url": database_url,
            "redis_url": redis_url,
            "data_dir": folder / "data",
            "api_port": self.api_port,
            "ws_port": self.gateway_port,
            "bcrypt_cost": 4,
            # All clients are behind one address, and write as fast as they can.
            "requests_per_minute": 10_000_000,
            "limit_factor": 1_000,
            "rates_url": "off",
            **settings,
        }
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(ENVIRONMENT_PREFIX)},
            **{ENVIRONMENT_PREFIX + name.upper(): str(value) for name, value in own.items()},
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.api_port}"

    @property
    def gateway_url(self) -> str:
        return f"ws://{LOOPBACK}:{self.gateway_port}/ws/notifications"

    def client(self) -> httpx.Client:
        return http_client(self.api_url)

    def start(self, *names: str) -> Self:
        """Start the named processes, or the usual ones; returns when those that listen answer."""
        for name in names or USUAL:
            self._launch(name)
        self.wait_until_listening(*names)
        return self

    def wait_until_listening(self, *names: str) -> None:
        """Wait for the API and the gateway, as far as they are named."""
        for name, port in ((API, self.api_port), (GATEWAY, self.gateway_port)):
            if not names or name in names:
                url = f"http://{LOOPBACK}:{port}/healthz"
                listens = partial(self._listens, name, url)
                self.wait_until(listens, f"{name} listens", within_s=START_S)

    def _listens(self, name: str, url: str) -> bool:
        assert self.is_running(name), f"{name} has ended\n{self.logs()}"
        return is_healthy(url)

    def kill(self, name: str) -> None:
        """End the process and its children at once, as a crash or the kernel would."""
        with self._lock:
            process = self._processes.pop(name)
            _kill_group(process)
            process.wait()
            self._watchdog.forget(process.pid)

    def terminate(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Ask the process to end, as a launcher does."""
        self._processes[name].send_signal(number)

    def exit_code(self, name: str, *, within_s: float = PATIENCE_S) -> int:
        """How a process ended that was asked to."""
        process = self._processes[name]
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{name} has not ended in {within_s:g} s\n{self.logs()}") from None
        self.kill(name)
        return code

    def pid(self, name: str) -> int:
        return self._processes[name].pid

    def is_running(self, name: str) -> bool:
        return name in self._processes and self._processes[name].poll() is None

    def log(self, name: str) -> str:
        path = self._folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def logs(self) -> str:
        """The end of every process's log, for the message of a failure."""
        tails = []
        for name in COMMANDS:
            lines = self.log(name).splitlines()
            state = "running" if self.is_running(name) else "not running"
            tails += [f"--- {name} ({state}), {len(lines)} lines ---", *lines[-LOG_TAIL_LINES:]]
        return "\n".join(tails)

    def wait_until(
        self, condition: Callable[[], bool], what: str | Callable[[], str], *, within_s: float = PATIENCE_S
    ) -> float:
        """Wait until it is so; answers how long that took.

        Raises:
            AssertionError: it has not become so in time; with the logs of all processes.
        """
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > within_s:
                text = what if isinstance(what, str) else what()
                raise AssertionError(f"not within {within_s:g} s: {text}\n{self.logs()}")
            time.sleep(POLL_S)
        return time.monotonic() - began

    def close(self) -> None:
        """End all that is left."""
        for name in list(self._processes):
            self.kill(name)
        self._watchdog.close()

    def _launch(self, name: str) -> None:
        with self._lock:
            assert name not in self._processes, f"{name} has been started already"
            with self._open_log(name) as log:
                process = subprocess.Popen(
                    COMMANDS[name],
                    cwd=REPOSITORY,
                    env=self._environ,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._processes[name] = process
            self._watchdog.watch(process.pid)

    def _open_log(self, name: str) -> IO[bytes]:
        return (self._folder / f"{name}.log").open("ab")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it has ended, and all of its group with it
        os.killpg(process.pid, signal.SIGKILL)
