"""`python -m api`: the HTTP API under uvicorn."""

import os
import signal
import sys
from typing import Any

import uvicorn

from api.connections import allow_open_files
from api.serving import serving_options
from core.config import load_settings
from core.errors import ConfigurationError
from core.logging import configure_logging


def main() -> int:
    try:
        settings = load_settings(os.environ)
    except ConfigurationError as error:
        print(f"outlay api: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    allow_open_files()
    # uvicorn finishes what is in hand and then raises the signal again: without this it would look killed.
    signal.signal(signal.SIGTERM, _end_well)
    uvicorn.run(
        "api.app:create_app_from_environment",
        factory=True,
        host=settings.api_host,
        port=settings.api_port,
        workers=settings.api_processes,
        **serving_options(settings),
    )
    return 0


def _end_well(*_signal: Any) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
