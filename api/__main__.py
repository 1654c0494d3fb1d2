"""`python -m api`: the HTTP API under uvicorn."""

import os
import signal
import sys
from typing import Any

import uvicorn

from core.config import load_settings
from core.errors import ConfigurationError
from core.metrics import share_metrics
from core.process import start_logging

BACKLOG = 2_048
KEEP_ALIVE_S = 30
SHUTDOWN_TIMEOUT_S = 15
"""In-flight requests finish within this. Compose kills after 20 s and the launcher after 25 s, so time is
left to close what the process holds."""


def main() -> int:
    try:
        settings = load_settings(os.environ)
    except ConfigurationError as error:
        print(f"outlay api: {error}", file=sys.stderr)
        return 2
    start_logging(settings, process="api")
    if settings.api_processes > 1:
        share_metrics()
    # uvicorn finishes what is in hand and then raises the signal again: without this it would look killed.
    signal.signal(signal.SIGTERM, _end_well)
    uvicorn.run(
        "api.app:create_app_from_environment",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        workers=settings.api_processes,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_TIMEOUT_S,
    )
    return 0


def _end_well(*_signal: Any) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
