"""What a provider says of itself, by OpenID Connect Discovery 1.0: its addresses and its keys."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import requests
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core.errors import Overloaded
from core.logging import get_logger
from core.oidc_settings import Provider, is_confidential

TIMEOUT_S = 10.0
"""Somebody waits for the answer, and gives up soon after."""

METADATA_LIFETIME_S = 3_600.0
"""Providers change their keys every few days, and publish new ones before they sign with them."""

REFRESH_PAUSE_S = 60.0
"""Between two looks for a key that is not known yet, however many tokens name one."""

FAILURE_PAUSE_S = 10.0
"""After a provider has not answered: whoever comes meanwhile is told so at once."""

log = get_logger(__name__)


class ProviderUnavailable(Overloaded):
    """It does not answer, or not as a provider does."""


@dataclass(frozen=True, slots=True)
class Metadata:
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    read_at: float


class MetadataReader:
    """Remembers what one provider has said, and that it has not answered; for any thread."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._known: Metadata | None = None
        self._failed_at = float("-inf")
        self._lock = threading.Lock()

    def read(self, *, newer_than: Metadata | None = None) -> Metadata:
        """What it says; with `newer_than` as it is by now, if that was read a while ago.

        Raises:
            ProviderUnavailable: and it never has said anything.
        """
        known = self._known
        if known is not None and not _is_due(known, newer_than):
            return known
        # One looks; the others go on with what is known, or have to wait for the first answer.
        is_mine = self._lock.acquire(blocking=known is None)
        if known is not None and not is_mine:
            return known
        try:
            return self._renew(newer_than)
        finally:
            self._lock.release()

    def _renew(self, newer_than: Metadata | None) -> Metadata:
        known = self._known
        if known is not None and not _is_due(known, newer_than):
            return known
        try:
            if time.monotonic() - self._failed_at < FAILURE_PAUSE_S:
                raise ProviderUnavailable(f"{self._provider.name} did not answer a moment ago")
            self._known = known = self._fetch()
        except ProviderUnavailable as error:
            if known is None:
                raise
            # Its keys are not wrong because it is away; tokens that they have signed are as good as before.
            log.warning("oidc.metadata_kept", provider=self._provider.name, error=error)
        return known

    def _fetch(self) -> Metadata:
        url = f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        name = self._provider.name
        try:
            told = _get_json(url)
            if told["issuer"] != self._provider.issuer:
                raise ProviderUnavailable(f"{name} says that it is another issuer")
            endpoints = [str(told[key]) for key in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            if not all(map(is_confidential, endpoints)):
                raise ProviderUnavailable(f"{name} names an address without https")
            authorization_endpoint, token_endpoint, jwks_uri = endpoints
            keys = KeySet.import_key_set(_get_json(jwks_uri))  # type: ignore[arg-type]
            return Metadata(authorization_endpoint, token_endpoint, keys, time.monotonic())
        except ProviderUnavailable:
            self._failed_at = time.monotonic()
            raise
        except (requests.RequestException, JoseError, KeyError, TypeError, ValueError) as error:
            self._failed_at = time.monotonic()
            raise ProviderUnavailable(f"{name} does not answer as a provider") from error


def _is_due(known: Metadata, newer_than: Metadata | None) -> bool:
    lifetime_s = REFRESH_PAUSE_S if known is newer_than else METADATA_LIFETIME_S
    return time.monotonic() - known.read_at > lifetime_s


def _get_json(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=TIMEOUT_S, allow_redirects=False)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told
