"""A provider that is away, slow or careless."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core import oidc_metadata
from core.oidc import OidcClient, ProviderUnavailable, new_pending
from core.oidc_settings import Provider
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider
from tests.processes import eventually


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with OidcProvider() as provider:
        yield provider


@pytest.fixture
def client(provider: OidcProvider) -> OidcClient:
    trusted = Provider(
        name="example", issuer=provider.issuer, client_id=CLIENT_ID, client_secret=CLIENT_SECRET
    )
    return OidcClient(trusted, redirect_uri="https://outlay.example/callback")


def begin(client: OidcClient) -> str:
    return client.authorization_url(new_pending(), state="state")


def test_one_that_is_away_is_asked_again_only_after_a_while(
    provider: OidcProvider, client: OidcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.is_away = True
    with pytest.raises(ProviderUnavailable):
        begin(client)
    provider.is_away = False
    with pytest.raises(ProviderUnavailable, match="a moment ago"):
        begin(client)
    monkeypatch.setattr(oidc_metadata, "FAILURE_PAUSE_S", 0.0)
    assert begin(client)


def test_keys_stay_good_while_it_is_away(
    provider: OidcProvider, client: OidcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert begin(client)
    monkeypatch.setattr(oidc_metadata, "METADATA_LIFETIME_S", -1.0)
    provider.is_away = True
    assert begin(client)
    assert begin(client)
    pending = new_pending()
    back = provider.log_in(client.authorization_url(pending, state="state"))
    assert client.identify(pending, code=back["code"]).subject == "somebody"


def test_while_one_looks_for_newer_keys_nobody_else_waits(
    provider: OidcProvider, client: OidcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert begin(client)
    monkeypatch.setattr(oidc_metadata, "METADATA_LIFETIME_S", -1.0)
    asked, let_go = threading.Event(), threading.Event()
    answer = provider.answer

    def hang(path: str) -> tuple[int, Any]:
        asked.set()
        let_go.wait(30)
        return answer(path)

    monkeypatch.setattr(provider, "answer", hang)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(begin, client)
        try:
            assert eventually(asked.is_set)
            began = time.monotonic()
            assert begin(client)
            assert time.monotonic() - began < 3
        finally:
            let_go.set()
        assert first.result()


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri"])
@pytest.mark.parametrize(
    "url", ["http://provider.example/x", "http://localhost:1@provider.example", "", "//x"]
)
def test_its_addresses_have_to_be_confidential(
    provider: OidcProvider, client: OidcClient, name: str, url: str
) -> None:
    provider.metadata = {name: url}
    with pytest.raises(ProviderUnavailable, match="without https"):
        begin(client)


def test_the_code_and_the_secret_follow_no_redirect(
    provider: OidcProvider, client: OidcClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with OidcProvider() as elsewhere:
        pending = new_pending()
        back = provider.log_in(client.authorization_url(pending, state="state"))
        provider.redirect_to = f"{elsewhere.issuer}/token"
        with pytest.raises(ProviderUnavailable):
            client.identify(pending, code=back["code"])
        assert elsewhere.exchanged == []
