"""Refresh tokens: each is good once, and a copied one ends the session. And the OAuth 2 form."""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.models import LoginSession, RefreshToken, User
from tests.api.accounts import count, pointers, status_with
from tests.cast import PASSWORD, Cast


def refresh(client: httpx.Client, refresh_token: str) -> httpx.Response:
    return client.post("/v1/auth/refresh", json={"refresh_token": refresh_token})


def token(client: httpx.Client, **form: str) -> httpx.Response:
    return client.post("/v1/auth/token", data=form)


def test_a_refresh_gives_new_tokens_of_the_same_session(cast: Cast, client: httpx.Client) -> None:
    before = cast.owner.client.get("/v1/me/sessions").json()["items"]
    answer = refresh(client, cast.owner.tokens["refresh_token"])
    assert answer.status_code == 200
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert tokens["refresh_token"] != cast.owner.tokens["refresh_token"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert status_with(client, tokens["access_token"]) == 200
    after = cast.owner.client.get("/v1/me/sessions").json()["items"]
    assert [item["id"] for item in after] == [item["id"] for item in before]
    assert after[0]["last_used_at"] > before[0]["last_used_at"]
    assert after[0]["expires_at"] > before[0]["expires_at"]


def test_a_long_chain_of_refreshes_keeps_the_session_alive(cast: Cast, client: httpx.Client) -> None:
    tokens = cast.owner.tokens
    for _ in range(5):
        tokens = refresh(client, tokens["refresh_token"]).json()
    assert status_with(client, tokens["access_token"]) == 200


def test_using_a_spent_token_again_ends_the_whole_session_at_once(cast: Cast, client: httpx.Client) -> None:
    newest = refresh(client, cast.owner.tokens["refresh_token"]).json()
    assert status_with(client, newest["access_token"]) == 200
    assert refresh(client, cast.owner.tokens["refresh_token"]).status_code == 401
    assert status_with(client, newest["access_token"]) == 401
    assert status_with(client, cast.owner.tokens["access_token"]) == 401
    assert refresh(client, newest["refresh_token"]).status_code == 401


def test_only_the_session_of_the_copied_token_ends(cast: Cast, client: httpx.Client) -> None:
    other = token(client, grant_type="password", username="owner", password=PASSWORD).json()
    refresh(client, cast.owner.tokens["refresh_token"])
    refresh(client, cast.owner.tokens["refresh_token"])
    assert status_with(client, other["access_token"]) == 200
    assert refresh(client, other["refresh_token"]).status_code == 200


def test_of_several_refreshes_at_once_exactly_one_wins(cast: Cast, client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: refresh(client, cast.owner.tokens["refresh_token"]), range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert status_with(client, winner.json()["access_token"]) == 401  # the others used a spent token


def test_only_the_digest_of_a_refresh_token_is_stored(cast: Cast, database: Database) -> None:
    raw = urlsafe_b64decode(cast.owner.tokens["refresh_token"] + "==")
    assert len(raw) == 64
    assert raw.startswith(cast.owner.id.bytes)
    with database.reading() as session:
        stored = session.scalars(
            select(RefreshToken.token_hash).where(RefreshToken.user_id == cast.owner.id)
        ).all()
    assert stored == [hashlib.sha256(raw).digest()]


def test_a_refresh_token_is_of_no_use_after_a_month(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    with database.transaction() as session:
        expires_at = session.scalars(select(RefreshToken.expires_at)).first()
        assert expires_at is not None
        assert timedelta(days=29) < expires_at - clock.now() <= timedelta(days=30)
        session.execute(update(RefreshToken).values(expires_at=clock.now()))
    assert refresh(client, cast.owner.tokens["refresh_token"]).status_code == 401


def test_neither_an_expired_session_nor_an_inactive_user_is_refreshed(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    with database.transaction() as session:
        session.execute(
            update(LoginSession).where(LoginSession.user_id == cast.owner.id).values(expires_at=clock.now())
        )
        session.execute(update(User).where(User.id == cast.member.id).values(is_active=False))
    assert refresh(client, cast.owner.tokens["refresh_token"]).status_code == 401
    assert refresh(client, cast.member.tokens["refresh_token"]).status_code == 401
    assert refresh(client, cast.stranger.tokens["refresh_token"]).status_code == 200


def test_expired_refresh_tokens_are_cleared_away_when_their_session_is_refreshed(
    cast: Cast, client: httpx.Client, database: Database
) -> None:
    tokens = refresh(client, cast.owner.tokens["refresh_token"]).json()
    with database.transaction() as session:
        is_spent = RefreshToken.spent_at.is_not(None)
        session.execute(update(RefreshToken).where(is_spent).values(expires_at=clock.now()))
    assert count(database, RefreshToken) == 4
    refresh(client, tokens["refresh_token"])
    assert count(database, RefreshToken) == 4


@pytest.mark.parametrize("text", ["", "x", "x" * 86, "-" * 86, "x" * 200, "é" * 86, "x" * 85 + "\n", "\0"])
def test_what_is_no_refresh_token_is_refused(client: httpx.Client, text: str) -> None:
    assert refresh(client, text).status_code == 401


def test_a_guess_at_somebodys_token_neither_works_nor_ends_their_session(
    cast: Cast, client: httpx.Client
) -> None:
    raw = urlsafe_b64decode(cast.owner.tokens["refresh_token"] + "==")
    guess = urlsafe_b64encode(raw[:32] + uuid4().bytes * 2).rstrip(b"=").decode()
    of_another = urlsafe_b64encode(cast.stranger.id.bytes + raw[16:]).rstrip(b"=").decode()
    assert refresh(client, guess).status_code == 401
    assert refresh(client, of_another).status_code == 401
    assert refresh(client, cast.owner.tokens["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/refresh_token"),
        ({"refresh_token": None}, "/refresh_token"),
        ({"refresh_token": "x" * 201}, "/refresh_token"),
        ({"refresh_token": "x", "scope": "all"}, "/scope"),
    ],
)
def test_a_malformed_refresh_is_told_what_is_wrong(
    client: httpx.Client, body: dict[str, object], pointer: str
) -> None:
    assert pointers(client.post("/v1/auth/refresh", json=body)) == [pointer]


def test_an_oauth_client_logs_in_and_refreshes_by_form(cast: Cast, client: httpx.Client) -> None:
    first = token(client, grant_type="password", username="owner", password=PASSWORD)
    assert first.status_code == 200
    assert first.headers["Cache-Control"] == "no-store"
    assert (first.json()["token_type"], first.json()["expires_in"]) == ("Bearer", 600)
    second = token(client, grant_type="refresh_token", refresh_token=first.json()["refresh_token"])
    assert second.status_code == 200
    assert status_with(client, second.json()["access_token"]) == 200


def test_what_an_oauth_client_sends_besides_is_ignored_as_the_standard_demands(
    cast: Cast, client: httpx.Client
) -> None:
    answer = token(
        client, grant_type="password", username="owner", password=PASSWORD, scope="", client_id="app"
    )
    assert answer.status_code == 200


def test_a_refused_grant_has_the_code_that_oauth_clients_look_for(cast: Cast, client: httpx.Client) -> None:
    for form in (
        {"grant_type": "password", "username": "owner", "password": "not my password"},
        {"grant_type": "password", "username": "nobody", "password": PASSWORD},
        {"grant_type": "refresh_token", "refresh_token": "x"},
    ):
        answer = token(client, **form)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "pointer"),
    [
        ({}, "/grant_type"),
        ({"grant_type": "client_credentials"}, "/grant_type"),
        ({"grant_type": "password", "password": PASSWORD}, "/username"),
        ({"grant_type": "password", "username": "owner"}, "/password"),
        ({"grant_type": "password", "username": "own\0er", "password": PASSWORD}, "/username"),
        ({"grant_type": "refresh_token"}, "/refresh_token"),
    ],
)
def test_a_malformed_form_is_told_what_is_wrong(
    client: httpx.Client, form: dict[str, str], pointer: str
) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert pointers(client.post("/v1/auth/token", data=form, headers=headers)) == [pointer]


def test_a_form_with_a_field_twice_or_in_another_encoding_is_refused(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    twice = client.post("/v1/auth/token", content=b"grant_type=password&grant_type=password", headers=headers)
    latin = client.post("/v1/auth/token", content=b"grant_type=\xe9", headers=headers)
    assert (twice.status_code, latin.status_code) == (422, 422)


def test_a_token_request_is_a_form_and_a_login_is_json(client: httpx.Client) -> None:
    assert client.post("/v1/auth/token", json={"grant_type": "password"}).status_code == 415
    assert client.post("/v1/auth/login", data={"login": "owner", "password": PASSWORD}).status_code == 415
