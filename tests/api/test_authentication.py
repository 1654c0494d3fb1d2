"""Who is let in: the bearer of a genuine access token whose session lives."""

import time
from datetime import timedelta

import httpx
import jwt
import pytest
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.models import LoginSession
from core.security import ACCESS, TICKET, Tokens, derive_key
from tests.api.accounts import deactivate, session_of, status_with
from tests.cast import Cast


def test_a_session_that_another_process_ended_is_dead_within_a_second(cast: Cast, database: Database) -> None:
    assert cast.owner.client.get("/v1/me").status_code == 200
    with database.transaction() as session:
        session.execute(
            update(LoginSession)
            .where(LoginSession.id == session_of(cast.owner))
            .values(revoked_at=clock.now())
        )
    time.sleep(1)
    assert cast.owner.client.get("/v1/me").status_code == 401


def test_an_expired_session_and_an_inactive_user_are_dead_within_a_second(
    cast: Cast, database: Database
) -> None:
    deactivate(database, cast.member.id)
    with database.transaction() as session:
        session.execute(
            update(LoginSession).where(LoginSession.user_id == cast.owner.id).values(expires_at=clock.now())
        )
    time.sleep(1)
    assert cast.owner.client.get("/v1/me").status_code == 401
    assert cast.member.client.get("/v1/me").status_code == 401


def test_forged_tokens_are_refused(cast: Cast, client: httpx.Client, settings: Settings) -> None:
    genuine = cast.owner.tokens["access_token"]
    claims = jwt.decode(genuine, options={"verify_signature": False})
    key = derive_key(settings.secret, "tokens")
    expired = Tokens(settings.secret).access_token(
        user_id=cast.owner.id, session_id=session_of(cast.owner), now=clock.now() - timedelta(minutes=10)
    )
    of_another = jwt.encode(
        {**claims, "sub": str(cast.stranger.id)}, key, algorithm="HS256", headers={"typ": ACCESS}
    )
    forged = {
        "without a signature": jwt.encode(claims, None, algorithm="none", headers={"typ": ACCESS}),
        "by another key": jwt.encode(claims, b"k" * 32, algorithm="HS256", headers={"typ": ACCESS}),
        "of another type": jwt.encode(claims, key, algorithm="HS256", headers={"typ": TICKET}),
        "of somebody else's session": of_another,
        "expired": expired,
        "cut short": genuine[:-1],
        "no token": "token",
    }
    assert status_with(client, genuine) == 200
    assert {name: status_with(client, token) for name, token in forged.items()} == dict.fromkeys(forged, 401)


@pytest.mark.parametrize("header", ["", "Bearer", "Basic b3duZXI6cGFzc3dvcmQ=", "Token abc", "Bearer \u00e9"])
def test_other_credentials_are_refused(client: httpx.Client, header: str) -> None:
    answer = client.get("/v1/me", headers={b"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
