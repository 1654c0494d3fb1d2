"""`python -m ws_gateway`: serves notifications over WebSockets until SIGTERM or SIGINT."""

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable

from sqlalchemy.exc import ArgumentError

from core.config import Settings, load_settings
from core.errors import ConfigurationError
from core.logging import get_logger
from core.metrics import measure_process
from core.process import start_logging
from core.tracing import start_tracing, stop_tracing
from ws_gateway.lobby import MAX_STRANGERS
from ws_gateway.server import Gateway

SPARE_FILES = 100
"""Beside the sockets: the database's and Redis' connections, the log."""

SWITCH_INTERVAL_S = 0.001
"""How long the event loop waits for the interpreter while a thread reads rows; Python's 5 ms would add up."""

log = get_logger(__name__)


def main() -> int:
    try:
        settings = load_settings(os.environ)
        start_logging(settings, process="gateway")
        measure_process()
        start_tracing(settings.otel_url, process="gateway")
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        _allow_open_files(settings.ws_max_connections + MAX_STRANGERS + SPARE_FILES)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings))
    except ConfigurationError as error:
        print(f"ws_gateway: {error.detail}", file=sys.stderr)
        return 2
    except OSError as error:
        log.error("gateway.not_started", error=error)  # noqa: TRY400 - the port is taken, no traceback helps
        return 1
    stop_tracing()
    log.info("gateway.stopped")
    return 0


async def _serve(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        gateway = Gateway(settings)
    except (ArgumentError, ValueError) as error:
        raise ConfigurationError(f"OUTLAY_DATABASE_URL or OUTLAY_REDIS_URL: {error}") from error
    await gateway.run(stop)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # there is none for Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


def _allow_open_files(wanted: int) -> None:
    """Every socket is an open file, and shells allow a process 1,024 unless it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft != resource.RLIM_INFINITY and soft < wanted:
        log.warning("gateway.few_files", allowed=soft, wanted=wanted)


if __name__ == "__main__":
    code = main()
    logging.shutdown()
    # Not sys.exit: it would wait for a query that hangs, and with it for the database to come back.
    os._exit(code)
