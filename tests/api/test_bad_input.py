"""Bad input of every kind is answered by a problem that names the field; never by a 500."""

import json
import socket
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from api.validation import MAX_BODY_BYTES
from core.database import Database
from tests.api.calls import amounts, problem, read, wrong_fields
from tests.api.test_audit import make_admin
from tests.cast import Cast

JSON = {"Content-Type": "application/json"}

DEEP = 5_000_000
"""Half of 10 MB of nesting: each level has two brackets."""


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def post(me: httpx.Client, body: bytes, path: str = "/v1/expenses") -> httpx.Response:
    return me.post(path, content=body, headers=JSON)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b"", ""),
        (b"{", ""),
        (b'{"amount": "1"} trailing', ""),
        (b"{'amount': '1'}", ""),
        (b'\xff\xfe{"amount": "1"}', ""),
        (b"null", ""),
        (b"[]", ""),
        (b'"text"', ""),
        (b"{}", "/amount"),
        (b'{"amount": null}', "/amount"),
        (b'{"amount": true}', "/amount"),
        (b'{"amount": {}}', "/amount"),
        (b'{"amount": [1]}', "/amount"),
        (b'{"amount": ""}', "/amount"),
        (b'{"amount": NaN}', "/amount"),
        (b'{"amount": -Infinity}', "/amount"),
        (b'{"amount": "NaN"}', "/amount"),
        (b'{"amount": 1e3}', "/amount"),
        (b'{"amount": "1e3"}', "/amount"),
        (b'{"amount": 0.001}', "/amount"),
        (b'{"amount": "1.000"}', "/amount"),
        (b'{"amount": "1,50"}', "/amount"),
        (b'{"amount": "+1"}', "/amount"),
        (b'{"amount": " 1"}', "/amount"),
        (b'{"amount": "1\\n"}', "/amount"),
        (b'{"amount": ".5"}', "/amount"),
        (b'{"amount": "--1"}', "/amount"),
        ('{"amount": "١٢"}'.encode(), "/amount"),
        (b'{"amount": 1000000000000.01}', "/amount"),
        (b'{"amount": ' + b"9" * 100_000 + b"}", "/amount"),
        (b'{"amount": "\xff"}', "/amount"),
        (b'{"amount": "\\ud800"}', "/amount"),
        (b'{"amount": "1.5", "currency": "JPY"}', "/amount"),
        (b'{"amount": "1", "currency": "eur"}', "/currency"),
        (b'{"amount": "1", "currency": "EUR\\n"}', "/currency"),
        (b'{"amount": "1", "currency": 978}', "/currency"),
        (b'{"amount": "1", "spent_on": "0000-01-01"}', "/spent_on"),
        (b'{"amount": "1", "spent_on": "0001-01-01"}', "/spent_on"),
        (b'{"amount": "1", "spent_on": "9999-12-31"}', "/spent_on"),
        (b'{"amount": "1", "spent_on": "2026-02-29"}', "/spent_on"),
        (b'{"amount": "1", "spent_on": "2026-02-02T00:00:00Z"}', "/spent_on"),
        (b'{"amount": "1", "spent_on": 20260202}', "/spent_on"),
        (b'{"amount": "1", "category_id": "1"}', "/category_id"),
        (b'{"amount": "1", "payee": 1}', "/payee"),
        (b'{"amount": "1", "payee": "a\\u0000b"}', "/payee"),
        (b'{"amount": "1", "note": "a\\u0000b"}', "/note"),
        (b'{"amount": "1", "note": "\\ud83d"}', "/note"),
        (b'{"amount": "1", "note": "\xed\xa0\x80"}', "/note"),
        (b'{"amount": "1", "tags": "one"}', "/tags"),
        (b'{"amount": "1", "tags": [1]}', "/tags/0"),
        (b'{"amount": "1", "tags": ["ok", "\\udc00"]}', "/tags/1"),
        (b'{"amount": "1", "tags": ["\\u0000"]}', "/tags/0"),
        (b'{"amount": "1", "tags": ["tag\\n"]}', "/tags/0"),
        (b'{"amount": "1", "lines": [{"amount": NaN}]}', "/lines/0/amount"),
        (b'{"amount": "1", "lines": [{"amount": "1", "a/b~c": 1}]}', "/lines/0/a~1b~0c"),
        (b'{"amount": "1", "lines": [{"amount": "1", "note": "\\ud800"}]}', "/lines/0/note"),
        (b'{"amount": "1", "amonut": "2"}', "/amonut"),
        (b'{"amount": "1", "two\\nlines": 1}', "/two\nlines"),
        (b'{"amount": "1", "\\ud800": 1}', "/?"),
        (b'{"amount": "1", "user_id": "018f0000-0000-7000-8000-000000000000"}', "/user_id"),
        (b'{"amount": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", ""),
        (b"[" * 1_000_000, ""),
        (b'{"amount":' * 100_000 + b"1" + b"}" * 100_000, ""),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else value,
)
def test_a_bad_body_is_a_problem_that_names_the_field(me: httpx.Client, body: bytes, pointer: str) -> None:
    assert wrong_fields(post(me, body)) == [pointer]
    bulk = b'{"items": [' + body + b"]}"
    answer = post(me, bulk, "/v1/expenses/bulk")
    errors = problem(answer, 422)["errors"]
    assert errors[0]["pointer"] in (f"/items/0{pointer}", "", "/items")
    assert amounts(me) == []


def test_a_body_beyond_the_limit_is_refused_whatever_its_length_says(me: httpx.Client) -> None:
    huge = b'{"amount": "1", "note": "' + b"x" * MAX_BODY_BYTES + b'"}'
    assert problem(post(me, huge), 413)

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(huge), 65_536):
            yield huge[start : start + 65_536]

    # Without Content-Length, so chunked. The server may answer and hang up before it has read all.
    assert problem(me.post("/v1/expenses", content=chunks(), headers=JSON), 413)
    nested = b'{"amount": ' + b"[" * DEEP + b"]" * DEEP + b"}"
    assert problem(post(me, nested), 413)
    assert amounts(me) == []


def test_a_small_body_may_come_in_chunks(me: httpx.Client) -> None:
    answer = me.post("/v1/expenses", content=iter([b'{"amount"', b': "1"', b"}"]), headers=JSON)
    assert answer.status_code == 201


@pytest.mark.parametrize(
    "content_type",
    [b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data", b"json", b"\xe9", b";"],
)
def test_another_content_type_is_refused(me: httpx.Client, content_type: bytes) -> None:
    headers = {b"Content-Type": content_type}
    assert problem(me.post("/v1/expenses", content=b'{"amount": "1"}', headers=headers), 415)


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "text/json"])
def test_json_may_be_named_in_any_way(me: httpx.Client, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert me.post("/v1/expenses", content=b'{"amount": "1"}', headers=headers).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "query", "name"),
    [
        ("GET", "/v1/expenses", "limit=1&limit=2", "limit"),
        ("GET", "/v1/expenses", "from=2026-01-01&from=2026-01-01", "from"),
        ("GET", "/v1/expenses", "q=a&q=b", "q"),
        ("GET", "/v1/expenses", "q=%00", "q"),
        ("GET", "/v1/expenses", "tag=%00", "tag"),
        ("GET", "/v1/expenses", "min_amount=5%0A", "min_amount"),
        ("GET", "/v1/expenses", "a/b~c=1", "a/b~c"),
        ("GET", "/v1/expenses", "Limit=1", "Limit"),
        ("GET", "/v1/expenses", "cursor=", "cursor"),
        ("GET", "/v1/expenses", "cursor=%F0%9F%92%A9", "cursor"),
        ("GET", "/v1/expenses", "cursor=" + "A" * 301, "cursor"),
        ("GET", "/v1/expenses", "q=" + "x" * 30_000, "q"),
        ("GET", "/v1/categories", "parent_id=x", "parent_id"),
        ("GET", "/v1/categories", "limit=501", "limit"),
        ("POST", "/v1/expenses", "dry_run=true", "dry_run"),
        ("GET", "/v1/me", "fields=id", "fields"),
        ("GET", "/healthz", "verbose=1", "verbose"),
    ],
    ids=lambda value: value[:60],
)
def test_a_bad_parameter_is_named(me: httpx.Client, method: str, path: str, query: str, name: str) -> None:
    body = {"json": {"amount": "1"}} if method == "POST" else {}
    assert wrong_fields(me.request(method, f"{path}?{query}", **body)) == [name]


FORGED: list[tuple[str, Any]] = [
    ("-spent_on", None),
    ("-spent_on", []),
    ("-spent_on", ["-spent_on"]),
    ("-spent_on", ["-spent_on", "2026-01-01", "no-id"]),
    ("-spent_on", ["-spent_on", "0000-01-01", "018f0000-0000-7000-8000-000000000000"]),
    ("-spent_on", ["-spent_on", 5, "018f0000-0000-7000-8000-000000000000"]),
    ("-spent_on", ["spent_on", "2026-01-01", "018f0000-0000-7000-8000-000000000000"]),
    ("amount", ["amount", 10**19, "018f0000-0000-7000-8000-000000000000"]),
    ("amount", ["amount", 2**63 - 1, "018f0000-0000-7000-8000-000000000000"]),
    ("amount", ["amount", 1.5, "018f0000-0000-7000-8000-000000000000"]),
    ("created_at", ["created_at", "\0", "018f0000-0000-7000-8000-000000000000"]),
]


@pytest.mark.parametrize(("sort", "position"), FORGED)
def test_a_forged_cursor_is_refused(me: httpx.Client, sort: str, position: Any) -> None:
    query = {"sort": sort, "cursor": as_cursor(position)}
    assert wrong_fields(me.get("/v1/expenses", params=query)) == ["cursor"]


@pytest.mark.parametrize("name", ["\0", "\ud800", "x" * 201, 5, None])
def test_a_forged_cursor_of_categories_is_refused(me: httpx.Client, name: Any) -> None:
    cursor = as_cursor([name, "018f0000-0000-7000-8000-000000000000"])
    assert wrong_fields(me.get("/v1/categories", params={"cursor": cursor})) == ["cursor"]


def test_a_cursor_with_a_number_that_no_row_can_have_is_refused(cast: Cast, database: Database) -> None:
    make_admin(database, cast.owner)
    digest = urlsafe_b64encode(bytes(32)).decode()
    for number in (2**63, -(2**63), 10**20):
        for path, position in {
            "/v1/me/activity": [number],
            "/v1/admin/audit": ["2026-05-10T12:00:00Z", str(cast.owner.id), number],
            "/v1/admin/audit/verify": [str(cast.owner.id), [number, digest]],
        }.items():
            assert wrong_fields(cast.owner.client.get(path, params={"cursor": as_cursor(position)})) == [
                "cursor"
            ]


def test_an_instant_past_the_calendar_is_its_edge(cast: Cast, database: Database) -> None:
    make_admin(database, cast.owner)
    everything = read(cast.owner.client, "/v1/admin/audit")["items"]
    for instants in ({"since": "0001-01-01T00:00:00+14:00"}, {"until": "9999-12-31T23:59:59-14:00"}):
        assert read(cast.owner.client, "/v1/admin/audit", **instants)["items"] == everything


def test_an_outlandish_cursor_that_could_be_ours_gives_an_empty_page(me: httpx.Client) -> None:
    for sort, value in (("-spent_on", "0001-01-01"), ("spent_on", "9999-12-31"), ("amount", 2**62)):
        position = as_cursor([sort, value, "ffffffff-ffff-ffff-ffff-ffffffffffff"])
        assert amounts(me, sort=sort, cursor=position) == []


def test_a_method_that_is_not_there_is_405(me: httpx.Client) -> None:
    wrong = (("PUT", "/v1/expenses"), ("DELETE", "/v1/expenses"), ("POST", "/v1/me"), ("PATCH", "/healthz"))
    for method, path in wrong:
        answer = me.request(method, path)
        assert problem(answer, 405)
        assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v1/expenses?q=" + b"x" * 300_000 + b" HTTP/1.1",
        b"GET /v1/expenses?" + b"&".join(b"q=1" for _ in range(10_000)) + b" HTTP/1.1",
        b"GET /" + b"%2e" * 10_000 + b" HTTP/1.1",
        b"GET /v1/expenses?%ff%fe=%c0%80 HTTP/1.1",
        b"GET /v1/expenses HTTP/1.1\r\nX-Long: " + b"x" * 1_000_000,
        b"GET /v1/expenses HTTP/1.1\r\nIf-Match: " + b'"1", ' * 10_000,
        b"GET /v1/expenses HTTP/1.1\r\nAuthorization: Bearer " + b"x" * 100_000,
        b"GET /v1/expenses HTTP/1.1\r\n" + b"\r\n".join(b"X-%d: y" % n for n in range(5_000)),
        b"BREW /v1/expenses HTTP/1.1",
        b"POST /v1/expenses HTTP/1.1\r\nContent-Length: -1",
        b"POST /v1/expenses HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=lambda value: repr(value[:50]),
)
def test_an_absurd_request_is_the_clients_fault(me: httpx.Client, request_line: bytes) -> None:
    """The HTTP server refuses some of these itself, before there is anybody to write a problem."""
    status = status_of(me, request_line + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert status is None or 400 <= status < 500
    assert me.get("/v1/me").status_code == 200


def status_of(me: httpx.Client, request: bytes) -> int | None:
    """The status that the bytes are answered with; None when the server just hangs up."""
    answer = b""
    with socket.create_connection((me.base_url.host, me.base_url.port or 80), timeout=30) as connection:
        # The server need not read everything to refuse it, nor be polite when it hangs up.
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(request)
        with suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                answer += chunk
    return int(answer.split(b" ", 2)[1]) if answer else None


def as_cursor(position: Any) -> str:
    return urlsafe_b64encode(json.dumps(position).encode()).rstrip(b"=").decode()
