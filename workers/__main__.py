"""`python -m workers worker`, `builder`, `courier` and `beat`."""

import os
import sys
import warnings
from typing import Any

from celery.exceptions import SecurityWarning
from celery.signals import beat_init

from core.broker import LONG_QUEUE, OUTGOING_QUEUE, QUEUE
from core.config import load_settings
from core.errors import ConfigurationError
from core.logging import get_logger
from core.metrics import measure_process, serve_metrics, share_metrics
from core.process import start_logging
from workers.app import Role, create_app
from workers.measures import place

QUEUES: dict[Role, str] = {"worker": QUEUE, "builder": LONG_QUEUE, "courier": OUTGOING_QUEUE}
ROLES = (*QUEUES, "beat")
"""In the order of their ports for Prometheus, from `OUTLAY_METRICS_PORT` on."""

log = get_logger(__name__)


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in ROLES:
        print(f"usage: python -m workers {{{','.join(ROLES)}}}", file=sys.stderr)
        return 2
    try:
        settings = load_settings(os.environ)
    except ConfigurationError as error:
        print(f"outlay {arguments[0]}: {error}", file=sys.stderr)
        return 2
    start_logging(settings, process=arguments[0])
    # A page about root and pickled messages: ours are JSON only, and no container runs as root. For a
    # development run that does, it would be noise.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    port = settings.metrics_port and settings.metrics_port + ROLES.index(arguments[0])
    if arguments == ["beat"]:
        measure_process()
        if port:
            serve_metrics(settings.metrics_host, port)
        beat_init.connect(_say_that_beat_has_started, weak=False)
        create_app(settings).Beat(loglevel=settings.log_level, quiet=True).run()
        return 0
    [role] = (role for role in QUEUES if role == arguments[0])
    options = ["--without-gossip", "--without-mingle", "--without-heartbeat", f"--queues={QUEUES[role]}"]
    if port:
        # Before the processes that do the work are begotten: what they count is told by this one.
        share_metrics(process_identifier=place)
        serve_metrics(settings.metrics_host, port)
    app = create_app(settings, role)
    app.worker_main(["--quiet", "worker", *options, f"--loglevel={settings.log_level}"])
    return 0


def _say_that_beat_has_started(**_sent: Any) -> None:
    # The others say so by themselves.
    log.info("beat.started")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
