"""Whoever is refused by the authentication is limited as one place; who is let in does not notice."""

from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from core.config import Settings
from core.database import Database
from core.security import Tokens
from core.services.api_keys import PREFIX
from tests.api.throttling import HOME, OFFICE, client_from, limited_api
from tests.cast import register
from tests.running_api import RunningApi

LIMIT = 600


@pytest.fixture
def api(settings: Settings, database: Database) -> Iterator[RunningApi]:
    with limited_api(settings, master_key="m" * 40) as api:
        yield api


def statuses(client: httpx.Client, path: str, token: str, times: int = LIMIT + 50) -> Counter[int]:
    headers = {"Authorization": f"Bearer {token}"}
    return Counter(client.get(path, headers=headers).status_code for _ in range(times))


@pytest.mark.parametrize(
    ("path", "token"),
    [
        ("/v1/me", PREFIX + "A" * 86),
        ("/v1/me", "no token"),
        ("/v1/admin/users", "n" * 40),
        ("/v1/me", "m" * 40),
    ],
)
def test_wrong_credentials_are_refused_only_so_often(api: RunningApi, path: str, token: str) -> None:
    with client_from(api, OFFICE) as stranger, client_from(api, HOME) as other:
        found = statuses(stranger, path, token)
        assert found == {401: LIMIT, 429: 50}
        refused = stranger.get(path, headers={"Authorization": f"Bearer {token}"})
        assert int(refused.headers["Retry-After"]) > 0
        assert statuses(other, path, token, 1) == {401: 1}


def test_a_key_without_the_scope_is_refused_only_so_often_and_good_for_what_it_may(api: RunningApi) -> None:
    with client_from(api, HOME) as client, register(client, "ada") as ada:
        made = ada.client.post("/v1/me/api-keys", json={"name": "x", "scopes": ["expenses:read"]})
        key = made.json()["key"]
        assert statuses(client, "/v1/expenses", key, 1) == {200: 1}
        assert statuses(client, "/v1/budgets", key) == {403: LIMIT - 2, 429: 52}, "registered and logged in"
        assert statuses(client, "/v1/expenses", key, 20) == {200: 20}
        assert ada.client.get("/v1/me").status_code == 200


def test_nothing_is_looked_up_for_a_place_that_has_spent_its_allowance(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[str] = []
    with client_from(api, OFFICE) as stranger:
        statuses(stranger, "/v1/me", "no token")
        read = Tokens.read
        monkeypatch.setattr(
            Tokens, "read", lambda tokens, token, kind: looked_up.append(token) or read(tokens, token, kind)
        )
        assert statuses(stranger, "/v1/me", "another", 20) == {429: 20}
    assert looked_up == []
