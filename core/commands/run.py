"""`make run`: the whole system in the foreground, on embedded defaults where the environment says nothing."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from core.commands.console import Console
from core.commands.data_folder import lock_folder, persistent_secret, prepare_folder
from core.commands.healthcheck import is_healthy
from core.commands.ports import LOOPBACK, reachable, require_free
from core.commands.redis_server import EmbeddedRedis
from core.commands.supervisor import Program, Supervisor
from core.commands.watchdog import Watchdog
from core.config import Settings, load_settings
from core.errors import OutlayError

REDIS, MIGRATE, API, GATEWAY = "redis", "migrate", "api", "gateway"
WORKER, BUILDER, COURIER, BEAT = "worker", "builder", "courier", "beat"

SERVICES = (
    Program(API, (sys.executable, "-m", "api")),
    Program(GATEWAY, (sys.executable, "-m", "ws_gateway")),
    Program(WORKER, (sys.executable, "-m", "workers", "worker")),
    Program(BUILDER, (sys.executable, "-m", "workers", "builder")),
    Program(COURIER, (sys.executable, "-m", "workers", "courier")),
    Program(BEAT, (sys.executable, "-m", "workers", "beat")),
)

STOP_ORDER = ((API, BEAT), (WORKER, BUILDER), (COURIER, GATEWAY), (REDIS,))
"""First who takes in work, then who does it, then who tells of it, then what they speak through."""

REDIS_TIMEOUT_S = 10.0
SLOW_START_S = 30.0
"""After this long it is said what is still being waited for."""
POLL_S = 0.1


class StartError(OutlayError):
    """Something that all the rest needs did not come up."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    del parser  # everything comes from the environment


def run(arguments: argparse.Namespace) -> int:
    del arguments
    settings = load_settings(os.environ)
    folder = prepare_folder(Path(settings.data_dir))
    with lock_folder(folder) as lock:
        require_free(
            {
                "OUTLAY_API": (settings.api_host, settings.api_port),
                "OUTLAY_WS": (settings.ws_host, settings.ws_port),
            }
        )
        environ = {**os.environ, "OUTLAY_DATA_DIR": str(folder), "PYTHONUNBUFFERED": "1"}
        if not settings.is_production and not environ.get("OUTLAY_SECRET"):
            environ["OUTLAY_SECRET"] = persistent_secret(folder)
        redis = None if settings.redis_url else EmbeddedRedis(folder)
        if redis is not None:
            environ["OUTLAY_REDIS_URL"] = redis.url()
        # It holds the lock too, so that nobody starts on this folder before the last process is gone.
        watchdog = Watchdog(keep_open=lock)
        try:
            return asyncio.run(_System(load_settings(environ), environ, redis, watchdog).run())
        finally:
            watchdog.close()


class _System:
    def __init__(
        self, settings: Settings, environ: dict[str, str], redis: EmbeddedRedis | None, watchdog: Watchdog
    ) -> None:
        self._settings = settings
        self._redis = redis
        self._console = Console(sys.stdout, (REDIS, API, GATEWAY, WORKER, BUILDER, COURIER, BEAT, MIGRATE))
        self._supervisor = Supervisor(self._console, watchdog, environ)
        self._stop_requests = 0
        self._stop_requested = asyncio.Event()

    async def run(self) -> int:
        """Start everything, wait for the signal to stop, stop everything; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._request_stop)
        stopping = asyncio.create_task(self._stop_requested.wait())
        starting = asyncio.create_task(self._start())
        code = 0
        try:
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await stopping
        except StartError as error:
            self._console.say(error.detail)
            code = 1
        finally:
            starting.cancel()
            await self._supervisor.stop(STOP_ORDER)
        self._console.say("stopped")
        return code if self._stop_requests < 2 else 1

    def _request_stop(self) -> None:
        self._stop_requests += 1
        if self._stop_requests == 1:
            self._console.say("stopping; Ctrl-C again kills at once")
            self._stop_requested.set()
        else:
            self._supervisor.kill()

    async def _start(self) -> None:
        if self._redis is not None:
            self._supervisor.start(Program(REDIS, self._redis.command()))
            if not await self._until(self._redis.is_ready, timeout_s=REDIS_TIMEOUT_S):
                raise StartError("the embedded Redis does not answer; its redis.log may say why")
        if await self._supervisor.run_once(Program(MIGRATE, (sys.executable, "-m", "core", "migrate"))):
            raise StartError("the database could not be brought up to date; see OUTLAY_DATABASE_URL")
        for service in SERVICES:
            self._supervisor.start(service)
        for name, address in ((API, self._api), (GATEWAY, self._gateway)):
            url = f"http://{address}/healthz"
            while not await self._until(partial(is_healthy, url), timeout_s=SLOW_START_S):
                self._console.say(f"{name} does not answer at {url} yet")
        self._console.say(*self._banner())

    async def _until(self, condition: Callable[[], bool], *, timeout_s: float) -> bool:
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not await asyncio.to_thread(condition):
            if asyncio.get_running_loop().time() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    @property
    def _api(self) -> str:
        return reachable(self._settings.api_host, self._settings.api_port)

    @property
    def _gateway(self) -> str:
        return reachable(self._settings.ws_host, self._settings.ws_port)

    def _banner(self) -> tuple[str, ...]:
        redis = f"{LOOPBACK}:{self._redis.port} (embedded; password in redis.conf)" if self._redis else ""
        return (
            "Outlay is running.",
            f"  API        http://{self._api}/v1",
            f"  Docs       http://{self._api}/docs",
            f"  WebSocket  ws://{self._gateway}/ws/notifications",
            f"  Data       {self._settings.data_dir}",
            f"  Database   {_without_password(self._settings.database)}",
            f"  Mail       {_without_password(self._settings.mail).removeprefix('file://')}",
            f"  Redis      {redis or _without_password(self._settings.redis)}",
            "  Try        make demo",
            "Ctrl-C stops.",
        )


def _without_password(url: str) -> str:
    user, at, _ = urlsplit(url).netloc.rpartition("@")
    return url.replace(f"{user}@", f"{user.partition(':')[0]}:***@", 1) if at and ":" in user else url
