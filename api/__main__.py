"""`python -m api`: the HTTP API under uvicorn."""

import os
import signal
import sys
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from api.connections import allow_open_files
from api.serving import serving_options
from core.config import load_settings
from core.errors import ConfigurationError
from core.metrics import share_metrics
from core.process import start_logging

APPLICATION = "api.app:create_app_from_environment"


def main() -> int:
    try:
        settings = load_settings(os.environ)
    except ConfigurationError as error:
        print(f"outlay api: {error}", file=sys.stderr)
        return 2
    start_logging(settings, process="api")
    if settings.api_processes > 1:
        share_metrics()
    allow_open_files()
    # uvicorn finishes what is in hand and then raises the signal again: without this it would look killed.
    signal.signal(signal.SIGTERM, _end_well)
    address = {"host": settings.api_host, "port": settings.api_port}
    options = {"factory": True, "workers": settings.api_processes, **address, **serving_options(settings)}
    if settings.api_processes == 1:
        uvicorn.run(APPLICATION, **options)
    else:
        config = uvicorn.Config(APPLICATION, **options)
        _Processes(config, sockets=[config.bind_socket()]).run()
    return 0


class _Processes(Multiprocess):
    """uvicorn's supervisor listens itself as long as it lives: who came at the end was taken in by nobody."""

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def _end_well(*_signal: Any) -> None:
    sys.exit(0)


if __name__ == "__main__":
    sys.exit(main())
