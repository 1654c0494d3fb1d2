"""An API that is told to end finishes what it has begun, and sends away what comes yet."""

import contextlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse, RemoteDisconnected
from pathlib import Path

import pytest

from core.commands.ports import LOOPBACK
from tests.cast import Person, register
from tests.servers import TestRedis
from tests.system.system import API, System

BODY = b'{"amount": "1.00", "currency": "EUR"}'


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def system(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_url: str, own_redis: TestRedis
) -> Iterator[System]:
    with System(
        tmp_path, database_url=sqlite_url, redis_url=own_redis.url(), api_processes=request.param
    ) as system:
        yield system


@contextmanager
def connected(system: System) -> Iterator[socket.socket]:
    with socket.create_connection((LOOPBACK, system.api_port), timeout=20) as raw:
        yield raw


def begin_an_expense(raw: socket.socket, person: Person) -> None:
    head = (
        f"POST /v1/expenses HTTP/1.1\r\nHost: test\r\n"
        f"Authorization: {person.client.headers['Authorization']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    raw.sendall(head.encode() + BODY[:10])


def answer_of(raw: socket.socket) -> HTTPResponse:
    answer = HTTPResponse(raw)
    answer.begin()
    answer.read()
    return answer


def ask_until_sent_away(raw: socket.socket) -> list[HTTPResponse]:
    """All answers on the one connection, until it is closed."""
    answers = []
    with contextlib.suppress(ConnectionError, RemoteDisconnected):
        while True:
            raw.sendall(b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n")
            answers.append(answer_of(raw))
    return answers


def refuses(system: System) -> bool:
    try:
        with connected(system):
            return False
    except (ConnectionRefusedError, ConnectionResetError):
        return True


def test_what_is_under_way_is_finished_and_what_comes_then_is_sent_away(system: System) -> None:
    system.start(API)
    with (
        system.client() as client,
        register(client, "owner") as owner,
        connected(system) as under_way,
        connected(system) as kept_alive,
    ):
        begin_an_expense(under_way, owner)
        kept_alive.sendall(b"GET /readyz HTTP/1.1\r\nHost: test\r\n\r\n")
        assert answer_of(kept_alive).status == 200
        system.terminate(API)
        *served, last = ask_until_sent_away(kept_alive)
        assert {answer.status for answer in served} <= {200}
        # It came just before the end, or just after it.
        assert last.status in (200, 503)
        assert last.headers["Connection"] == "close"
        system.wait_until(lambda: refuses(system), "nobody is taken in any more")
        assert system.is_running(API)
        under_way.sendall(BODY[10:])
        answer = answer_of(under_way)
        assert (answer.status, answer.headers["Connection"]) == (201, "close")
    assert system.exit_code(API) == 0
    assert "Traceback" not in system.log(API)


def test_who_has_asked_nothing_is_let_go_without_an_error(system: System) -> None:
    system.start(API)
    with connected(system) as silent:
        system.terminate(API)
        assert silent.recv(65_536) == b""
    assert system.exit_code(API) == 0
