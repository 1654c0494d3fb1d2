"""Passkeys: made with the password, they log their owner in alone, and nobody else in any way."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import time_machine
from sqlalchemy import select, text

from core import clock
from core.database import Database
from core.models import Passkey
from core.queries.sessions import sessions_of
from core.services.administration import set_rights
from core.services.challenges import LIFETIME
from core.services.locks import lock_account
from tests.api.accounts import deactivate, status_with
from tests.api.calls import another, problem, read, wrong_fields
from tests.authenticator import USER_PRESENT, Authenticator, encoded
from tests.cast import PASSWORD, Cast, Person
from tests.processes import eventually

PASSKEYS = "/v1/me/passkeys"


def asked_to_make(person: Person) -> dict[str, Any]:
    answer = person.client.post(f"{PASSKEYS}/options", json={"password": PASSWORD})
    assert answer.status_code == 201, answer.text
    asked: dict[str, Any] = answer.json()
    return asked


def keep(person: Person, challenge: str, credential: Any, name: str = "Phone") -> httpx.Response:
    body = {"challenge": challenge, "name": name, "credential": credential}
    return person.client.post(PASSKEYS, json=body)


def make(person: Person, device: Authenticator | None = None, name: str = "Phone") -> Authenticator:
    device = device or Authenticator()
    asked = asked_to_make(person)
    answer = keep(person, asked["challenge"], device.create(asked["options"]), name)
    assert answer.status_code == 201, answer.text
    return device


def asked_to_sign(client: httpx.Client) -> dict[str, Any]:
    asked: dict[str, Any] = client.post("/v1/auth/passkey/options").json()
    return asked


def log_in(client: httpx.Client, challenge: str, credential: Any) -> httpx.Response:
    return client.post("/v1/auth/passkey", json={"challenge": challenge, "credential": credential})


def sign_in(client: httpx.Client, device: Authenticator) -> httpx.Response:
    asked = asked_to_sign(client)
    return log_in(client, asked["challenge"], device.get(asked["options"]))


def test_a_device_logs_its_owner_in_without_password_and_code(cast: Cast, client: httpx.Client) -> None:
    device = make(cast.owner)
    tokens = sign_in(client, device)
    assert tokens.status_code == 200, tokens.text
    assert tokens.headers["Cache-Control"] == "no-store"
    assert status_with(client, tokens.json()["access_token"]) == 200
    [listed] = read(cast.owner.client, PASSKEYS)["items"]
    assert (listed["name"], listed["last_used_at"] is not None) == ("Phone", True)
    told = [one["data"] for one in read(cast.owner.client, "/v1/notifications")["items"]]
    assert {"change": "passkey", "name": "Phone"} in told
    assert sign_in(client, device).status_code == 200


def test_what_the_device_is_asked_names_the_site_and_demands_a_verified_user(cast: Cast) -> None:
    device = make(cast.owner)
    options = asked_to_make(cast.owner)["options"]
    assert options["rp"] == {"name": "Outlay", "id": "127.0.0.1"}
    assert options["user"]["name"] == "owner"
    assert options["authenticatorSelection"]["userVerification"] == "required"
    assert options["authenticatorSelection"]["residentKey"] == "required"
    assert [one["id"] for one in options["excludeCredentials"]] == [encoded(device.credential_id)]


@pytest.mark.parametrize(
    "spoiled",
    [
        {"origin": "https://evil.example"},
        {"domain": "evil.example"},
        {"flags": USER_PRESENT},
        {"flags": 0},
        {"key": Authenticator().key},
        {"credential_id": b"unknown"},
        {"sign_count": 1},
    ],
)
def test_a_login_by_another_page_device_or_copy_is_refused(
    cast: Cast, client: httpx.Client, spoiled: dict[str, Any]
) -> None:
    device = make(cast.owner)
    for _ in range(2):
        assert sign_in(client, device).status_code == 200
    assert problem(sign_in(client, replace(device, **{"sign_count": 2, **spoiled})), 401)
    assert sign_in(client, device).status_code == 200


@pytest.mark.parametrize(
    "spoiled", [{"origin": "https://evil.example"}, {"domain": "evil.example"}, {"flags": 1}]
)
def test_a_passkey_of_another_page_is_not_kept(cast: Cast, spoiled: dict[str, Any]) -> None:
    asked = asked_to_make(cast.owner)
    credential = Authenticator(**spoiled).create(asked["options"])
    assert wrong_fields(keep(cast.owner, asked["challenge"], credential)) == ["/credential"]
    assert read(cast.owner.client, PASSKEYS)["items"] == []


def test_an_answer_counts_once_for_its_own_challenge_and_five_minutes(
    cast: Cast, client: httpx.Client
) -> None:
    device = make(cast.owner)
    asked, other = asked_to_sign(client), asked_to_sign(client)
    credential = device.get(asked["options"])
    assert problem(log_in(client, other["challenge"], credential), 401)
    assert log_in(client, asked["challenge"], credential).status_code == 200
    assert problem(log_in(client, asked["challenge"], credential), 401)
    late = asked_to_sign(client)
    with time_machine.travel(clock.now() + LIFETIME + timedelta(seconds=1)):
        assert problem(log_in(client, late["challenge"], device.get(late["options"])), 401)
    mine = asked_to_make(cast.owner)
    credential = Authenticator().create(mine["options"])
    assert wrong_fields(keep(cast.stranger, mine["challenge"], credential)) == ["/challenge"]
    assert problem(log_in(client, mine["challenge"], device.get(mine["options"])), 401)


def test_of_many_who_send_the_answer_at_once_one_gets_in(cast: Cast, client: httpx.Client) -> None:
    device = make(cast.owner)
    asked = asked_to_sign(client)
    credential = device.get(asked["options"])
    clients = [another(cast.stranger.client) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        answers = threads.map(lambda one: log_in(one, asked["challenge"], credential).status_code, clients)
        assert sorted(answers) == [200, 401, 401, 401]
    for one in clients:
        one.close()


def test_a_login_under_way_ends_with_all_others(cast: Cast, client: httpx.Client, database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one write lock, for which the login waits in any case")
    device = make(cast.owner)
    with ThreadPoolExecutor(1) as thread:
        with database.transaction() as session:
            lock_account(session, user_id=cast.owner.id)
            login = thread.submit(sign_in, client, device)
            assert eventually(lambda: is_somebody_waiting(database))
            set_rights(session, user_id=cast.owner.id, changes={"is_active": False})
        assert problem(login.result(), 401)
    with database.reading() as session:
        assert sessions_of(session, user_id=cast.owner.id) == []


def is_somebody_waiting(database: Database) -> bool:
    """For a lock, in this database."""
    query = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with database.reading_rows() as rows:
        return rows.execute(text(query)).first() is not None


@pytest.mark.parametrize(
    "garbage",
    [
        {}, {"rawId": 7}, {"rawId": "€"}, {"id": "x", "rawId": "x", "type": "public-key", "response": None},
        {"rawId": "AAAA", "response": {"clientDataJSON": "AAAA"}},
        {"id": "AAAA", "rawId": "AAAA", "type": "x", "response": {"clientDataJSON": [], "signature": {}}},
    ],
)  # fmt: skip
def test_garbage_is_refused(cast: Cast, client: httpx.Client, garbage: dict[str, Any]) -> None:
    make(cast.owner)
    assert problem(log_in(client, asked_to_sign(client)["challenge"], garbage), 401)
    asked = asked_to_make(cast.owner)
    assert wrong_fields(keep(cast.owner, asked["challenge"], garbage)) == ["/credential"]


def test_it_is_made_with_the_password_and_its_name_only(cast: Cast) -> None:
    refused = cast.owner.client.post(f"{PASSKEYS}/options", json={"password": "not my password"})
    assert problem(refused, 403)
    asked = asked_to_make(cast.owner)
    assert wrong_fields(keep(cast.owner, asked["challenge"], {}, name="")) == ["/name"]
    device = make(cast.owner)
    again = asked_to_make(cast.owner)
    assert problem(keep(cast.owner, again["challenge"], device.create(again["options"])), 409)


def test_a_deleted_passkey_and_that_of_a_deactivated_user_log_nobody_in(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    device, theirs = make(cast.owner), make(cast.member)
    passkey_id = read(cast.owner.client, PASSKEYS)["items"][0]["id"]
    assert problem(cast.stranger.client.delete(f"{PASSKEYS}/{passkey_id}"), 404)
    assert cast.owner.client.delete(f"{PASSKEYS}/{passkey_id}").status_code == 204
    assert problem(sign_in(client, device), 401)
    deactivate(database, cast.member.id)
    assert problem(sign_in(client, theirs), 401)
    with database.reading() as session:
        assert [row.user_id for row in session.scalars(select(Passkey))] == [cast.member.id]
