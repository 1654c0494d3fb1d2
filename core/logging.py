"""Logs of every process: one event a line, with its ids as fields; to stdout and, with a folder, to files.

Our own events and those of libraries come out alike. `get_logger(__name__)` is for our own:
`log.info("job.done", job=name, rows=3)`; the name of an event never changes, and what differs is a field.
"""

import json
import logging
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

import msgspec
import structlog
from concurrent_log_handler import ConcurrentRotatingFileHandler

from core.log_context import context_fields
from core.log_redaction import add_safely, safe_traceback, scrub

CHATTY = ("celery.beat", "celery.worker.strategy", "celery.app.trace", "uvicorn.error", "alembic", "urllib3")
"""Libraries that tell of each single task or start; what goes wrong they say at WARNING and above."""

AUDIT, ALERT = "outlay.audit", "outlay.alert"
"""Loggers that tell from INFO on whatever the level, and have a file of their own: who did what, and who was
told of what."""

LogName = Literal["app", "error", "audit", "alert"]

MAX_FILE_BYTES = 20_000_000
"""Some 60,000 lines, an hour of a busy system: small enough to be opened, sent and read to its end."""

KEPT_FILES: Mapping[LogName, int] = {"app": 10, "error": 10, "audit": 50, "alert": 10}
"""Rotated files beside the present one; so all logs together take less than 2 GB. What was audited is asked
for long after. They are no settings, as all processes must go by the same ones."""

Format = Literal["json", "console"]


LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "exception": logging.ERROR,
    "critical": logging.CRITICAL,
}


class _Event(dict[str, Any]):
    """What a record of ours carries; as text it reads `event key=value`."""

    def __str__(self) -> str:
        fields = (f"{key}={value}" for key, value in self.items() if key != "event")
        return " ".join((str(self.get("event")), *fields))


class EventLogger(structlog.stdlib.BoundLogger):
    """structlog's logger, but what becomes of an event is left to the handlers' formatter: most are never
    asked for, or are one of thousands a second."""

    def _proxy_to_logger(self, method_name: str, event: str | None = None, *_: Any, **fields: Any) -> None:
        level = LEVELS[method_name]
        logger: logging.Logger = self._logger
        if logger.isEnabledFor(level):
            exc_info = fields.pop("exc_info", None)
            logger.log(level, _Event(event=event, **self._context, **fields), exc_info=exc_info)


def get_logger(name: str) -> EventLogger:
    """A logger of events with fields, over the standard library's logger of this name."""
    logger: EventLogger = structlog.wrap_logger(
        logging.getLogger(name), processors=[], wrapper_class=EventLogger, cache_logger_on_first_use=True
    )
    return logger


def configure_logging(
    *, process: str, level: str, log_format: Format, folder: Path | None = None, console: TextIO | None = None
) -> None:
    """Log at this level; chatty libraries speak up only when something is wrong, except for debugging.

    Args:
        process: its role, such as api or worker; stands in each line.
        folder: where the rotating files are kept; every process writes to the same ones.
        console: stdout, unless that is for something else.
    """
    # Nobody asks for them, and to find them out costs each line more than to write it.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as "Optimization" in the library's documentation
    as_json = _LineFormatter(process, "json")
    shown = _Stream(console or sys.stdout)
    colors = shown.stream.isatty()
    shown.setFormatter(as_json if log_format == "json" else _LineFormatter(process, "console", colors=colors))
    handlers: list[logging.Handler] = [shown]
    if folder is not None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handlers += [_file(folder, "app", as_json), _file(folder, "error", as_json)]
        handlers[-1].setLevel(logging.ERROR)
    for handler in handlers:
        handler.setLevel(max(handler.level, logging.getLevelName(level)))
    _show_always(shown, AUDIT, ALERT)
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


def _show_always(handler: logging.Handler, *names: str) -> None:
    """Lower the handler to INFO for these loggers: without a folder it alone keeps what they tell."""
    least = handler.level
    handler.setLevel(min(least, logging.INFO))
    if least > logging.INFO:
        handler.addFilter(lambda record: record.levelno >= least or record.name in names)


def log_path(folder: Path, name: LogName) -> Path:
    return folder / f"{name}.log"


def _file(folder: Path, name: LogName, formatter: logging.Formatter) -> logging.Handler:
    handler = _File(
        str(log_path(folder, name)),
        maxBytes=MAX_FILE_BYTES,
        backupCount=KEPT_FILES[name],
        encoding="utf-8",
        chmod=0o600,
    )
    handler.setFormatter(formatter)
    return handler


class _Discreet(logging.Handler):
    """The library's own word on a line that cannot be written quotes the record before it is redacted."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 # the library's name
        event = record.msg["event"] if type(record.msg) is _Event else f"a line of {record.name}"
        error = sys.exc_info()[0]
        # Where stderr is gone too, nobody can be told; the work goes on.
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(f"not logged: {event} ({error.__name__ if error else 'unknown'})\n")


class _Stream(_Discreet, logging.StreamHandler[TextIO]):
    pass


class _File(_Discreet, ConcurrentRotatingFileHandler):
    pass


class _LineFormatter(logging.Formatter):
    """A line of one of our events or of a library's record, formatted once for all handlers that have it.

    structlog's `ProcessorFormatter` does the same by a copy of the record and a call for each step, which
    takes three times as long; there is a line for every request.
    """

    def __init__(self, process: str, log_format: Format, *, colors: bool = False) -> None:
        super().__init__()
        self._process = process
        self._kept_as = f"_{log_format}_line"
        self._console = structlog.dev.ConsoleRenderer(colors=colors)
        self._render = _to_json if log_format == "json" else self._to_console

    def format(self, record: logging.LogRecord) -> str:
        known: str | None = record.__dict__.get(self._kept_as)
        if known is None:
            known = record.__dict__[self._kept_as] = self._render(self._line(record))
        return known

    def _line(self, record: logging.LogRecord) -> dict[str, Any]:
        event: _Event | None = record.msg if type(record.msg) is _Event else None
        instant = datetime.fromtimestamp(record.created, UTC)
        line = {
            "timestamp": instant.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "event": scrub(record.getMessage()) if event is None else event["event"],
            "logger": record.name,
            "process": self._process,
            "pid": os.getpid(),
        }
        if event is not None:
            add_safely(line, event)
        add_safely(line, context_fields())
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = safe_traceback(record.exc_info[1])
        return line

    def _to_console(self, line: dict[str, Any]) -> str:
        shown: str = self._console(None, "", line)
        return _encodable(shown)


_encode = msgspec.json.Encoder(enc_hook=str).encode


def _to_json(line: dict[str, Any]) -> str:
    try:
        return _encode(line).decode()
    except (UnicodeEncodeError, OverflowError):
        # Half of a character or a number past 64 bits, as clients may send them: slower, but not lost.
        return _encodable(json.dumps(line, ensure_ascii=False, default=str))


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()
