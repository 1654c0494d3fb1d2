"""What comes with a body, and never ends, or pretends to be a header."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from api import validation
from api.connections import ApiProtocol, Patience
from api.validation import MAX_PUBLIC_BODY_BYTES
from core.config import Settings
from core.database import Database
from tests.api.slow_clients import PATIENCE_S, answer_of, connected, head
from tests.api.throttling import client_from, limited_api
from tests.cast import PASSWORD, Person, http_client, register
from tests.processes import eventually
from tests.running_api import RunningApi

SILENCE_S = 1.0
CHUNKED = {"Content_Type": "application/json", "Transfer_Encoding": "chunked"}


class SmallProtocol(ApiProtocol):
    """Room for few, who may be slow but not silent."""

    patience = Patience(connections=10, silence_s=SILENCE_S)


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[RunningApi]:
    with RunningApi(settings, http=SmallProtocol) as api:
        yield api


@pytest.fixture
def client(api: RunningApi) -> Iterator[httpx.Client]:
    with http_client(api.url) as client:
        yield client


@pytest.fixture
def person(client: httpx.Client) -> Iterator[Person]:
    with register(client, "ada") as person:
        yield person


def with_trailer(body: bytes, trailer: str) -> bytes:
    return b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(body), body, trailer.encode())


def test_a_field_behind_the_body_is_no_header(person: Person) -> None:
    with http_client(str(person.client.base_url)) as stranger, connected(stranger) as raw:
        raw.sendall(head("POST", "/v1/categories", stranger, **CHUNKED, Connection="close"))
        trailer = f"Authorization: {person.client.headers['Authorization']}"
        raw.sendall(with_trailer(b'{"name": "Tools"}', trailer))
        assert answer_of(raw).startswith("HTTP/1.1 401 ")
    with connected(person.client) as raw:
        raw.sendall(head("POST", "/v1/categories", person.client, **CHUNKED, Connection="close"))
        raw.sendall(with_trailer(b'{"name": "Tools"}', "X-Anything: is dropped"))
        assert answer_of(raw).startswith("HTTP/1.1 201 ")


def test_nobody_writes_where_they_come_from_behind_the_body(settings: Settings, database: Database) -> None:
    with (
        limited_api(settings) as api,
        client_from(api, "203.0.113.9") as client,
        register(client, "ada") as person,
        connected(client) as raw,
    ):
        body = json.dumps({"login": "ada", "password": PASSWORD}).encode()
        forwarded = {"X_Forwarded_For": "203.0.113.9"}
        raw.sendall(head("POST", "/v1/auth/login", client, **forwarded, **CHUNKED, Connection="close"))
        raw.sendall(with_trailer(body, "X-Forwarded-For: 6.6.6.6"))
        assert answer_of(raw).startswith("HTTP/1.1 200 ")
        sessions = person.client.get("/v1/me/sessions").json()["items"]
        assert {session["ip_address"] for session in sessions} == {"203.0.113.9"}


@pytest.mark.parametrize("piece", [b"X-A: b\r\n" * 1_000, b"a" * 8_000, b"X-A: " + b"b" * 8_000])
@pytest.mark.parametrize("path", ["/v1/auth/login", "/healthz"])
def test_a_trailer_without_an_end_is_cut_off(client: httpx.Client, path: str, piece: bytes) -> None:
    sent = 0
    with connected(client) as raw:
        raw.sendall(head("POST", path, client, **CHUNKED) + b"2\r\n{}\r\n0\r\n")
        time.sleep(0.1)
        with contextlib.suppress(OSError):
            while sent < 50 * 1024 * 1024:
                raw.sendall(piece)
                sent += len(piece)
    assert sent < 10 * 1024 * 1024


def test_a_body_in_many_small_chunks_and_a_long_head_is_taken(person: Person) -> None:
    body = b'{"name": "Tools"' + b" " * 3_000 + b"}"
    with connected(person.client) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        raw.sendall(
            head("POST", "/v1/categories", person.client, **CHUNKED, Connection="close", X="y" * 20_000)
        )
        for start in range(0, len(body), 2):
            piece = body[start : start + 2]
            raw.sendall(b"%x\r\n" % len(piece))
            raw.sendall(piece + b"\r\n")
        raw.sendall(b"0\r\n\r\n")
        assert answer_of(raw).startswith("HTTP/1.1 201 ")


def test_a_stranger_may_send_a_small_body_only(person: Person, client: httpx.Client) -> None:
    large = {"login": "ada", "password": PASSWORD, "padding": "x" * MAX_PUBLIC_BODY_BYTES}
    assert client.post("/v1/auth/login", json=large).status_code == 413
    assert client.post("/v1/auth/token", data=large).status_code == 413
    assert person.client.post("/v1/expenses", json=large).status_code == 422


def test_a_body_that_stops_is_given_up_however_fast_it_was(person: Person) -> None:
    with connected(person.client) as raw:
        length = {"Content_Type": "application/json", "Content_Length": 1_000_000}
        raw.sendall(head("POST", "/v1/expenses", person.client, **length) + b" " * 900_000)
        began = time.monotonic()
        assert answer_of(raw).startswith("HTTP/1.1 408 ")
        assert SILENCE_S <= time.monotonic() - began < PATIENCE_S


def test_a_body_that_is_held_in_memory_has_so_much_time_in_all(
    person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However fast it is, and though it never stops."""
    monkeypatch.setattr(validation, "MAX_BODY_S", 1.0)
    with connected(person.client) as raw:
        length = {"Content_Type": "application/json", "Content_Length": 4_000_000}
        raw.sendall(head("POST", "/v1/expenses", person.client, **length))
        began, sent = time.monotonic(), 0
        with contextlib.suppress(OSError):  # it is closed once it has been answered
            while sent < 4_000_000 and time.monotonic() - began < PATIENCE_S:
                sent += raw.send(b" " * 10_000)
                time.sleep(0.05)
        assert time.monotonic() - began < PATIENCE_S
        assert answer_of(raw).startswith("HTTP/1.1 408 ")


def test_while_all_have_a_request_under_way_nobody_else_gets_in(
    settings: Settings, database: Database
) -> None:
    class PatientProtocol(ApiProtocol):
        patience = Patience(connections=10)

    with (
        RunningApi(settings, http=PatientProtocol) as api,
        http_client(api.url) as client,
        contextlib.ExitStack() as stack,
    ):
        beginning = head("POST", "/v1/auth/login", client, Content_Length=100) + b"{"
        for _ in range(10):
            stack.enter_context(connected(client)).sendall(beginning)
        assert eventually(lambda: len(api.connections) == 10)
        for _ in range(10):
            with connected(client) as raw, contextlib.suppress(OSError):
                raw.sendall(beginning)
                assert answer_of(raw) == ""
        assert len(api.connections) == 10
