"""Logging in by an OpenID provider."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime

import falcon
from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import no_content, ok
from api.audit import origin_of
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import InvalidGrant
from api.schemas.accounts import TokensOut
from api.schemas.identities import (
    CallbackQuery,
    IdentityOut,
    IdentityPage,
    ProviderOut,
    ProviderPage,
)
from api.throttles import OIDC_BEGINNING, OIDC_LOGIN
from api.token_issuing import HalfLogin, TokenIssuer
from core.config import Settings
from core.oidc import IdentityRefused, Pending, new_pending
from core.security import hash_token
from core.services.challenges import LIFETIME, OpenChallenge, issue_challenge, take_challenge
from core.services.identities import identities_of, unlink_identity, user_of_identity
from core.services.sessions import OpenSession

TAG = "Accounts"

COOKIE = "outlay_oidc"
"""Binds a login to the browser that has begun it: nobody can send somebody else to the end of theirs."""

SECURE_PREFIX = "__Secure-"
"""Browsers take it over https only (RFC 6265bis, section 4.1.3): nobody on the way can set one of theirs."""

COOKIE_PATH = "/v1/auth/oidc"
COOKIE_BYTES = 32

LONG_AGO = datetime.fromtimestamp(0, UTC)
"""A cookie that ended then is thrown away."""


class OidcProviderList:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._providers = collaborators.oidc_providers

    @endpoint(TAG, answers={200: ProviderPage}, is_public=True)
    async def on_get(self, _req: Request, resp: Response) -> None:
        """List the OpenID providers that one can log in by."""
        names = self._providers.names
        ok(ProviderPage([ProviderOut(name, f"{COOKIE_PATH}/{name}") for name in names])).send(resp)


class OidcLogin:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._providers = collaborators.oidc_providers
        self._is_secure = is_secure(collaborators.settings)

    @endpoint(TAG, answers={302: None}, is_public=True, throttle=OIDC_BEGINNING)
    async def on_get(self, _req: Request, resp: Response, provider: str) -> None:
        """Go to the provider and log in there; it sends one back to the callback."""
        asked = self._providers.named(provider)
        pending, binding = new_pending(), secrets.token_urlsafe(COOKIE_BYTES)
        data = {
            "provider": provider,
            "nonce": pending.nonce,
            "code_verifier": pending.code_verifier,
            "binding": hash_token(binding.encode()).hex(),
        }
        state = secrets.token_urlsafe(COOKIE_BYTES)
        url = await asked.run(lambda: asked.client.authorization_url(pending, state=state))
        await self._transactions.write_all(
            lambda session: issue_challenge(session, purpose="oidc", data=data, token=state)
        )
        resp.set_cookie(
            cookie_name(is_secure=self._is_secure),
            binding,
            max_age=int(LIFETIME.total_seconds()),
            path=COOKIE_PATH,
            secure=self._is_secure,
            http_only=True,
            same_site="Lax",
        )
        resp.set_header("Cache-Control", "no-store")
        resp.status = falcon.HTTP_302
        resp.location = url


class OidcCallback(TokenIssuer):
    def __init__(self, collaborators: Collaborators) -> None:
        super().__init__(collaborators)
        self._providers = collaborators.oidc_providers
        self._is_secure = is_secure(collaborators.settings)

    @endpoint(
        TAG,
        query=CallbackQuery,
        answers={200: TokensOut},
        problems=(401, 403),
        is_public=True,
        throttle=OIDC_LOGIN,
    )
    async def on_get(self, req: Request, resp: Response, provider: str) -> None:
        """Come back from the provider. 401 with a `challenge` when there is a second factor.

        403 unless the address is verified, both by the provider and here.
        """
        query: CallbackQuery = req.context.query
        asked = self._providers.named(provider)
        taken = await self._transactions.write_all(
            lambda session: take_challenge(session, purpose="oidc", token=query.state)
        )
        cookie = cookie_name(is_secure=self._is_secure)
        # `unset_cookie` would send it without Secure, which browsers ignore because of its name.
        resp.set_cookie(
            cookie, "", expires=LONG_AGO, path=COOKIE_PATH, secure=self._is_secure, same_site="Lax"
        )
        if taken is None or not _is_bound(taken, provider, req.get_cookie_values(cookie)):
            raise InvalidGrant("the login has to begin anew, in the browser that goes on with it")
        if query.code is None:
            raise InvalidGrant(f"the provider refused: {query.error or 'without a reason'}")
        code = query.code
        pending = Pending(taken.data["nonce"], taken.data["code_verifier"])
        try:
            proven = await asked.run(lambda: asked.client.identify(pending, code=code))
        except IdentityRefused as error:
            raise InvalidGrant(error.detail) from error

        def go_on(session: Session) -> OpenSession | HalfLogin:
            found = user_of_identity(
                session, provider=asked.client.provider, proven=proven, origin=origin_of(req)
            )
            return self.go_on(session, req, found.user_id, link=found.link)

        self.send(resp, await self._transactions.write_all(go_on))


class MyIdentities:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: IdentityPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the accounts with providers that log one in."""
        user_id = req.context.principal.user_id
        rows = await self._transactions.read(lambda session: identities_of(session, user_id=user_id))
        ok(IdentityPage([IdentityOut.of(row) for row in rows])).send(resp)


class OneIdentity:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, provider: str) -> None:
        """Log in by a provider no more; 409 when there would be no way left to log in."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: unlink_identity(session, user_id=user_id, provider=provider)
        )
        no_content().send(resp)


def is_secure(settings: Settings) -> bool:
    return settings.public_url.startswith("https:")


def cookie_name(*, is_secure: bool) -> str:
    return f"{SECURE_PREFIX}{COOKIE}" if is_secure else COOKIE


def _is_bound(taken: OpenChallenge, provider: str, cookies: Sequence[str] | None) -> bool:
    """By the one cookie: of two, one is somebody else's, set for a path or by a neighbouring domain."""
    if cookies is None or len(cookies) != 1:
        return False
    binding = hash_token(cookies[0].encode()).hex()
    return bool(taken.data["provider"] == provider and taken.data["binding"] == binding)
