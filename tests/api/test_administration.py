"""Administrators see accounts and health, never what somebody spends; and there is always one left."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest
from sqlalchemy import insert, select, update

from core import clock
from core.config import Settings
from core.database import Database
from core.errors import Conflict
from core.logging import AUDIT
from core.models import OutboxRow, User
from core.services.accounts import delete_account
from tests.api.accounts import status_with
from tests.api.calls import new_expense, problem, read, wrong_fields
from tests.cast import PASSWORD, Cast, Person, http_client
from tests.running_api import RunningApi

MASTER_KEY = "a master key of the tests, long enough for all"


@pytest.fixture
def admin(cast: Cast, database: Database) -> Person:
    make_admin(database, cast.owner)
    return cast.owner


def make_admin(database: Database, *people: Person) -> None:
    with database.transaction() as session:
        ids = [person.id for person in people]
        session.execute(update(User).where(User.id.in_(ids)).values(is_admin=True))


def change(person: Person, user_id: UUID, **changes: Any) -> httpx.Response:
    return person.client.patch(f"/v1/admin/users/{user_id}", json=changes)


def test_who_is_no_administrator_gets_nothing(cast: Cast, admin: Person) -> None:
    for method, path in (
        ("GET", "/v1/admin/users"), ("GET", f"/v1/admin/users/{admin.id}"),
        ("PATCH", f"/v1/admin/users/{admin.id}"), ("DELETE", f"/v1/admin/users/{admin.id}"),
        ("GET", "/v1/admin/audit"), ("GET", "/v1/admin/audit/verify"), ("GET", "/v1/admin/jobs"),
        ("POST", "/v1/admin/jobs/1/retry"), ("GET", "/v1/admin/logs"),
    ):  # fmt: skip
        answer = cast.stranger.client.request(method, path, json={"is_admin": True})
        assert problem(answer, 403)["detail"] == "for administrators only"
        assert "owner" not in answer.text


def test_accounts_are_listed_the_newest_first_and_found_by_part_of_their_name(
    cast: Cast, admin: Person
) -> None:
    new_expense(cast.member.client, "1234.56", note="private")
    answer = admin.client.get("/v1/admin/users")
    assert [user["username"] for user in answer.json()["items"]] == ["stranger", "member", "owner"]
    assert "1234" not in answer.text
    assert "private" not in answer.text
    found = answer.json()["items"][1]
    assert (found["is_active"], found["is_admin"], found["has_second_factor"]) == (True, False, False)
    assert found["last_seen_at"] is not None
    for query, names in (
        ({"q": "MEM"}, ["member"]), ({"q": "@example"}, ["stranger", "member", "owner"]), ({"q": "%"}, []),
        ({"is_admin": True}, ["owner"]), ({"is_active": False}, []), ({"limit": 1}, ["stranger"]),
    ):  # fmt: skip
        page = read(
            admin.client, "/v1/admin/users", **{name: str(value).lower() for name, value in query.items()}
        )
        assert [user["username"] for user in page["items"]] == names, query
    first = read(admin.client, "/v1/admin/users", limit=2)
    rest = read(admin.client, "/v1/admin/users", cursor=first["next_cursor"])
    assert [user["username"] for user in rest["items"]] == ["owner"]


def test_who_is_deactivated_is_out_at_once_and_in_again_by_a_new_login(
    cast: Cast, admin: Person, client: httpx.Client
) -> None:
    assert change(admin, cast.member.id, is_active=False).json()["is_active"] is False
    assert cast.member.client.get("/v1/me").status_code == 401
    login = {"login": "member", "password": PASSWORD}
    assert client.post("/v1/auth/login", json=login).status_code == 401
    refresh = {"refresh_token": cast.member.tokens["refresh_token"]}
    assert client.post("/v1/auth/refresh", json=refresh).status_code == 401
    assert change(admin, cast.member.id, is_active=True).status_code == 200
    assert cast.member.client.get("/v1/me").status_code == 401, "the old login stays ended"
    tokens = client.post("/v1/auth/login", json=login).json()
    assert status_with(client, tokens["access_token"]) == 200
    mine = {"Authorization": f"Bearer {tokens['access_token']}"}
    activity = client.get("/v1/me/activity", headers=mine).json()["items"]
    changes = [(event["by"], event["changes"]) for event in activity if "rights" in event["action"]]
    assert changes == [("administrator", {"is_active": True}), ("administrator", {"is_active": False})]


def test_somebody_else_becomes_an_administrator_and_ceases_to_be_one(cast: Cast, admin: Person) -> None:
    assert change(admin, cast.member.id, is_admin=True).status_code == 200
    wait_for(cast.member.client, "/v1/admin/users", 200)
    assert change(cast.member, admin.id, is_admin=False).status_code == 200
    wait_for(admin.client, "/v1/admin/users", 403)


def wait_for(client: httpx.Client, path: str, status: int) -> None:
    """Rights are looked up again within a second."""
    deadline = time.monotonic() + 5
    while client.get(path).status_code != status:
        assert time.monotonic() < deadline


def test_the_last_administrator_cannot_go(cast: Cast, admin: Person, database: Database) -> None:
    assert "administer" in problem(change(admin, admin.id, is_admin=False), 409)["detail"]
    assert problem(change(admin, admin.id, is_active=False), 409)
    assert problem(admin.client.delete(f"/v1/admin/users/{admin.id}"), 409)
    make_admin(database, cast.member)
    with database.transaction() as session:
        session.execute(update(User).where(User.id == cast.member.id).values(is_active=False))
    assert problem(change(admin, admin.id, is_admin=False), 409), "one who cannot log in does not count"
    assert admin.client.get("/v1/admin/users").status_code == 200


def test_of_two_who_remove_each_other_at_once_one_stays(
    cast: Cast, admin: Person, database: Database
) -> None:
    make_admin(database, cast.member)
    wait_for(cast.member.client, "/v1/admin/users", 200)
    pairs = [(admin, cast.member), (cast.member, admin)]
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda pair: change(pair[0], pair[1].id, is_admin=False), pairs))
    with database.reading() as session:
        assert len(session.scalars(select(User.id).where(User.is_admin)).all()) == 1


def test_an_account_is_deleted_without_its_password(cast: Cast, admin: Person, database: Database) -> None:
    new_expense(cast.member.client)
    path = f"/v1/admin/users/{cast.member.id}"
    assert problem(admin.client.delete(path, headers={"If-Match": '"7"'}), 412)
    assert admin.client.delete(path).status_code == 204
    assert problem(admin.client.delete(path), 404)
    assert problem(admin.client.get(path), 404)
    assert problem(change(admin, cast.member.id, is_active=False), 404)
    with database.reading() as session:
        assert session.get(User, cast.member.id) is None
    event = read(admin.client, "/v1/me/activity")["items"][0]
    assert (event["action"], event["object_id"]) == ("account.deleted", str(cast.member.id))


def test_rights_are_changed_by_version_and_nothing_else_is(cast: Cast, admin: Person) -> None:
    path = f"/v1/admin/users/{cast.member.id}"
    etag = admin.client.get(path).headers["ETag"]
    stale = admin.client.patch(path, json={"is_admin": True}, headers={"If-Match": '"9"'})
    assert problem(stale, 412)
    assert admin.client.patch(path, json={"is_admin": True}, headers={"If-Match": etag}).status_code == 200
    assert wrong_fields(change(admin, cast.member.id, email="x@example.com")) == ["/email"]
    assert wrong_fields(change(admin, cast.member.id, is_admin="yes")) == ["/is_admin"]


def test_what_waits_and_what_is_dead_is_shown_and_tried_again(admin: Person, database: Database) -> None:
    now = clock.now()
    dead = {
        "job": "send_mail", "key": "somebody", "payload": {"amount": "12.34"}, "attempts": 12,
        "created_at": now, "available_at": now, "dead_at": now, "last_error": "MailRefused()\nwith details",
    }  # fmt: skip
    with database.transaction() as session:
        session.execute(insert(OutboxRow).values(dead))
    page = read(admin.client, "/v1/admin/jobs")
    assert {one["job"] for one in page["waiting"]} == {"send_mail"}, "the mails of the registrations"
    [shown] = page["items"]
    assert (page["dead_count"], shown["job"], shown["error"]) == (1, "send_mail", "MailRefused()")
    assert "12.34" not in str(page)
    assert admin.client.post(f"/v1/admin/jobs/{shown['id']}/retry").status_code == 204
    assert read(admin.client, "/v1/admin/jobs")["dead_count"] == 0
    assert problem(admin.client.post(f"/v1/admin/jobs/{shown['id']}/retry"), 404)


def delete_oneself(person: Person) -> int:
    return person.client.request("DELETE", "/v1/me", json={"password": PASSWORD}).status_code


def test_the_last_administrator_cannot_delete_themselves(
    cast: Cast, admin: Person, database: Database
) -> None:
    assert delete_oneself(admin) == 409
    make_admin(database, cast.member)
    assert delete_oneself(admin) == 204
    assert delete_oneself(cast.member) == 409
    assert delete_oneself(cast.stranger) == 204


def test_of_two_administrators_who_delete_each_other_one_stays(
    cast: Cast, admin: Person, database: Database
) -> None:
    make_admin(database, cast.member)
    # Both have left their groups, which is checked as well, when the first of the deletions begins.
    with database.transaction() as session:
        delete_account(session, user_id=cast.member.id, expected_versions=None)
    with pytest.raises(Conflict, match="nobody would be left"), database.transaction() as session:
        delete_account(session, user_id=admin.id, expected_versions=None)


def test_a_deletion_by_the_master_key_is_in_the_log(
    settings: Settings, cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger=AUDIT)
    with (
        RunningApi(msgspec.structs.replace(settings, master_key=MASTER_KEY)) as api,
        http_client(api.url, Authorization=f"Bearer {MASTER_KEY}") as master,
    ):
        assert master.delete(f"/v1/admin/users/{cast.owner.id}").status_code == 204
    assert f"account.deleted user_id={cast.owner.id} actor=master key seq=2 hash=" in caplog.text


def test_the_master_key_makes_the_first_administrator_and_opens_nothing_of_a_users(
    settings: Settings, cast: Cast
) -> None:
    with (
        RunningApi(msgspec.structs.replace(settings, master_key=MASTER_KEY)) as api,
        http_client(api.url, Authorization=f"Bearer {MASTER_KEY}") as master,
        http_client(api.url, Authorization=f"Bearer {MASTER_KEY}x") as wrong,
    ):
        assert len(read(master, "/v1/admin/users")["items"]) == 3
        answer = master.patch(f"/v1/admin/users/{cast.owner.id}", json={"is_admin": True})
        assert answer.json()["is_admin"] is True
        for path in ("/v1/me", "/v1/expenses", "/v1/me/activity", "/v1/groups"):
            assert problem(master.get(path), 401)
        assert problem(master.post("/v1/expenses", json={"amount": "1"}), 401)
        assert problem(wrong.get("/v1/admin/users"), 401)
    [event] = [
        one for one in read(cast.owner.client, "/v1/me/activity")["items"] if "rights" in one["action"]
    ]
    assert event["by"] == "unknown"


def test_without_a_master_key_an_empty_one_opens_nothing(client: httpx.Client) -> None:
    for value in ("Bearer", "Bearer x", "Basic Og=="):
        assert problem(client.get("/v1/admin/users", headers={"Authorization": value}), 401)
