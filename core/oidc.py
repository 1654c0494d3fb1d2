"""OpenID Connect Core 1.0 as a client: the authorization code flow with PKCE, state and nonce.

What a provider says is believed only of its ID token: signed by one of its published keys, with an algorithm
for which the public key is no secret, by the issuer, for us, for this very login, and not expired.
"""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from core import clock
from core.errors import Overloaded, Unauthenticated
from core.oidc_settings import Provider

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""No `none`, and none with a shared secret: the public key would be mistaken for it."""

TIMEOUT_S = 10.0
"""Somebody waits for the answer, and gives up soon after."""

METADATA_LIFETIME_S = 3_600.0
"""Providers change their keys every few days, and publish new ones before they sign with them."""

REFRESH_PAUSE_S = 60.0
"""Between two looks for a key that is not known yet, however many tokens name one."""

LEEWAY_S = 60
"""By which the provider's clock may differ."""

MAX_SUBJECT_CHARACTERS = 255
"""OpenID Connect Core 1.0, section 2."""


class ProviderUnavailable(Overloaded):
    """It does not answer, or not as a provider does."""


class IdentityRefused(Unauthenticated):
    """What came back proves nothing."""


@dataclass(frozen=True, slots=True)
class Pending:
    """What is kept of a login until the provider sends its user back."""

    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProvenIdentity:
    """Who the provider says it is, and what it says of them."""

    provider: str
    subject: str
    email: str | None
    is_email_verified: bool
    display_name: str | None
    username: str | None


@dataclass(frozen=True, slots=True)
class _Metadata:
    authorization_endpoint: str
    token_endpoint: str
    keys: KeySet
    read_at: float


def new_pending() -> Pending:
    return Pending(nonce=secrets.token_urlsafe(32), code_verifier=secrets.token_urlsafe(48))


class OidcClient:
    """Talks to one provider, by blocking calls from any thread; remembers its addresses and keys."""

    def __init__(self, provider: Provider, *, redirect_uri: str) -> None:
        self.provider = provider
        self._redirect_uri = redirect_uri
        self._metadata: _Metadata | None = None
        self._lock = threading.Lock()

    def authorization_url(self, pending: Pending, *, state: str) -> str:
        """Where to send the user.

        Raises:
            ProviderUnavailable
        """
        endpoint = self._read_metadata().authorization_endpoint
        with self._session() as session:
            url, _ = session.create_authorization_url(
                endpoint, state=state, nonce=pending.nonce, code_verifier=pending.code_verifier
            )
        return str(url)

    def identify(self, pending: Pending, *, code: str) -> ProvenIdentity:
        """Who has come back with the code.

        Raises:
            ProviderUnavailable, IdentityRefused.
        """
        token = self._fetch_token(pending, code)
        id_token = token.get("id_token")
        if not isinstance(id_token, str):
            raise IdentityRefused("the provider gave no ID token")
        try:
            claims = self._read_claims(id_token, pending.nonce, token.get("access_token"))
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise IdentityRefused(f"the ID token is not valid: {type(error).__name__}") from error
        return _identity(self.provider.name, claims)

    def _fetch_token(self, pending: Pending, code: str) -> Mapping[str, Any]:
        endpoint = self._read_metadata().token_endpoint
        try:
            with self._session() as session:
                token: Mapping[str, Any] = session.fetch_token(
                    endpoint, grant_type="authorization_code", code=code, code_verifier=pending.code_verifier
                )
        except AuthlibBaseError as error:
            raise IdentityRefused(f"the provider refused the code: {error.error}") from error
        except (requests.RequestException, ValueError) as error:
            raise ProviderUnavailable(f"{self.provider.name} does not answer") from error
        return token

    def _read_claims(self, id_token: str, nonce: str, access_token: Any) -> CodeIDToken:
        decoded = self._decode(id_token)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            {
                "iss": {"essential": True, "value": self.provider.issuer},
                "aud": {"essential": True, "value": self.provider.client_id},
            },
            {"nonce": nonce, "client_id": self.provider.client_id, "access_token": access_token},
        )
        claims.validate(now=int(clock.now().timestamp()), leeway=LEEWAY_S)
        return claims

    def _decode(self, id_token: str) -> jwt.Token:
        """With the keys as they are known, or else as they are by now."""
        metadata = self._read_metadata()
        try:
            return jwt.decode(id_token, metadata.keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            newer = self._read_metadata(newer_than=metadata)
            if newer is metadata:
                raise
            return jwt.decode(id_token, newer.keys, algorithms=ALGORITHMS)

    def _session(self) -> OAuth2Session:
        return OAuth2Session(
            self.provider.client_id,
            self.provider.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self.provider.client_secret else "none",
            scope=self.provider.scope,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )

    def _read_metadata(self, *, newer_than: _Metadata | None = None) -> _Metadata:
        with self._lock:
            known = self._metadata
            is_too_old = newer_than is not None and known is newer_than
            lifetime_s = REFRESH_PAUSE_S if is_too_old else METADATA_LIFETIME_S
            if known is None or time.monotonic() - known.read_at > lifetime_s:
                self._metadata = known = self._fetch_metadata()
            return known

    def _fetch_metadata(self) -> _Metadata:
        """By OpenID Connect Discovery 1.0, section 4."""
        url = f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
        try:
            told = _get_json(url)
            if told["issuer"] != self.provider.issuer:
                raise ProviderUnavailable(f"{self.provider.name} says that it is another issuer")
            keys = KeySet.import_key_set(_get_json(told["jwks_uri"]))  # type: ignore[arg-type]
            return _Metadata(
                str(told["authorization_endpoint"]), str(told["token_endpoint"]), keys, time.monotonic()
            )
        except (requests.RequestException, JoseError, KeyError, TypeError, ValueError) as error:
            raise ProviderUnavailable(f"{self.provider.name} does not answer as a provider") from error


def _get_json(url: str) -> dict[str, Any]:
    answer = requests.get(url, timeout=TIMEOUT_S, allow_redirects=False)
    answer.raise_for_status()
    told: dict[str, Any] = answer.json()
    return told


def _identity(provider: str, claims: Mapping[str, Any]) -> ProvenIdentity:
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARACTERS:
        raise IdentityRefused("the ID token names nobody")
    return ProvenIdentity(
        provider,
        subject,
        _text(claims, "email"),
        # Some providers write it as a text; anything but an explicit yes is none.
        claims.get("email_verified") in (True, "true"),
        _text(claims, "name"),
        _text(claims, "preferred_username"),
    )


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    return value if isinstance(value, str) else None
