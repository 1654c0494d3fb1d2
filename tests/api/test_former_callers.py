"""Who a caller was when a call began, or half a second ago, gives no rights that outlast it."""

import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from api import authentication
from core.config import Settings
from core.database import Database
from core.models import User
from core.services.sessions import revoke_sessions
from tests.api.calls import problem, read
from tests.api.slow_clients import PATIENCE_S, answer_of, connected, head
from tests.cast import PASSWORD, Cast, http_client, register_cast
from tests.running_api import RunningApi

KEY = {"name": "Script", "scopes": ["expenses:read"]}


@pytest.fixture
def cast(settings: Settings, database: Database) -> Iterator[Cast]:
    with RunningApi(settings) as api, http_client(api.url) as client, register_cast(client) as cast:
        yield cast


def end_sessions(database: Database, cast: Cast) -> None:
    """As another process does, of which that of the caller knows nothing."""
    with database.transaction() as session:
        revoke_sessions(session, user_id=cast.owner.id)


def set_admin(database: Database, cast: Cast, *, is_admin: bool) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == cast.owner.id).values(is_admin=is_admin))


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/v1/expenses", "application/json"),
        ("/v1/me/api-keys", "application/json"),
        ("/v1/imports", 'multipart/form-data; boundary="x"'),
    ],
)
def test_a_body_that_ends_after_its_session_did_has_no_effect(
    cast: Cast, database: Database, monkeypatch: pytest.MonkeyPatch, path: str, content_type: str
) -> None:
    monkeypatch.setattr(authentication, "RECHECK_AFTER_S", 0.0)
    is_known, check_role = threading.Event(), authentication._check_role

    def tell(*given: Any, **options: Any) -> None:
        check_role(*given, **options)
        is_known.set()

    monkeypatch.setattr(authentication, "_check_role", tell)
    body = b"--x--\r\n" if "multipart" in content_type else b'{"amount": "1.00"}'
    sent = head(
        "POST",
        path,
        cast.owner.client,
        Content_Type=content_type,
        Content_Length=len(body),
        Connection="close",
    )
    with connected(cast.owner.client) as raw:
        raw.sendall(sent + body[:1])
        assert is_known.wait(PATIENCE_S)
        end_sessions(database, cast)
        raw.sendall(body[1:])
        assert answer_of(raw).startswith("HTTP/1.1 401")


@pytest.fixture
def _long_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process knows of a session holds for the whole test."""
    monkeypatch.setattr(authentication, "RECHECK_AFTER_S", 600.0)


@pytest.mark.usefixtures("_long_memory")
def test_no_key_is_made_by_a_session_that_has_ended_elsewhere(cast: Cast, database: Database) -> None:
    assert cast.owner.client.post("/v1/me/api-keys", json=KEY).status_code == 201
    end_sessions(database, cast)
    assert read(cast.owner.client, "/v1/me"), "it is not known here yet"
    assert problem(cast.owner.client.post("/v1/me/api-keys", json=KEY), 401)


@pytest.mark.usefixtures("_long_memory")
def test_nobody_administers_who_was_demoted_or_logged_out_elsewhere(cast: Cast, database: Database) -> None:
    set_admin(database, cast, is_admin=True)
    with http_client(str(cast.owner.client.base_url), **tokens(cast)) as admin:
        assert admin.get("/v1/admin/users").status_code == 200
        set_admin(database, cast, is_admin=False)
        assert admin.get("/v1/admin/users").status_code == 200, "it is not known here yet"
        for answer in attempts(admin, cast):
            assert problem(answer, 403)
        set_admin(database, cast, is_admin=True)
        end_sessions(database, cast)
        for answer in attempts(admin, cast):
            assert problem(answer, 401)
    assert read(cast.member.client, "/v1/me")


def tokens(cast: Cast) -> dict[str, str]:
    """Of another login, as this process knows of the first that it is no administrator's."""
    login = {"login": "owner", "password": PASSWORD}
    answer = cast.owner.client.post("/v1/auth/login", json=login)
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def attempts(admin: httpx.Client, cast: Cast) -> list[httpx.Response]:
    account = f"/v1/admin/users/{cast.member.id}"
    return [
        admin.patch(account, json={"is_admin": True}),
        admin.delete(account),
        admin.post("/v1/admin/jobs/1/retry"),
    ]
