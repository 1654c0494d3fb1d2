"""Logging in and out, tickets, and the list of devices."""

import time
from uuid import UUID, uuid4

import bcrypt
import httpx
import pytest
from sqlalchemy import select

from core.config import Settings
from core.database import Database
from core.models import IdempotencyKey, LoginSession, RefreshToken
from core.security import TICKET, Tokens
from core.services.sessions import MAX_SESSIONS, open_session
from tests.api.accounts import count, deactivate, pointers, session_of, status_with
from tests.cast import PASSWORD, Cast


def log_in(client: httpx.Client, login: str = "owner", password: str = PASSWORD) -> httpx.Response:
    return client.post("/v1/auth/login", json={"login": login, "password": password})


@pytest.mark.parametrize("login", ["owner", "OWNER", "owner@example.com", "Owner@EXAMPLE.com"])
def test_one_logs_in_by_user_name_or_address_in_any_case(
    cast: Cast, client: httpx.Client, login: str
) -> None:
    answer = log_in(client, login)
    assert answer.status_code == 200
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    assert answer.headers["Cache-Control"] == "no-store"
    assert status_with(client, tokens["access_token"]) == 200


def test_an_unknown_login_a_wrong_password_and_an_inactive_user_get_the_same_answer_after_the_same_work(
    cast: Cast, client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    deactivate(database, cast.member.id)
    costs: list[bytes] = []
    check = bcrypt.checkpw

    def counted(password: bytes, hashed: bytes) -> bool:
        costs.append(hashed[:7])
        return check(password, hashed)

    monkeypatch.setattr(bcrypt, "checkpw", counted)
    answers = [log_in(client, "nobody"), log_in(client, "owner", "not it at all"), log_in(client, "member")]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert len({answer.content for answer in answers}) == 1
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1
    assert costs == [b"$2b$04$"] * 3


@pytest.mark.parametrize("password", ["", "p" * 73, "p" * 1_000, "correct horse battery\0", "€" * 100])
def test_a_password_that_nobody_can_have_is_wrong_like_any_other(
    cast: Cast, client: httpx.Client, password: str
) -> None:
    assert log_in(client, "owner", password).status_code == 401


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"login": "owner"}, "/password"),
        ({"password": PASSWORD}, "/login"),
        ({"login": "own\0er", "password": PASSWORD}, "/login"),
        ({"login": "o" * 255, "password": PASSWORD}, "/login"),
        ({"login": "owner", "password": "p" * 1_001}, "/password"),
        ({"login": "owner", "password": PASSWORD, "remember_me": True}, "/remember_me"),
        ({"login": ["owner"], "password": PASSWORD}, "/login"),
    ],
)
def test_a_malformed_login_is_told_what_is_wrong(
    client: httpx.Client, body: dict[str, object], pointer: str
) -> None:
    assert pointers(client.post("/v1/auth/login", json=body)) == [pointer]


def test_answers_with_tokens_are_never_stored_whatever_key_came_with_the_request(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    client.headers["Idempotency-Key"] = "one"
    first, second = log_in(client).json(), log_in(client).json()
    assert first["refresh_token"] != second["refresh_token"]
    client.post("/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
    cast.owner.client.post("/v1/auth/ticket", headers={"Idempotency-Key": "one"})
    assert count(database, IdempotencyKey) == 0


def test_logging_out_ends_this_session_at_once_and_no_other(cast: Cast, client: httpx.Client) -> None:
    other = log_in(client).json()
    assert cast.owner.client.post("/v1/auth/logout").status_code == 204
    assert cast.owner.client.get("/v1/me").status_code == 401
    refreshed = client.post("/v1/auth/refresh", json={"refresh_token": cast.owner.tokens["refresh_token"]})
    assert refreshed.status_code == 401
    assert status_with(client, other["access_token"]) == 200
    assert cast.member.client.get("/v1/me").status_code == 200


def test_a_ticket_lives_thirty_seconds_and_opens_the_websocket_only(
    cast: Cast, client: httpx.Client, settings: Settings
) -> None:
    answer = cast.owner.client.post("/v1/auth/ticket")
    assert (answer.status_code, answer.json()["expires_in"]) == (201, 30)
    assert answer.headers["Cache-Control"] == "no-store"
    claims = Tokens(settings.secret).read(answer.json()["ticket"], TICKET)
    assert (claims.user_id, claims.session_id) == (cast.owner.id, session_of(cast.owner))
    assert claims.expires_at <= time.time() + 30
    assert status_with(client, answer.json()["ticket"]) == 401
    assert client.post("/v1/auth/ticket").status_code == 401


def test_the_devices_are_listed_with_the_one_that_asks_marked(cast: Cast, client: httpx.Client) -> None:
    client.headers["User-Agent"] = "Outlay for Ada's phone " + "x" * 500
    log_in(client)
    answer = cast.owner.client.get("/v1/me/sessions")
    assert answer.status_code == 200
    phone, own = answer.json()["items"]
    assert answer.json()["next_cursor"] is None
    assert (UUID(own["id"]), own["is_current"], phone["is_current"]) == (session_of(cast.owner), True, False)
    assert phone["user_agent"] == client.headers["User-Agent"][:300]
    assert phone["ip_address"] == "127.0.0.1"
    assert phone["created_at"] == phone["last_used_at"]
    assert phone["created_at"].endswith("Z")


@pytest.mark.parametrize("address", ["no address", "x" * 500, "fe80::1%" + "x" * 100, "[::1]", "1.2.3.4:80"])
def test_what_a_proxy_says_about_the_address_cannot_break_the_login(
    cast: Cast, client: httpx.Client, address: str
) -> None:
    client.headers["X-Forwarded-For"] = address
    assert log_in(client).status_code == 200


def test_only_live_sessions_of_ones_own_are_listed(cast: Cast, client: httpx.Client) -> None:
    other = log_in(client).json()["access_token"]
    client.post("/v1/auth/logout", headers={"Authorization": f"Bearer {other}"})
    items = cast.owner.client.get("/v1/me/sessions").json()["items"]
    assert [UUID(item["id"]) for item in items] == [session_of(cast.owner)]


def test_a_device_can_be_logged_out_from_another(cast: Cast, client: httpx.Client) -> None:
    phone = log_in(client).json()
    assert status_with(client, phone["access_token"]) == 200
    newest = cast.owner.client.get("/v1/me/sessions").json()["items"][0]["id"]
    assert cast.owner.client.delete(f"/v1/me/sessions/{newest}").status_code == 204
    assert status_with(client, phone["access_token"]) == 401
    refreshed = client.post("/v1/auth/refresh", json={"refresh_token": phone["refresh_token"]})
    assert refreshed.status_code == 401
    assert cast.owner.client.delete(f"/v1/me/sessions/{newest}").status_code == 404
    assert cast.owner.client.get("/v1/me").status_code == 200


def test_somebody_elses_session_does_not_exist_for_the_stranger(cast: Cast) -> None:
    answer = cast.stranger.client.delete(f"/v1/me/sessions/{session_of(cast.owner)}")
    nowhere = cast.stranger.client.delete(f"/v1/me/sessions/{uuid4()}")
    assert (answer.status_code, nowhere.status_code) == (404, 404)
    assert answer.json() == nowhere.json()
    assert cast.stranger.client.delete("/v1/me/sessions/no-id").status_code == 404
    assert cast.owner.client.get("/v1/me").status_code == 200


def test_the_sessions_are_for_those_who_are_logged_in(client: httpx.Client) -> None:
    assert client.get("/v1/me/sessions").status_code == 401
    assert client.delete(f"/v1/me/sessions/{uuid4()}").status_code == 401
    assert client.post("/v1/auth/logout").status_code == 401


def test_with_too_many_sessions_the_one_used_longest_ago_makes_room(cast: Cast, database: Database) -> None:
    with database.transaction() as session:
        for _ in range(MAX_SESSIONS):
            open_session(session, user_id=cast.owner.id, user_agent=None, ip_address=None)
    with database.reading() as session:
        left = session.scalars(select(LoginSession.id).where(LoginSession.user_id == cast.owner.id)).all()
    assert len(left) == MAX_SESSIONS
    assert session_of(cast.owner) not in left
    assert cast.member.client.get("/v1/me").status_code == 200


def test_a_login_clears_the_users_dead_sessions_and_their_refresh_tokens_away(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    cast.owner.client.post("/v1/auth/logout")
    log_in(client)
    assert count(database, LoginSession) == count(database, RefreshToken) == 3
