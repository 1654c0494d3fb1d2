"""Logging in by an OpenID provider, and all that must not get anybody in."""

import re
import warnings
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from sqlalchemy import select, update

from core import clock
from core.config import Settings, load_settings
from core.database import Database
from core.errors import ConfigurationError
from core.models import Challenge, Identity, User
from tests.api.accounts import count, deactivate, status_with
from tests.api.calls import problem, read
from tests.api.test_second_factors import answer_with, enable
from tests.cast import PASSWORD, Cast, Person, http_client, register
from tests.oidc_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    OidcProvider,
    signed_with_another_key,
    signed_with_the_public_key,
    unsigned,
)
from tests.running_api import RunningApi

ONE = '{"name": "a", "issuer": "https://a", "client_id": "x"}'

PUBLIC_URL = "https://outlay.example.org"


@pytest.fixture(scope="module")
def providers() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture
def provider(providers: OidcProvider) -> OidcProvider:
    """As it is when no test has spoiled it."""
    providers.claims, providers.sign, providers.metadata, providers.is_away = {}, None, {}, False
    return providers


@pytest.fixture(scope="module")
def _oidc_api(settings: Settings, providers: OidcProvider) -> Iterator[RunningApi]:
    given = {"issuer": providers.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    configured = [
        {"name": "example", **given},
        {"name": "closed", **given, "registers": False},
        {"name": "nowhere", "issuer": "http://127.0.0.1:1", "client_id": "x"},
    ]
    text = msgspec.json.encode(configured).decode()
    changes = {"oidc_providers": text, "public_url": PUBLIC_URL}
    with RunningApi(msgspec.structs.replace(settings, **changes)) as api:
        yield api


@pytest.fixture
def browser(_oidc_api: RunningApi, database: Database) -> Iterator[httpx.Client]:
    """Keeps cookies, and follows no redirect by itself."""
    with http_client(_oidc_api.url) as client:
        yield client


def begin(browser: httpx.Client, name: str = "example") -> str:
    """Where the browser is sent. Its cookie is for https only, so it is put back by hand."""
    answer = browser.get(f"/v1/auth/oidc/{name}")
    assert answer.status_code == 302, answer.text
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("__Secure-outlay_oidc=")
    for part in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/v1/auth/oidc", "Max-Age=300"):
        assert part in cookie
    browser.headers["Cookie"] = cookie.partition(";")[0]
    return str(answer.headers["Location"])


def come_back(browser: httpx.Client, query: dict[str, str], name: str = "example") -> httpx.Response:
    return browser.get(f"/v1/auth/oidc/{name}/callback", params=query)


def log_in(browser: httpx.Client, provider: OidcProvider, name: str = "example") -> httpx.Response:
    return come_back(browser, provider.log_in(begin(browser, name)), name)


def verify_address(database: Database, person: Person) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == person.id).values(email_verified_at=clock.now()))


def identities(database: Database) -> dict[Any, str]:
    with database.reading() as session:
        return {row.user_id: row.subject for row in session.scalars(select(Identity))}


def test_somebody_new_gets_an_account_with_a_verified_address(
    browser: httpx.Client, provider: OidcProvider, client: httpx.Client, database: Database
) -> None:
    provider.claims = {"name": "Grace Hopper", "preferred_username": "grace hopper!"}
    tokens = log_in(browser, provider)
    assert tokens.status_code == 200, tokens.text
    assert tokens.headers["Cache-Control"] == "no-store"
    mine = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    me = client.get("/v1/me", headers=mine).json()
    assert (me["username"], me["display_name"]) == ("gracehopper", "Grace Hopper")
    assert (me["email"], me["email_verified"]) == ("somebody@example.org", True)
    assert client.get("/v1/me/identities", headers=mine).json()["items"][0]["subject"] == "somebody"
    assert client.get("/v1/categories", headers=mine).json()["items"]
    provider.claims = {"email": "changed@example.org", "email_verified": False}
    assert log_in(browser, provider).status_code == 200, "from now on the subject counts, not the address"
    assert count(database, User) == 1


def test_a_real_provider_logs_somebody_in(settings: Settings, database: Database) -> None:
    """One that others have written, with its page and its form."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is deprecated
        from oidc_provider_mock import User as TheirUser
        from oidc_provider_mock import run_server_in_thread

        claims = {"email": "real@example.org", "email_verified": True}
        with run_server_in_thread(user_claims=[TheirUser(sub="real-one", claims=claims)]) as server:
            issuer = f"http://localhost:{server.server_port}"
            text = msgspec.json.encode(
                [{"name": "real", "issuer": issuer, "client_id": "a", "client_secret": "b"}]
            )
            changes = {"oidc_providers": text.decode(), "public_url": "http://127.0.0.1:8000"}
            with (
                RunningApi(msgspec.structs.replace(settings, **changes)) as api,
                http_client(api.url) as browser,
            ):
                location = browser.get("/v1/auth/oidc/real").headers["Location"]
                assert location.startswith(f"{issuer}/oauth2/authorize?")
                page = httpx.get(location)
                assert "<form" in page.text
                sent_back = httpx.post(location, data={"sub": "real-one"}, follow_redirects=False)
                callback = httpx.URL(sent_back.headers["Location"])
                assert str(callback).startswith("http://127.0.0.1:8000/v1/auth/oidc/real/callback?")
                tokens = browser.get(callback.raw_path.decode())
                assert tokens.status_code == 200, tokens.text
                assert status_with(browser, tokens.json()["access_token"]) == 200
    assert list(identities(database).values()) == ["real-one"]


def test_it_is_linked_to_an_account_with_the_same_verified_address(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, database: Database
) -> None:
    provider.claims = {"email": "Owner@Example.com"}
    refused = problem(log_in(browser, provider), 403)
    assert "has not verified it" in refused["detail"], (
        "or who registers an address first gets its owner's login"
    )
    assert identities(database) == {}
    verify_address(database, cast.owner)
    assert log_in(browser, provider).status_code == 200
    assert identities(database) == {cast.owner.id: "somebody"}
    told = read(cast.owner.client, "/v1/notifications")["items"]
    assert {"change": "identity", "name": "example"} in [one["data"] for one in told]


@pytest.mark.parametrize("verified", [False, None, "false", "yes", 1.5, "True"])
def test_an_address_that_the_provider_has_not_verified_links_nothing(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, database: Database, verified: Any
) -> None:
    verify_address(database, cast.owner)
    provider.claims = {"email": "owner@example.com", "email_verified": verified}
    assert problem(log_in(browser, provider), 403)
    provider.claims = {"email": None}
    assert problem(log_in(browser, provider), 403)
    assert identities(database) == {}
    assert count(database, User) == 3


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"}, {"nonce": None}, {"aud": "somebody else"}, {"aud": ["outlay", "other"]},
        {"aud": None}, {"iss": "https://evil.example"}, {"iss": None}, {"exp": 1}, {"exp": None},
        {"iat": 99_999_999_999}, {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "s" * 256},
        {"azp": "somebody else"}, {"at_hash": "AAAA"},
    ],
)  # fmt: skip
def test_an_id_token_that_is_not_for_this_login_is_refused(
    browser: httpx.Client, provider: OidcProvider, database: Database, claims: dict[str, Any]
) -> None:
    provider.claims = claims
    assert problem(log_in(browser, provider), 401)
    assert count(database, User) == 0


@pytest.mark.parametrize("sign", [unsigned, signed_with_the_public_key, signed_with_another_key])
def test_an_id_token_that_the_provider_has_not_signed_is_refused(
    browser: httpx.Client, provider: OidcProvider, database: Database, sign: Any
) -> None:
    provider.sign = sign
    assert problem(log_in(browser, provider), 401)
    provider.sign = lambda _provider, _claims: "no token"
    assert problem(log_in(browser, provider), 401)
    assert count(database, User) == 0


def test_only_the_browser_that_has_begun_goes_on(
    browser: httpx.Client, provider: OidcProvider, database: Database
) -> None:
    back = provider.log_in(begin(browser))
    begun = browser.headers.pop("Cookie")
    assert problem(come_back(browser, back), 401), "a link that an attacker has sent logs nobody in"
    browser.headers["Cookie"] = begun
    assert problem(come_back(browser, back), 401), "and the state is used up"
    other = provider.log_in(begin(browser))
    assert problem(come_back(browser, other, "closed"), 401), "nor does it change the provider"
    assert problem(come_back(browser, {**other, "state": "unknown"}), 401)
    assert count(database, User) == 0


def test_one_cookie_counts_and_it_is_thrown_away_afterwards(
    browser: httpx.Client, provider: OidcProvider, database: Database
) -> None:
    back = provider.log_in(begin(browser))
    browser.headers["Cookie"] += "; __Secure-outlay_oidc=planted"
    assert problem(come_back(browser, back), 401)
    back = provider.log_in(begin(browser))
    browser.headers["Cookie"] = browser.headers["Cookie"].removeprefix("__Secure-")
    assert problem(come_back(browser, back), 401), "without the prefix anybody on the way can have set it"
    answer = log_in(browser, provider)
    assert answer.status_code == 200
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith('__Secure-outlay_oidc="";')
    assert "Secure;" in cookie + ";"
    assert "expires=Thu, 01 Jan 1970" in cookie


def test_a_code_is_worth_nothing_without_its_verifier_and_counts_once(
    browser: httpx.Client, provider: OidcProvider, database: Database
) -> None:
    stolen = provider.log_in(begin(browser))
    own = provider.log_in(begin(browser))
    assert problem(come_back(browser, {"code": stolen["code"], "state": own["state"]}), 401)
    again = provider.log_in(begin(browser))
    assert come_back(browser, again).status_code == 200
    assert problem(come_back(browser, again), 401)
    assert all(len(form["code_verifier"]) >= 43 for form in provider.exchanged)


def test_what_the_browser_is_sent_to_has_all_that_guards_the_login(
    browser: httpx.Client, provider: OidcProvider, database: Database
) -> None:
    query = httpx.URL(begin(browser)).params
    assert query["response_type"] == "code"
    assert query["redirect_uri"] == f"{PUBLIC_URL}/v1/auth/oidc/example/callback"
    assert query["code_challenge_method"] == "S256"
    assert all(len(query[name]) >= 43 for name in ("state", "nonce", "code_challenge"))
    with database.reading() as session:
        stored = session.scalars(select(Challenge)).one()
    assert query["state"].encode() not in stored.token_hash


def test_the_provider_that_says_no_or_nothing_is_told_from_one_that_is_away(
    browser: httpx.Client, provider: OidcProvider
) -> None:
    state = provider.log_in(begin(browser))["state"]
    assert (
        "access_denied"
        in problem(come_back(browser, {"state": state, "error": "access_denied"}), 401)["detail"]
    )
    assert problem(browser.get("/v1/auth/oidc/nowhere"), 503)
    assert problem(browser.get("/v1/auth/oidc/unknown"), 404)
    assert problem(browser.get("/v1/auth/oidc/unknown/callback", params={"state": "x"}), 404)
    assert problem(browser.get("/v1/auth/oidc/example/callback"), 401)


def test_a_new_key_of_the_provider_is_learnt(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import oidc, oidc_metadata

    monkeypatch.setattr(oidc_metadata, "REFRESH_PAUSE_S", -1.0)
    with OidcProvider() as provider:
        given = {"issuer": provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        text = msgspec.json.encode([{"name": "example", **given}])
        changes = {"oidc_providers": text.decode(), "public_url": PUBLIC_URL}
        with RunningApi(msgspec.structs.replace(settings, **changes)) as api, http_client(api.url) as browser:
            assert log_in(browser, provider).status_code == 200
            provider.key = type(provider.key).generate_key(2048, {"kid": "two"})
            provider.sign = lambda one, claims: oidc.jwt.encode(
                {"alg": "RS256", "kid": "two"}, claims, one.key
            )
            assert log_in(browser, provider).status_code == 200


def test_a_provider_may_be_for_those_only_who_have_an_account(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, database: Database
) -> None:
    assert problem(log_in(browser, provider, "closed"), 403)
    verify_address(database, cast.owner)
    provider.claims = {"email": "owner@example.com"}
    assert log_in(browser, provider, "closed").status_code == 200
    assert count(database, User) == 3


def test_the_second_factor_is_asked_for_and_who_is_deactivated_stays_out(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, database: Database
) -> None:
    for person in (cast.owner, cast.member):
        verify_address(database, person)
    totp, _ = enable(cast.owner)
    provider.claims = {"email": "owner@example.com"}
    asked = problem(log_in(browser, provider), 401)
    assert asked["error"] == "second_factor_required"
    assert answer_with(browser, asked["challenge"], totp.at(clock.now())).status_code == 200
    provider.claims = {"email": "member@example.com", "sub": "member"}
    deactivate(database, cast.member.id)
    assert problem(log_in(browser, provider), 401)


def test_nothing_is_linked_before_the_second_factor_nor_in_the_place_of_what_is(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, database: Database
) -> None:
    verify_address(database, cast.owner)
    totp, _ = enable(cast.owner)
    provider.claims = {"email": "owner@example.com"}
    asked = problem(log_in(browser, provider), 401)
    assert identities(database) == {}
    assert answer_with(browser, asked["challenge"], "000000").status_code == 401
    assert identities(database) == {}
    assert answer_with(browser, asked["challenge"], totp.at(clock.now())).status_code == 200
    assert identities(database) == {cast.owner.id: "somebody"}
    verify_address(database, cast.member)
    provider.claims = {"email": "member@example.com", "sub": "mine"}
    assert log_in(browser, provider).status_code == 200
    provider.claims["sub"] = "evil"
    assert "unlink" in problem(log_in(browser, provider), 403)["detail"]
    assert identities(database)[cast.member.id] == "mine"


def test_an_address_that_only_looks_the_same_links_nothing(
    browser: httpx.Client, provider: OidcProvider, client: httpx.Client, database: Database
) -> None:
    with register(client, "strasse", email="chef@strasse.example") as person:
        verify_address(database, person)
    for address in ("chef@stra\u00dfe.example", "che\ufb00@strasse.example"[:3] + "f@\u017ftrasse.example"):
        provider.claims = {"email": address}
        assert problem(log_in(browser, provider), 403)
    assert identities(database) == {}


def test_a_name_that_somebody_has_gets_an_ending(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, database: Database
) -> None:
    provider.claims = {"preferred_username": "Owner"}
    assert log_in(browser, provider).status_code == 200
    with database.reading() as session:
        [name] = set(session.scalars(select(User.username))) - {"owner", "member", "stranger"}
    assert re.fullmatch(r"Owner-[0-9a-f]{8}", name)


def test_an_identity_goes_unless_it_is_the_last_way_to_log_in(
    browser: httpx.Client, provider: OidcProvider, cast: Cast, client: httpx.Client, database: Database
) -> None:
    token = log_in(browser, provider).json()["access_token"]
    path, mine = "/v1/me/identities/example", {"Authorization": f"Bearer {token}"}
    assert problem(cast.stranger.client.delete(path), 404)
    assert "password" in problem(client.delete(path, headers=mine), 409)["detail"]
    verify_address(database, cast.owner)
    provider.claims = {"email": "owner@example.com", "sub": "another"}
    assert log_in(browser, provider).status_code == 200
    assert cast.owner.client.delete(path).status_code == 204
    assert problem(cast.owner.client.delete(path), 404)
    login = client.post("/v1/auth/login", json={"login": "owner", "password": PASSWORD})
    assert login.status_code == 200


def test_who_can_be_logged_in_by_is_listed(browser: httpx.Client) -> None:
    items = read(browser, "/v1/auth/oidc")["items"]
    assert [one["name"] for one in items] == ["example", "closed", "nowhere"]
    assert items[0]["url"] == "/v1/auth/oidc/example"


@pytest.mark.parametrize(
    "text",
    [
        "[", "{}", '[{"name": "a"}]', '[{"name": "A B", "issuer": "https://a", "client_id": "x"}]',
        '[{"name": "a", "issuer": "http://a.example", "client_id": "x"}]',
        '[{"name": "a", "issuer": "http://localhost:80@a.example", "client_id": "x"}]',
        '[{"name": "a", "issuer": "https://a", "client_id": "x", "secret": "y"}]',
        f'[{", ".join(2 * [ONE])}]',
    ],
)  # fmt: skip
def test_providers_that_cannot_be_worked_with_are_refused_at_the_start(text: str) -> None:
    with pytest.raises(ConfigurationError, match="OUTLAY_OIDC_PROVIDERS"):
        load_settings({"OUTLAY_OIDC_PROVIDERS": text})
