"""What a line looks like, where it goes, and what never stands in one."""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from core.database import Database
from core.log_context import add_fields, begin_request, joined, on_behalf_of, request_ids_of
from core.log_redaction import HIDDEN, MAX_TEXT_CHARACTERS, scrub
from core.logging import ALERT, AUDIT, Format, LogName, configure_logging, get_logger, log_path

REPOSITORY = Path(__file__).parents[2]
PRODUCT = ("core", "api", "workers", "ws_gateway")

USER = UUID("0198f3a5-0000-7000-8000-000000000001")
JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFU"
NAMES: tuple[LogName, ...] = ("app", "audit", "alert")
ADDRESS, NOTES, NUMBER = "ada@example.org", ("a note of mine", "another note"), 77_123


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging is the process's, so the other tests'."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in list(root.manager.loggerDict)}
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers, root.level = handlers, level
    for name in list(root.manager.loggerDict):
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    for name in (AUDIT, ALERT):
        logging.getLogger(name).handlers = []


def configure(folder: Path | None, *, level: str = "INFO", log_format: Format = "json") -> None:
    configure_logging(process="test", level=level, log_format=log_format, folder=folder)


def lines(folder: Path, name: LogName) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_path(folder, name).read_text().splitlines()]


def test_each_log_has_what_belongs_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure(tmp_path, level="WARNING")
    log = get_logger("some.module")
    log.info("not.told")
    log.warning("told.softly")
    log.error("told.loudly")
    get_logger(AUDIT).info("password.changed", user_id=USER)
    get_logger(ALERT).info("notification.published", user_id=USER, seq=3)
    assert [line["event"] for line in lines(tmp_path, "app")] == ["told.softly", "told.loudly"]
    assert [line["event"] for line in lines(tmp_path, "error")] == ["told.loudly"]
    assert [line["event"] for line in lines(tmp_path, "audit")] == ["password.changed"]
    [alert] = lines(tmp_path, "alert")
    assert (alert["event"], alert["user_id"], alert["seq"]) == ("notification.published", str(USER), 3)
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert said == [line for name in NAMES for line in lines(tmp_path, name)]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*.log")} == {0o600}


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_without_files_the_console_has_what_is_told_at_any_level(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(None, level=level)
    get_logger("some.module").debug("debugged")
    get_logger("celery.beat").warning("warned")
    get_logger(AUDIT).info("account.deleted", user_id=USER)
    get_logger(ALERT).info("notification.published", user_id=USER)
    said = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    of_level = {"DEBUG": ["debugged", "warned"], "INFO": ["warned"], "ERROR": []}[level]
    assert said == [*of_level, "account.deleted", "notification.published"]


def test_our_lines_and_those_of_libraries_come_out_alike(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    begin_request("abc")
    add_fields(user_id=USER)
    get_logger("ours").warning("thing.happened", count=2)
    logging.getLogger("theirs").warning("a thing happened %d times", 2)
    ours, theirs = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ours.keys() == theirs.keys() | {"count"}
    assert theirs["event"] == "a thing happened 2 times"
    for line in (ours, theirs):
        assert line["timestamp"].endswith("Z")
        assert (line["level"], line["process"]) == ("warning", "test")
        assert (line["request_id"], line["user_id"]) == ("abc", str(USER))


def test_the_console_shows_the_same_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None, log_format="console")
    get_logger("ours").info("thing.happened", user_id=USER)
    [line] = capsys.readouterr().out.splitlines()
    assert "[info     ] thing.happened" in line
    assert f"user_id={USER}" in line
    assert "process=test" in line


def test_fields_with_the_name_of_a_secret_are_hidden(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    fields = ("password", "new_password", "refresh_token", "amount_minor", "note", "Authorization", "email")
    get_logger("ours").info("oops", **dict.fromkeys(fields, "SECRET"), notification_seq=5, token_count=1)
    line = json.loads(capsys.readouterr().out)
    assert [line[name] for name in fields] == [HIDDEN] * len(fields)
    assert line["notification_seq"] == 5


def test_messages_of_others_lose_addresses_and_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    logging.getLogger("theirs").warning("550 <ada.l@mail.example.org> unknown, token %s", JWT)
    logging.getLogger("theirs").warning("smtp://user:pass@host/ GET /v1/unsubscribe/%s", "a" * 40)
    get_logger("ours").error("mail.failed", error=ValueError("to ada@example.org"))
    said = capsys.readouterr().out
    for secret in ("ada", JWT, "user:pass", "a" * 40):
        assert secret not in said


@pytest.mark.parametrize(
    "text", ["a" * 100_000 + " @", "eyJ-" * 25_000, "://" * 30_000 + " @", "a@" * 50_000]
)
def test_no_text_takes_long(text: str) -> None:
    for given in (text, f"{text[:15_000]} @"):
        began = time.perf_counter()
        scrub(given)
        assert time.perf_counter() - began < 0.1


def test_what_is_too_long_is_cut_where_no_secret_is() -> None:
    room = MAX_TEXT_CHARACTERS - len("ada@example.o")
    assert scrub("x" * (room - 1) + " ada@example.org") == "x" * (room - 1) + " …"
    assert scrub("x" * room + "ada@example.org") == f"{HIDDEN} …"
    assert scrub(" " * room * 2) == f"{HIDDEN} …", "nothing but blanks"
    assert scrub(f"{JWT} " * 1_000).replace(HIDDEN, "").strip() == "…"


def test_addresses_that_touch_are_all_hidden() -> None:
    assert scrub("a@b.c..d@e.f <g@h> i.@j.k,l@m.n") == f"{HIDDEN}{HIDDEN} <g@h> {HIDDEN},{HIDDEN}"


def test_an_error_of_the_database_does_not_quote_the_row(
    migrated_copy: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(None)
    # The lines of the source stand in a traceback, so the values must not stand in them.
    rows = [{"id": NUMBER, "note": note, "mail": ADDRESS} for note in NOTES]
    try:
        with migrated_copy.engine.begin() as connection:
            connection.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, note TEXT, mail TEXT)"))
            connection.execute(text("INSERT INTO notes VALUES (:id, :note, :mail)"), rows)
    except IntegrityError as error:
        get_logger("ours").exception("it.failed", error=error)
    line = json.loads(capsys.readouterr().out)
    assert "UNIQUE" in line["error"].upper()
    assert "Traceback" in line["exception"]
    for hidden in (ADDRESS, *NOTES, str(NUMBER)):
        assert hidden not in json.dumps(line)


def test_a_traceback_tells_what_led_to_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure(None)
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        get_logger("ours").error("it.failed", exc_info=error)
    told = json.loads(capsys.readouterr().out)["exception"]
    assert told.index("KeyError: 'first'") < told.index("ValueError: second")


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError(ADDRESS)


def test_of_a_line_that_cannot_be_written_only_the_event_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path)
    get_logger("ours").error("thing.failed", token="SECRET", amount_minor=NUMBER, odd=Unspeakable())
    logging.getLogger("theirs").error("a thing for %d", ADDRESS)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("not logged: thing.failed (RuntimeError)\n") == 3, "stdout and both files"
    assert said.err.count("not logged: a line of theirs (TypeError)\n") == 3
    assert len(said.err.splitlines()) == 6, "nothing else"


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_half_a_character_or_a_huge_number_costs_no_line(
    log_format: Format, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(tmp_path, log_format=log_format)
    get_logger("ours").warning("thing.failed", user_id=USER, name="Zo\ud800ë", names=["\udfff"], count=2**70)
    said = capsys.readouterr()
    assert said.err == ""
    assert "Zo?ë" in said.out
    [line] = lines(tmp_path, "app")
    assert (line["user_id"], line["name"], line["names"], line["count"]) == (str(USER), "Zo?ë", ["?"], 2**70)


@pytest.mark.parametrize("given", [None, "", "a b", "a\nb", "x" * 65, "ä", 'a"b', "a/b"])
def test_an_id_that_could_break_a_line_is_replaced(given: str | None) -> None:
    assert begin_request(given) not in (given, "")


def test_an_id_of_the_clients_own_is_kept() -> None:
    assert begin_request("order-7.Z_1") == "order-7.Z_1"
    assert request_ids_of("anybody") == "order-7.Z_1"


def test_each_key_has_the_ids_of_its_own_requests_and_others_those_of_all() -> None:
    with on_behalf_of({"ada": "1 2", "bob": "3", "nobody": None}):
        assert [request_ids_of(key) for key in ("ada", "bob", "nobody", "group")] == [
            "1 2",
            "3",
            None,
            "1 2 3",
        ]


def test_a_burst_names_some_of_its_requests_each_once() -> None:
    assert joined([None, "1", "1 2", *map(str, range(100))]) == "1 2 0 3 4 5 6 7"
    assert joined([None, None]) is None


def test_every_module_logs_events_with_fields() -> None:
    """A logger of the standard library would put what differs into the event."""
    modules = [path for folder in PRODUCT for path in (REPOSITORY / folder).rglob("*.py")]
    assert len(modules) > 100
    assert [path for path in modules if "\nlog = logging.getLogger(" in path.read_text()] == []
