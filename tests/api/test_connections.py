"""Clients that are slow, endless or silent are cut off, and nobody else waits for them."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from api.connections import ApiProtocol, Patience
from core.config import Settings
from core.database import Database
from tests.api.slow_clients import LITTLE, PATIENCE_S, ImpatientProtocol, answer_of, connected, head
from tests.cast import Person, http_client, register
from tests.processes import eventually, many_files
from tests.running_api import RunningApi

SLOW = 2_000

CHUNKED = {"Content_Type": "application/json", "Transfer_Encoding": "chunked"}


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[RunningApi]:
    with RunningApi(settings, http=ImpatientProtocol) as api:
        yield api


@pytest.fixture
def person(api: RunningApi) -> Iterator[Person]:
    with http_client(api.url) as client, register(client, "ada") as person:
        yield person


class PatientProtocol(ApiProtocol):
    """As in production, but nobody is cut off for being slow: the worst case."""

    patience = Patience(head_s=300, body_s=300)


def test_two_thousand_slow_connections_do_not_stop_the_service(
    settings: Settings, database: Database
) -> None:
    with many_files(), RunningApi(settings, http=PatientProtocol) as api, http_client(api.url) as client:
        answered = threading.Event()
        still_open: list[int] = []
        port = int(client.base_url.port or 0)
        thread = threading.Thread(target=lambda: still_open.append(asyncio.run(be_slow(port, answered))))
        thread.start()
        try:
            assert eventually(lambda: len(api.connections) >= SLOW, within_s=60)
            with register(client, "ada") as person:
                for _ in range(20):
                    sent = person.client.post("/v1/expenses", json={"amount": "1.00", "currency": "EUR"})
                    assert sent.status_code == 201
        finally:
            answered.set()
            thread.join()
        assert still_open == [SLOW]


async def be_slow(port: int, answered: threading.Event) -> int:
    """A third says nothing, a third drips a head, a third a body; answers how many were never cut off."""
    beginnings = (
        b"",
        b"GET /v1/me HTTP/1.1\r\nHost: ",
        b"POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n{",
    )
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(SLOW)]
    for number, (_, writer) in enumerate(connections):
        writer.write(beginnings[number % 3])
    is_answered = asyncio.create_task(asyncio.to_thread(answered.wait))
    while not is_answered.done():
        for number, (_, writer) in enumerate(connections):
            if number % 3:
                writer.write(b"a")
        await asyncio.sleep(0.2)
    still_open = sum(not reader.at_eof() for reader, _ in connections)
    for _, writer in connections:
        writer.transport.abort()
    return still_open


def test_who_says_nothing_is_cut_off(person: Person) -> None:
    with connected(person.client) as raw:
        assert answer_of(raw) == ""


@pytest.mark.parametrize("beginning", [b"G", b"GET /v1/me HTTP/1.1\r\n", b"GET /v1/me HTTP/1.1\r\nHost: "])
def test_a_head_that_does_not_come_is_given_up(person: Person, beginning: bytes) -> None:
    with connected(person.client) as raw:
        raw.sendall(beginning)
        assert answer_of(raw).startswith("HTTP/1.1 408 ") or beginning == b"G"


def test_a_body_that_drips_is_given_up(person: Person) -> None:
    with connected(person.client) as raw:
        length = {"Content_Type": "application/json", "Content_Length": 1000}
        raw.sendall(head("POST", "/v1/expenses", person.client, **length))
        began = time.monotonic()
        with contextlib.suppress(OSError):  # it is closed while we write
            while time.monotonic() - began < PATIENCE_S:
                raw.sendall(b" ")
                time.sleep(0.05)
        assert time.monotonic() - began < PATIENCE_S
    assert person.client.get("/v1/expenses").json()["items"] == []


def test_a_body_that_does_not_come_is_answered_408(person: Person) -> None:
    with connected(person.client) as raw:
        length = {"Content_Type": "application/json", "Content_Length": 1000}
        raw.sendall(head("POST", "/v1/expenses", person.client, **length) + b'{"amount": ')
        answer = answer_of(raw)
    assert answer.startswith("HTTP/1.1 408 ")
    assert "connection: close" in answer
    assert "content-type: application/problem+json" in answer


@pytest.mark.parametrize(
    "path", ["/v1/expenses", "/v1/auth/login", "/v1/auth/token", "/v1/me", "/v1/imports", "/nothing"]
)
def test_a_body_without_an_end_is_cut_off_whatever_is_asked(person: Person, path: str) -> None:
    """Without a Content-Length; also where no body is read at all."""
    kinds = {
        "/v1/auth/token": "application/x-www-form-urlencoded",
        "/v1/imports": "multipart/form-data; boundary=x",
    }
    headers = {**CHUNKED, "Content_Type": kinds.get(path, "application/json")}
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    sent = 0
    with connected(person.client) as raw:
        raw.sendall(head("POST", path, person.client, **headers))
        with contextlib.suppress(OSError):
            while sent < 1024**3:
                raw.sendall(chunk)
                sent += len(chunk)
    assert sent < 4 * LITTLE.linger_bytes
    assert person.client.get("/v1/me").status_code == 200


def test_a_length_that_is_claimed_is_not_believed(person: Person) -> None:
    with connected(person.client) as raw:
        headers = {"Content_Type": "application/json", "Content_Length": 10**12}
        raw.sendall(head("POST", "/v1/expenses", person.client, **headers) + b" " * (5 * 1024 * 1024))
        assert answer_of(raw).startswith("HTTP/1.1 413 ")


def test_a_head_without_an_end_is_cut_off(person: Person) -> None:
    for piece in (b"X-A: b\r\n" * 1_000, b"a" * 8_000):
        sent = 0
        with connected(person.client) as raw:
            raw.sendall(b"GET /v1/me HTTP/1.1\r\nX-B: ")
            with contextlib.suppress(OSError):
                while sent < 100 * 1024 * 1024:
                    raw.sendall(piece)
                    sent += len(piece)
        assert sent < 10 * 1024 * 1024
    with connected(person.client) as raw:
        raw.sendall(b"GET /v1/me HTTP/1.1\r\nX-B: " + b"a" * LITTLE.head_bytes)
        assert answer_of(raw).startswith("HTTP/1.1 431 ")


def test_nested_json_is_refused(person: Person) -> None:
    for bomb in (b"[" * 1_000_000, b'{"a":' * 500_000):
        json = {"Content-Type": "application/json"}
        answer = person.client.post("/v1/expenses", content=bomb, headers=json)
        assert answer.status_code == 422


def test_who_does_not_read_the_answer_is_cut_off(api: RunningApi, person: Person) -> None:
    with connected(person.client, receive_buffer=2_048) as raw:
        request = head("GET", "/openapi.json", person.client)
        with contextlib.suppress(OSError):
            for _ in range(50):
                raw.sendall(request)
        assert eventually(lambda: not is_there(api, raw.getsockname()[1]), within_s=PATIENCE_S)


def test_the_connection_that_waits_for_the_longest_makes_room(api: RunningApi, person: Person) -> None:
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(person.client)) for _ in range(LITTLE.connections)]
        assert person.client.get("/v1/me").status_code == 200
        with http_client(api.url) as another:
            assert another.get("/healthz").status_code == 200
        assert answer_of(idle[0]) == ""


class HastyProtocol(ApiProtocol):
    patience = Patience(answer_s=3)


def test_answers_that_take_too_long_are_given_up(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    waiting = threading.Event()
    with (
        RunningApi(settings, http=HastyProtocol) as api,
        http_client(api.url) as client,
        register(client, "ada") as person,
    ):
        # Longer than the test waits, unless it is let go.
        monkeypatch.setattr("api.resources.accounts.load_user", lambda *_args, **_options: waiting.wait(60))
        try:
            answer = person.client.get("/v1/me")
        finally:
            waiting.set()
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_what_comes_when_the_process_ends_is_told_to_come_back(
    settings: Settings, database: Database
) -> None:
    class Staying(ApiProtocol):
        patience = Patience(leave_s=PATIENCE_S)

    with RunningApi(settings, http=Staying) as api, http_client(api.url) as client:
        assert client.get("/readyz").status_code == 200
        api.stop()
        assert eventually(lambda: refuses(client))
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert (answer.headers["Retry-After"], answer.headers["Connection"]) == ("1", "close")
        assert answer.headers["Content-Type"] == "application/problem+json"


def refuses(client: httpx.Client) -> bool:
    try:
        with connected(client):
            return False
    except ConnectionError:
        return True


def is_there(api: RunningApi, port: int) -> bool:
    return any(connection.client == ("127.0.0.1", port) for connection in list(api.connections))


def test_requests_that_follow_each_other_on_a_connection_are_all_answered(person: Person) -> None:
    with connected(person.client) as raw:
        raw.sendall(
            head("GET", "/v1/me", person.client) * 20
            + head("GET", "/v1/me", person.client, Connection="close")
        )
        assert answer_of(raw).count("HTTP/1.1 200 ") == 21


def test_a_connection_may_rest_between_two_requests(api: RunningApi, person: Person) -> None:
    ports = set()
    for _ in range(3):
        answer = person.client.get("/v1/me")
        assert answer.status_code == 200
        ports.add(answer.extensions["network_stream"].get_extra_info("client_addr")[1])
        time.sleep(0.3)
    assert len(ports) == 1
