"""Logs of every process: one event a line, with its ids as fields; to stdout and, with a folder, to files.

Our own events and those of libraries come out alike. `get_logger(__name__)` is for our own:
`log.info("job.done", job=name, rows=3)`; the name of an event never changes, and what differs is a field.
"""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler
from structlog.stdlib import BoundLogger, ProcessorFormatter
from structlog.typing import EventDict

from core.log_redaction import describe_values, hide_secrets

CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "uvicorn.error", "alembic", "urllib3")
"""Libraries that tell of each single task or start; what goes wrong they say at WARNING and above."""

AUDIT, ALERT = "outlay.audit", "outlay.alert"
"""Loggers with a file of their own, at INFO whatever the level: who did what, and who was told of what."""

LogName = Literal["app", "error", "audit", "alert"]

MAX_FILE_BYTES = 20_000_000
"""Some 60,000 lines, an hour of a busy system: small enough to be opened, sent and read to its end."""

KEPT_FILES: Mapping[LogName, int] = {"app": 10, "error": 10, "audit": 50, "alert": 10}
"""Rotated files beside the present one; so all logs together take less than 2 GB. What was audited is asked
for long after. They are no settings, as all processes must go by the same ones."""

Format = Literal["json", "console"]


class _Event(dict[str, Any]):
    """What a record of ours carries; as text it reads `event key=value`."""

    def __str__(self) -> str:
        fields = (f"{key}={value}" for key, value in self.items() if key not in ("event", "exc_info"))
        return " ".join((str(self.get("event")), *fields))


def get_logger(name: str) -> BoundLogger:
    """A logger of events with fields, over the standard library's logger of this name."""
    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars, _to_record],
        wrapper_class=BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


def configure_logging(*, process: str, level: str, log_format: Format, folder: Path | None = None) -> None:
    """Log at this level; chatty libraries speak up only when something is wrong, except for debugging.

    Args:
        process: its role, such as api or worker; stands in each line.
        folder: where the rotating files are kept; every process writes to the same ones.
    """
    as_json = _formatter(process, "json")
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    handlers[0].setFormatter(as_json if log_format == "json" else _formatter(process, "console"))
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handlers += [_file(folder, "app", as_json), _file(folder, "error", as_json)]
        handlers[-1].setLevel(logging.ERROR)
    for handler in handlers:
        handler.setLevel(max(handler.level, logging.getLevelName(level)))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    named: tuple[tuple[str, LogName], ...] = ((AUDIT, "audit"), (ALERT, "alert"))
    for logger_name, name in named:
        logger = logging.getLogger(logger_name)
        logger.setLevel(logging.INFO)
        logger.handlers = [_file(folder, name, as_json)] if folder is not None else []
    if level != "DEBUG":
        for name_of_chatty in CHATTY:
            logging.getLogger(name_of_chatty).setLevel(logging.WARNING)
    # What it logs at DEBUG are headers and messages, so tokens.
    logging.getLogger("websockets").setLevel(logging.WARNING)


def log_path(folder: Path, name: LogName) -> Path:
    return folder / f"{name}.log"


def _file(folder: Path, name: LogName, formatter: logging.Formatter) -> logging.Handler:
    handler = ConcurrentRotatingFileHandler(
        str(log_path(folder, name)),
        maxBytes=MAX_FILE_BYTES,
        backupCount=KEPT_FILES[name],
        encoding="utf-8",
        chmod=0o600,
    )
    handler.setFormatter(formatter)
    return handler


def _to_record(logger: Any, name: str, event: EventDict) -> tuple[tuple[Any, ...], dict[str, Any]]:
    return (_Event(event),), {
        "extra": {"_logger": logger, "_name": name},
        "exc_info": event.get("exc_info"),
    }


class _OnceFormatter(ProcessorFormatter):
    """Formats a record once for all the handlers that have it."""

    def format(self, record: logging.LogRecord) -> str:
        known: str | None = record.__dict__.get("_line")
        if known is None:
            known = record.__dict__["_line"] = super().format(record)
        return known


def _formatter(process: str, log_format: Format) -> logging.Formatter:
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)

    def begin(_logger: Any, name: str, event: EventDict) -> EventDict:
        record: logging.LogRecord = event["_record"]
        head = {
            "level": record.levelname.lower(),
            "event": event.pop("event"),
            "logger": record.name,
            "process": process,
            "pid": record.process,
        }
        return {**stamp(None, name, {}), **head, **event}

    render = _to_json if log_format == "json" else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    chain = [begin, ProcessorFormatter.remove_processors_meta, describe_values, hide_secrets, render]
    kind = _OnceFormatter if log_format == "json" else ProcessorFormatter
    return kind(processors=chain, foreign_pre_chain=[structlog.contextvars.merge_contextvars])


def _to_json(_logger: Any, _name: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
