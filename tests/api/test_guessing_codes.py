"""Codes can be guessed only slowly, by whatever first factor a login has begun."""

from collections import Counter
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.models import User
from tests.api.test_second_factors import answer_with, enable
from tests.api.throttling import HOME, client_from, limited_api
from tests.cast import register
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.running_api import RunningApi


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with OidcProvider(claims={"email": "ada@example.com"}) as provider:
        yield provider


@pytest.fixture
def api(settings: Settings, database: Database, provider: OidcProvider) -> Iterator[RunningApi]:
    one = {
        "name": "example",
        "issuer": provider.issuer,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    with limited_api(settings, oidc_providers=msgspec.json.encode([one]).decode()) as api:
        yield api


def first_factor(client: httpx.Client, provider: OidcProvider) -> str:
    sent_to = client.get("/v1/auth/oidc/example").headers["Location"]
    asked = client.get("/v1/auth/oidc/example/callback", params=provider.log_in(sent_to)).json()
    assert asked["error"] == "second_factor_required"
    return str(asked["challenge"])


def test_codes_after_a_login_by_a_provider_are_counted_by_account(
    api: RunningApi, provider: OidcProvider, database: Database
) -> None:
    with client_from(api, HOME) as home, register(home, "ada") as ada:
        with database.transaction() as session:
            session.execute(update(User).values(email_verified_at=clock.now()))
        _, codes = enable(ada)
        assert answer_with(home, first_factor(home, provider), codes[0]).status_code == 200
        found: Counter[int] = Counter()
        for number in range(8):
            with client_from(api, f"203.0.113.{number}") as stranger:
                challenge = first_factor(stranger, provider)
                found.update(answer_with(stranger, challenge, "000000").status_code for _ in range(4))
        assert 20 <= found[401] <= 25, found
        assert found[429] == 32 - found[401]
        # From where it has logged in before only its own errors count.
        assert answer_with(home, first_factor(home, provider), codes[1]).status_code == 200


def test_codes_from_one_place_are_counted_over_all_logins(
    api: RunningApi, provider: OidcProvider, database: Database
) -> None:
    with client_from(api, HOME) as home, register(home, "ada") as ada:
        with database.transaction() as session:
            session.execute(update(User).values(email_verified_at=clock.now()))
        enable(ada)
        answers = [answer_with(home, first_factor(home, provider), "000000") for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]


def test_logins_by_a_provider_are_begun_only_so_often(api: RunningApi) -> None:
    with client_from(api, HOME) as home:
        found = Counter(home.get("/v1/auth/oidc/example").status_code for _ in range(61))
        assert found == {302: 60, 429: 1}
        callback = "/v1/auth/oidc/example/callback?state=x"
        found = Counter(home.get(callback).status_code for _ in range(61))
        assert found == {401: 60, 429: 1}
