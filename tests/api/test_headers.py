"""What answers tell browsers."""

import socket
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from core.config import Settings
from core.database import Database
from tests.api.throttling import HOME, client_from, limited_api
from tests.cast import Cast, Person, http_client, register
from tests.running_api import RunningApi

OF_ALL = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
OF_DATA = {
    **OF_ALL,
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

PAGE = "https://app.example"


def test_every_answer_is_kept_by_nobody_and_may_do_nothing(cast: Cast, client: httpx.Client) -> None:
    owner = cast.owner.client
    answers = [
        owner.get("/v1/me"),
        owner.post("/v1/expenses", json={"amount": "1.00"}),
        owner.post("/v1/expenses", json={"amount": "x"}),
        owner.get("/v1/nothing"),
        owner.put("/v1/me"),
        client.get("/v1/me"),
        client.get("/healthz"),
        client.get("/readyz"),
        client.get("/openapi.json"),
        client.get("/nothing"),
        client.options("/v1/me"),
    ]
    assert [answer.status_code for answer in answers] == [
        200,
        201,
        422,
        404,
        405,
        401,
        200,
        200,
        200,
        404,
        200,
    ]
    for answer in answers:
        assert {name: answer.headers.get(name) for name in OF_DATA} == OF_DATA, answer.url
        assert "Strict-Transport-Security" not in answer.headers
        assert "Access-Control-Allow-Origin" not in answer.headers
        assert "Server" not in answer.headers


def test_what_is_no_http_is_answered_in_the_same_way(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0), timeout=10) as raw:
        raw.sendall(b"\x16\x03\x01 this is TLS\r\n\r\n")
        answer = raw.makefile("rb").read().decode()
    head, _, body = answer.partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400 ")
    for name, value in OF_DATA.items():
        assert f"{name}: {value}".lower() in head.lower()
    assert '"title":"Bad Request"' in body


def test_pages_may_do_what_they_must_and_no_more(client: httpx.Client) -> None:
    page = client.get("/docs")
    policy = dict(
        one.strip().partition(" ")[::2] for one in page.headers["Content-Security-Policy"].split(";")
    )
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert {name: page.headers.get(name) for name in OF_ALL} == OF_ALL


def test_over_https_browsers_never_come_back_without(settings: Settings, database: Database) -> None:
    changed = msgspec.structs.replace(settings, public_url="https://money.example")
    with RunningApi(changed) as api, http_client(api.url) as client:
        assert client.get("/healthz").headers["Strict-Transport-Security"] == "max-age=31536000"


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[RunningApi]:
    with limited_api(settings, cors_origins=f"{PAGE}, http://localhost:5173") as api:
        yield api


@pytest.fixture
def person(api: RunningApi) -> Iterator[Person]:
    with client_from(api, HOME) as client, register(client, "ada") as person:
        yield person


def test_pages_of_the_list_may_read_answers(api: RunningApi, person: Person) -> None:
    for path, status in (("/v1/me", 200), ("/v1/nothing", 404), ("/v1/expenses?x=1", 422)):
        answer = person.client.get(path, headers={"Origin": PAGE})
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Access-Control-Allow-Credentials" not in answer.headers
        assert "Origin" in answer.headers["Vary"]
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"ETag", "Location", "Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-ID"} <= set(
            exposed
        )
    with http_client(api.url) as client:
        assert client.get("/v1/me", headers={"Origin": PAGE}).headers["Access-Control-Allow-Origin"] == PAGE


def test_other_pages_may_not(person: Person) -> None:
    for origin in (
        "https://evil.example",
        "null",
        f"{PAGE}.evil.example",
        PAGE.upper(),
        "http://app.example",
    ):
        answer = person.client.get("/v1/me", headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers, origin
        assert "Origin" in answer.headers["Vary"]


def test_a_preflight_needs_no_token(api: RunningApi) -> None:
    asking = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    with http_client(api.url) as client:
        answer = client.options("/v1/me", headers={"Origin": PAGE, **asking})
        assert answer.status_code == 204
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE
        assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
        assert answer.headers["Access-Control-Max-Age"] == "7200"
        refused = client.options("/v1/me", headers={"Origin": "https://evil.example", **asking})
        assert not [name for name in refused.headers if name.lower().startswith("access-control")]
