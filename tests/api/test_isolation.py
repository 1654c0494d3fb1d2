"""Nobody reaches what is another's, and nobody without a token reaches anything but the public calls.

Both are asked of every call in the OpenAPI document, so that calls which are added later are covered too.
"""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import httpx
import pytest

from core.database import Database
from tests.api.calls import new_expense, new_recurring, one_of_each, problem, read
from tests.cast import Cast

METHODS = ("get", "post", "put", "patch", "delete")

PUBLIC = {
    ("post", "/v1/auth/register"),
    ("post", "/v1/auth/login"),
    ("post", "/v1/auth/token"),
    ("post", "/v1/auth/refresh"),
    ("post", "/v1/auth/verify-email"),
    ("post", "/v1/auth/second-factor"),
    ("post", "/v1/auth/passkey"),
    ("post", "/v1/auth/passkey/options"),
    ("post", "/v1/auth/password-reset"),
    ("post", "/v1/auth/password-reset/confirm"),
    ("get", "/v1/unsubscribe/{token}"),
    ("post", "/v1/unsubscribe/{token}"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
}
"""Whoever makes another call public must write it down here."""

FOR_ADMINS = "/v1/admin/"
"""Whoever is none gets 403 there: `test_administration.py`."""

OWN_NUMBERS = {"seq"}
"""Parameters that count within each user: the same number is something else for everybody."""

ANYTHING = {"amount": {"at_least": "0"}}

SAMPLES: dict[str, Any] = {
    "string": "x",
    "integer": 1,
    "number": 1,
    "boolean": True,
    "array": [],
    "object": {},
}


class Document:
    """The OpenAPI document of the running API."""

    def __init__(self, client: httpx.Client) -> None:
        self._document = read(client, "/openapi.json")

    def calls(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, item in self._document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield method, path, item[method]

    def body(self, operation: dict[str, Any]) -> dict[str, Any]:
        """Arguments of a request whose body has at least the required fields, each of its type."""
        content = operation.get("requestBody", {}).get("content", {})
        for media_type, described in content.items():
            value = self._sample(described["schema"])
            return {"json": value} if media_type == "application/json" else {"data": value}
        return {}

    def _sample(self, schema: dict[str, Any]) -> Any:
        if "$ref" in schema:
            return self._sample(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        for chosen in (*schema.get("examples", ()), *schema.get("enum", ())):
            return chosen
        if "anyOf" in schema:
            return self._sample(schema["anyOf"][0])
        if schema.get("type") == "object":
            properties = schema.get("properties", {})
            return {name: self._sample(properties[name]) for name in schema.get("required", ())}
        match schema.get("format"):
            case "uuid":
                return "018f0000-0000-7000-8000-000000000000"
            case "date":
                return date(2026, 1, 1).isoformat()
        return SAMPLES.get(schema.get("type", "string"))


@pytest.fixture
def document(client: httpx.Client) -> Document:
    return Document(client)


def test_a_stranger_finds_nothing_at_the_owners_paths(
    cast: Cast, document: Document, database: Database
) -> None:
    ids = one_of_each(cast.owner.client, database)
    before = everything_of_the_owner(cast)
    asked = 0
    for method, path, operation in document.calls():
        names = set(re.findall(r"{(\w+)}", path)) - OWN_NUMBERS
        if not names or path.startswith(FOR_ADMINS):
            continue
        assert names <= ids.keys(), f"{path}: one_of_each() needs one for {names - ids.keys()}"
        answer = cast.stranger.client.request(method, path.format(**ids), **document.body(operation))
        assert answer.status_code == 404, f"{method} {path}: {answer.status_code} {answer.text}"
        assert not any(value in answer.text for value in ids.values())
        asked += 1
    assert asked >= 10
    assert everything_of_the_owner(cast) == before


def test_a_stranger_finds_the_trash_of_the_owner_as_empty_as_any_other_path(cast: Cast) -> None:
    expense = new_expense(cast.owner.client)
    assert cast.owner.client.delete(f"/v1/expenses/{expense['id']}").status_code == 204
    path = f"/v1/expenses/{expense['id']}/restore"
    theirs = problem(cast.stranger.client.post(path), 404)
    missing = problem(cast.stranger.client.post(path.replace(expense["id"][:8], "018f0000")), 404)
    assert theirs == missing
    assert cast.owner.client.post(path).status_code == 200


def test_lists_show_only_what_is_ones_own(cast: Cast, document: Document, database: Database) -> None:
    ids = one_of_each(cast.owner.client, database)
    for method, path, _operation in document.calls():
        if method == "get" and "{" not in path and path.startswith("/v1") and not path.startswith(FOR_ADMINS):
            answer = cast.stranger.client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.text}"
            assert not any(value in answer.text for value in ids.values()), path


def test_what_is_written_cannot_refer_to_what_is_anothers(cast: Cast, database: Database) -> None:
    ids = one_of_each(cast.owner.client, database)
    stranger = cast.stranger.client
    own = new_expense(stranger)
    foreign = {"category_id": ids["category_id"]}
    for answer in (
        stranger.post("/v1/expenses", json={"amount": "1", **foreign}),
        stranger.post("/v1/expenses", json={"amount": "1", "lines": [{"amount": "1", **foreign}]}),
        stranger.post("/v1/expenses/bulk", json={"items": [{"amount": "1", **foreign}]}),
        stranger.patch(f"/v1/expenses/{own['id']}", json=foreign),
        stranger.post("/v1/categories", json={"name": "Below", "parent_id": ids["category_id"]}),
        stranger.post(
            "/v1/budgets", json={"name": "On", "amount": "1", "category_ids": [ids["category_id"]]}
        ),
        stranger.post("/v1/rules", json={"name": "Their", "when": ANYTHING, "then": foreign}),
        stranger.post("/v1/recurring-expenses", json={"amount": "1", "unit": "day", **foreign}),
        stranger.post(
            "/v1/recurring-expenses",
            json={"amount": "1", "unit": "day", "lines": [{"amount": "1", **foreign}]},
        ),
        stranger.patch(f"/v1/recurring-expenses/{new_recurring(stranger)['id']}", json=foreign),
        stranger.post("/v1/rules/try", json={"when": ANYTHING, "then": foreign}),
    ):
        assert problem(answer, 422)["errors"]
    assert read(stranger, "/v1/expenses", **foreign)["items"] == []
    assert read(stranger, "/v1/categories", parent_id=ids["category_id"])["items"] == []


def test_without_a_token_only_the_public_calls_answer(
    client: httpx.Client, cast: Cast, document: Document, database: Database
) -> None:
    ids = {**one_of_each(cast.owner.client, database), "seq": "1"}
    public = set()
    for method, path, operation in document.calls():
        for headers in ({}, {"Authorization": "Bearer e30.e30.e30"}, {"Authorization": "Basic b3duZXI6eA=="}):
            answer = client.request(method, path.format(**ids), headers=headers, **document.body(operation))
            if (method, path) in PUBLIC:
                assert answer.headers.get("WWW-Authenticate") is None or "/auth/" in path
                public.add((method, path))
                continue
            assert problem(answer, 401), f"{method} {path}"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert public == PUBLIC


def test_a_call_that_is_not_there_is_404_with_and_without_a_token(cast: Cast, client: httpx.Client) -> None:
    for path in ("/v1/nothing", "/v2/expenses", "/v1/expenses/not-an-id", "/v1/expenses/%00", "/v1/%F0%9F"):
        assert problem(client.get(path), 404)
        assert problem(cast.owner.client.get(path), 404)


def test_a_preflight_needs_no_token(client: httpx.Client) -> None:
    answer = client.options("/v1/expenses")
    assert answer.status_code == 200
    assert "POST" in answer.headers["Allow"]


def everything_of_the_owner(cast: Cast) -> list[Any]:
    me = cast.owner.client
    nouns = (
        "categories", "expenses", "budgets", "rules", "recurring-expenses", "imports", "reports", "exports",
        "webhooks", "channels", "me",
    )  # fmt: skip
    # When a session was last used changes with every request.
    sessions = [session["id"] for session in read(me, "/v1/me/sessions")["items"]]
    return [*(read(me, f"/v1/{noun}") for noun in nouns), sessions]
