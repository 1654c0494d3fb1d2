"""The files of the logs: whole with many writers, and read from their end."""

import json
import logging
import multiprocessing
from pathlib import Path

import pytest

from core import log_files
from core.log_files import newest_lines
from core.logging import LogName, log_path

LINES = 2_000
WRITERS = 4
FILE_BYTES = 200_000


def write(folder: Path, number: int) -> None:
    """What a process logs, with files as small as those of a test have to be."""
    import core.logging

    core.logging.MAX_FILE_BYTES = FILE_BYTES
    core.logging.KEPT_FILES = dict.fromkeys(core.logging.KEPT_FILES, 100)
    core.logging.configure_logging(process=f"writer{number}", level="INFO", log_format="json", folder=folder)
    logging.getLogger().handlers.pop(0)  # stdout is the test's
    log = core.logging.get_logger("test")
    for count in range(LINES):
        log.info("test.line", writer=number, count=count, text="x" * (count % 300))
    logging.shutdown()


def test_no_line_is_lost_or_torn_when_several_processes_write_and_rotate(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=write, args=(tmp_path, number)) for number in range(WRITERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    files = list(tmp_path.glob("app.log*"))
    assert len(files) > 3, "it has been rotated"
    lines = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    assert len(lines) == WRITERS * LINES
    assert {(line["writer"], line["count"]) for line in lines} == {
        (number, count) for number in range(WRITERS) for count in range(LINES)
    }
    newest = newest_lines(tmp_path, "app", level="info", limit=LINES)
    assert len(newest) == LINES
    for number in range(WRITERS):
        counts = [line["count"] for line in newest if line["writer"] == number]
        assert counts == list(range(LINES - 1, LINES - 1 - len(counts), -1)), "across files, newest first"


def lines_of(folder: Path, name: LogName, *events: tuple[str, str], number: int = 0) -> None:
    path = log_path(folder, name)
    path = path.with_name(f"{path.name}.{number}") if number else path
    path.write_text("".join(json.dumps({"level": level, "event": event}) + "\n" for level, event in events))


def events(folder: Path, level: str, limit: int = 10) -> list[str]:
    return [line["event"] for line in newest_lines(folder, "app", level=level, limit=limit)]


def test_the_newest_come_first_by_level_and_across_the_files(tmp_path: Path) -> None:
    lines_of(tmp_path, "app", ("info", "five"), ("error", "six"))
    lines_of(tmp_path, "app", ("warning", "three"), ("info", "four"), number=1)
    lines_of(tmp_path, "app", ("error", "one"), ("debug", "two"), number=2)
    assert events(tmp_path, "debug") == ["six", "five", "four", "three", "two", "one"]
    assert events(tmp_path, "warning") == ["six", "three", "one"]
    assert events(tmp_path, "info", limit=3) == ["six", "five", "four"]
    assert events(tmp_path, "critical") == []


def test_what_is_no_line_of_ours_is_left_out(tmp_path: Path) -> None:
    lines_of(tmp_path, "app", ("info", "whole"))
    with log_path(tmp_path, "app").open("ab") as file:
        file.write(b'{"level": "info", "eve\n\xff\xfe\n[1]\n{"event": "no level"}\n{"level": ["odd"]}\n')
    assert events(tmp_path, "debug") == ["whole"]


def test_where_nothing_is_logged_nothing_is_found(tmp_path: Path) -> None:
    assert newest_lines(tmp_path / "none", "audit", level="debug", limit=5) == []


def test_no_more_is_read_than_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MAX_READ_BYTES", 1_000)
    monkeypatch.setattr(log_files, "CHUNK_BYTES", 100)
    lines_of(tmp_path, "app", ("error", "long ago"), *[("info", f"{number:04}") for number in range(100)])
    assert events(tmp_path, "error") == []
    found = events(tmp_path, "info", limit=100)
    assert 10 < len(found) < 40
    assert found == [f"{number:04}" for number in range(99, 99 - len(found), -1)]
