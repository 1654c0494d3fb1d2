"""Reading the rotating logs from their newest line back, without reading more of them than is asked for."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import msgspec

from core.logging import LogName, log_path

LEVELS = ("debug", "info", "warning", "error", "critical")

LOG_NAMES: tuple[LogName, ...] = get_args(LogName)

CHUNK_BYTES = 65_536

MAX_READ_BYTES = 32_000_000
"""More than a file and a half: a level that hardly occurs is not searched for in all that is kept. It takes a
tenth of a second or two."""


def newest_lines(folder: Path, name: LogName, *, level: str, limit: int) -> list[dict[str, Any]]:
    """The last lines of a log at this level or above, the newest first, at most `limit`.

    Files that are rotated meanwhile may have a few lines told twice or left out. What is no line of ours,
    such as half of one after a disk was full, is left out too.

    Args:
        level: one of `LEVELS`.
    """
    wanted = frozenset(LEVELS[LEVELS.index(level) :])
    events = (_event(line) for line in _lines_backwards(_files(folder, name)))
    return list(islice((event for event in events if event is not None and event["level"] in wanted), limit))


def _files(folder: Path, name: LogName) -> Iterator[Path]:
    """The present file, then those that were rotated, the newest first."""
    present = log_path(folder, name)
    yield present
    number = 1
    while (rotated := present.with_name(f"{present.name}.{number}")).exists():
        yield rotated
        number += 1


def _lines_backwards(paths: Iterator[Path]) -> Iterator[bytes]:
    budget = MAX_READ_BYTES
    for path in paths:
        try:
            file = path.open("rb")
        except FileNotFoundError:  # nothing has been logged yet, or it is being rotated just now
            continue
        with file:
            position = file.seek(0, 2)
            rest = b""
            while position > 0 and budget > 0:
                size = min(CHUNK_BYTES, position)
                position -= size
                budget -= size
                file.seek(position)
                rest, *lines = (file.read(size) + rest).split(b"\n")
                yield from reversed(lines)
            if position == 0:
                yield rest
        if budget <= 0:
            return


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        event = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return event if isinstance(event, dict) and isinstance(event.get("level"), str) else None
