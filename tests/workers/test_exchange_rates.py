"""The tick that fetches rates: once for each day that is published, and quiet where there is no network."""

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import msgspec
import pytest

from core.config import Settings
from core.database import Database
from tests.core.services.spender import at
from workers.app import JOBS
from workers.runtime import Runtime
from workers.tasks.exchange_rates import fetch_rates

FILE = b"Date,USD,JPY,\n2026-03-16,1.5,160,\n2026-03-13,1.25,161,\n"


class Bank(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked = 0
        self.answer = FILE


class _Handler(BaseHTTPRequestHandler):
    server: Bank

    def do_GET(self) -> None:
        self.server.asked += 1
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def bank() -> Iterator[Bank]:
    with Bank() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def runtime_with(settings: Settings, rates_url: str) -> Runtime:
    return Runtime(msgspec.structs.replace(settings, rates_url=rates_url), JOBS)


def test_rates_are_fetched_once_for_each_day_that_is_published(
    settings: Settings, database: Database, bank: Bank
) -> None:
    runtime = runtime_with(settings, f"http://127.0.0.1:{bank.server_port}/")
    try:
        with at("2026-03-16T16:00:00"):
            assert fetch_rates(runtime) == 4
            assert fetch_rates(runtime) == 0
        assert bank.asked == 1
        with at("2026-03-17T16:00:00"):
            assert fetch_rates(runtime) == 0
        assert bank.asked == 2
    finally:
        runtime.close()


@pytest.mark.parametrize("answer", [b"", b"<html>Service unavailable</html>"])
def test_without_a_file_nothing_changes_and_it_is_said_in_a_line(
    settings: Settings, database: Database, bank: Bank, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    bank.answer = answer
    runtime = runtime_with(settings, f"http://127.0.0.1:{bank.server_port}/")
    try:
        with caplog.at_level(logging.WARNING):
            assert fetch_rates(runtime) == 0
    finally:
        runtime.close()
    assert [record.getMessage().partition(" ")[0] for record in caplog.records] == ["rates.not_fetched"]


def test_off_asks_nobody(settings: Settings, database: Database, caplog: pytest.LogCaptureFixture) -> None:
    runtime = runtime_with(settings, "off")
    try:
        assert fetch_rates(runtime) == 0
    finally:
        runtime.close()
    assert not caplog.records
