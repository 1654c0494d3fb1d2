"""Keys for programs: what they may do, until when, and that nobody can make one of what is stored."""

from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import select, update

from api.scopes import AREAS_OF, needed_scopes
from core import clock
from core.database import Database
from core.models import ApiKey
from core.rules.scopes import SCOPES
from core.services.api_keys import MAX_KEYS, PREFIX
from tests.api.accounts import deactivate
from tests.api.calls import new_expense, problem, read, wrong_fields
from tests.cast import Cast, Person, http_client

KEYS = "/v1/me/api-keys"


def new_key(person: Person, *scopes: str, **fields: Any) -> dict[str, Any]:
    body = {"name": "Script", "scopes": list(scopes or SCOPES), **fields}
    answer = person.client.post(KEYS, json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    made: dict[str, Any] = answer.json()
    return made


def client_with(person: Person, key: str) -> httpx.Client:
    return http_client(str(person.client.base_url), Authorization=f"Bearer {key}")


def test_a_key_does_what_its_scopes_say_and_no_more(cast: Cast) -> None:
    expense = new_expense(cast.owner.client)
    with client_with(cast.owner, new_key(cast.owner, "expenses:read")["key"]) as program:
        assert read(program, "/v1/expenses")["items"][0]["id"] == expense["id"]
        assert read(program, f"/v1/expenses/{expense['id']}")["id"] == expense["id"]
        refused = problem(program.post("/v1/expenses", json={"amount": "1"}), 403)
        assert "expenses:write" in refused["detail"]
        assert problem(program.delete(f"/v1/expenses/{expense['id']}"), 403)
        assert problem(program.get("/v1/budgets"), 403)
    with client_with(cast.owner, new_key(cast.owner, "expenses:write")["key"]) as program:
        assert new_expense(program)["amount"] == "10.00"
        assert problem(program.get("/v1/expenses"), 403), "writing does not include reading"


def test_what_guards_the_account_no_key_may_touch(cast: Cast) -> None:
    with client_with(cast.owner, new_key(cast.owner)["key"]) as program:
        assert read(program, "/v1/me")["username"] == "owner"
        for method, path in (
            ("DELETE", "/v1/me"), ("GET", "/v1/me/sessions"), ("POST", "/v1/me/password"), ("GET", KEYS),
            ("POST", KEYS), ("POST", "/v1/me/second-factor"), ("POST", "/v1/auth/ticket"),
            ("POST", "/v1/auth/logout"), ("POST", "/v1/me/email"), ("DELETE", "/v1/me/sessions"),
        ):  # fmt: skip
            assert "log in" in problem(program.request(method, path, json={}), 403)["detail"], path


def test_every_scope_is_of_an_area_that_some_call_needs() -> None:
    used = {
        scope
        for first in AREAS_OF
        for method in ("GET", "POST")
        for scope in needed_scopes(f"/v1/{first}", method)
    }
    used |= {scope for method in ("GET", "PATCH") for scope in needed_scopes("/v1/me", method)}
    assert used == SCOPES


def test_what_tells_of_two_areas_needs_both(cast: Cast) -> None:
    for scopes in (("expenses:read",), ("budgets:read",), ("expenses:read", "budgets:read")):
        with client_with(cast.owner, new_key(cast.owner, *scopes)["key"]) as program:
            assert program.get("/v1/changes").status_code == (200 if len(scopes) == 2 else 403)


def test_who_says_where_notifications_go_must_be_allowed_to_read_them(cast: Cast) -> None:
    body = {"url": "https://example.com/hook", "kinds": ["digest.ready"]}
    with client_with(cast.owner, new_key(cast.owner, "channels:read", "channels:write")["key"]) as program:
        assert "notifications:read" in problem(program.post("/v1/webhooks", json=body), 403)["detail"]
        assert read(program, "/v1/webhooks")["items"] == []
    scopes = ("channels:write", "notifications:read")
    with client_with(cast.owner, new_key(cast.owner, *scopes)["key"]) as program:
        assert program.post("/v1/webhooks", json=body).status_code == 201


def test_a_key_is_shown_once_and_stored_as_a_hash(cast: Cast, database: Database) -> None:
    made = new_key(cast.owner, "expenses:read", name="Backup")
    assert made["key"].startswith(PREFIX)
    [listed] = read(cast.owner.client, KEYS)["items"]
    assert "key" not in listed
    assert (listed["name"], listed["scopes"], listed["id"]) == ("Backup", ["expenses:read"], made["id"])
    with database.reading() as session:
        row = session.scalars(select(ApiKey)).one()
    assert made["key"].encode() not in bytes(row.key_hash)
    assert len(row.key_hash) == 32
    [told] = read(cast.owner.client, "/v1/notifications")["items"]
    assert told["data"] == {"change": "api_key", "name": "Backup"}
    assert cast.owner.client.delete(f"{KEYS}/{made['id']}").status_code == 204
    newest = read(cast.owner.client, "/v1/notifications")["items"][0]
    assert newest["data"] == {"change": "api_key_deleted", "name": "Backup"}


def test_a_deleted_key_is_dead_at_once(cast: Cast) -> None:
    made = new_key(cast.owner)
    with client_with(cast.owner, made["key"]) as program:
        assert program.get("/v1/me").status_code == 200
        assert problem(cast.stranger.client.delete(f"{KEYS}/{made['id']}"), 404)
        assert cast.owner.client.delete(f"{KEYS}/{made['id']}").status_code == 204
        assert problem(program.get("/v1/me"), 401)
    assert problem(cast.owner.client.delete(f"{KEYS}/{made['id']}"), 404)


def test_a_key_expires(cast: Cast) -> None:
    later = clock.now() + timedelta(days=1)
    made = new_key(cast.owner, expires_at=later.isoformat())
    assert datetime.fromisoformat(made["expires_at"]) == later
    with client_with(cast.owner, made["key"]) as program:
        assert program.get("/v1/me").status_code == 200
    unused = new_key(cast.owner, expires_at=later.isoformat())
    with client_with(cast.owner, unused["key"]) as program, time_machine.travel(later):
        assert problem(program.get("/v1/me"), 401)


def test_a_key_dies_with_its_user(cast: Cast, database: Database) -> None:
    with client_with(cast.member, new_key(cast.member)["key"]) as program:
        deactivate(database, cast.member.id)
        assert problem(program.get("/v1/me"), 401)


def test_what_is_no_key_of_ours_opens_nothing(cast: Cast) -> None:
    key = new_key(cast.owner)["key"]
    other = "A" if key[-20] != "A" else "B"
    for wrong in (PREFIX, key[:-1], key + "A", key[:-20] + other + key[-19:], key.upper(), "outlay-x"):
        with client_with(cast.owner, wrong) as program:
            assert problem(program.get("/v1/me"), 401)


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["expenses:read", "everything"]}, "/scopes/1"),
        ({"scopes": ["expenses"]}, "/scopes/0"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "tomorrow"}, "/expires_at"),
        ({"name": ""}, "/name"),
        ({"name": "a\nb"}, "/name"),
        ({"user_id": "x"}, "/user_id"),
    ],
)
def test_what_a_key_cannot_be_is_named(cast: Cast, fields: dict[str, Any], pointer: str) -> None:
    body = {"name": "Script", "scopes": ["expenses:read"], **fields}
    assert wrong_fields(cast.owner.client.post(KEYS, json=body)) == [pointer]


def test_there_are_at_most_a_hundred(cast: Cast, database: Database) -> None:
    new_key(cast.owner)
    with database.transaction() as session:
        row = session.scalars(select(ApiKey)).one()
        values = {column.name: getattr(row, column.name) for column in row.__table__.columns}
        for n in range(MAX_KEYS - 1):
            session.add(ApiKey(**{**values, "id": type(row.id)(int=n)}))
    assert problem(cast.owner.client.post(KEYS, json={"name": "x", "scopes": ["expenses:read"]}), 409)
    assert len(read(cast.owner.client, KEYS)["items"]) == MAX_KEYS
    assert new_key(cast.member)


def test_when_it_was_used_last_is_kept_to_the_hour(cast: Cast, database: Database) -> None:
    now = clock.now()
    ages = {"just now": timedelta(minutes=59), "long ago": timedelta(minutes=61), "never": None}
    keys = {name: new_key(cast.owner, name=name)["key"] for name in ages}
    with database.transaction() as session:
        for name, age in ages.items():
            used_at = None if age is None else now - age
            session.execute(update(ApiKey).where(ApiKey.name == name).values(last_used_at=used_at))
    for key in keys.values():
        with client_with(cast.owner, key) as program:
            assert program.get("/v1/me").status_code == 200
    used = {
        one["name"]: datetime.fromisoformat(one["last_used_at"])
        for one in read(cast.owner.client, KEYS)["items"]
    }
    assert used["just now"] == now - timedelta(minutes=59)
    assert min(used["long ago"], used["never"]) >= now
