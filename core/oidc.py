"""OpenID Connect Core 1.0 as a client: the authorization code flow with PKCE, state and nonce.

What a provider says is believed only of its ID token: signed by one of its published keys, with an algorithm
for which the public key is no secret, by the issuer, for us, for this very login, and not expired.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError

from core import clock
from core.errors import Unauthenticated
from core.oidc_metadata import TIMEOUT_S, MetadataReader, ProviderUnavailable
from core.oidc_settings import Provider

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""No `none`, and none with a shared secret: the public key would be mistaken for it."""

LEEWAY_S = 60
"""By which the provider's clock may differ."""

MAX_SUBJECT_CHARACTERS = 255
"""OpenID Connect Core 1.0, section 2."""


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


def new_pending() -> Pending:
    return Pending(nonce=secrets.token_urlsafe(32), code_verifier=secrets.token_urlsafe(48))


class OidcClient:
    """Talks to one provider, by blocking calls from any thread; remembers its addresses and keys."""

    def __init__(self, provider: Provider, *, redirect_uri: str) -> None:
        self.provider = provider
        self._redirect_uri = redirect_uri
        self._metadata = MetadataReader(provider)

    def authorization_url(self, pending: Pending, *, state: str) -> str:
        """Where to send the user.

        Raises:
            ProviderUnavailable
        """
        endpoint = self._metadata.read().authorization_endpoint
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
        endpoint = self._metadata.read().token_endpoint
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
        metadata = self._metadata.read()
        try:
            return jwt.decode(id_token, metadata.keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            newer = self._metadata.read(newer_than=metadata)
            if newer is metadata:
                raise
            return jwt.decode(id_token, newer.keys, algorithms=ALGORITHMS)

    def _session(self) -> OAuth2Session:
        session = OAuth2Session(
            self.provider.client_id,
            self.provider.client_secret or None,
            token_endpoint_auth_method="client_secret_basic" if self.provider.client_secret else "none",
            scope=self.provider.scope,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            default_timeout=TIMEOUT_S,
        )
        # To wherever it led, the code and our secret would be sent again.
        session.max_redirects = 0
        return session


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
