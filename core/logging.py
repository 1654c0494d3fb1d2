"""Logs of every process: one line an event, to stderr."""

import logging

FORMAT = "%(asctime)s %(levelname)-7s %(name)s %(message)s"

CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "uvicorn.error", "alembic")
"""Libraries that tell of each single task or start; what goes wrong they say at WARNING and above."""


def configure_logging(level: str) -> None:
    """Log at this level; chatty libraries speak up only when something is wrong, except for debugging."""
    logging.basicConfig(level=level, format=FORMAT, force=True)
    if level != "DEBUG":
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.WARNING)
