"""Who is calling: the user of a token as long as its session lives, or of an API key."""

import asyncio
import hmac
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection

from api.gatekeeper import Gatekeeper
from api.scopes import needed_scopes
from api.transactions import Transactions, act_for
from core import clock
from core.errors import Forbidden, Unauthenticated
from core.queries.api_keys import LiveKey, find_live_key
from core.queries.sessions import LiveSession, live_sessions
from core.security import ACCESS, Tokens
from core.services.accounts import NOBODY
from core.services.api_keys import PREFIX, USE_KEPT_AFTER, KeyParts, keep_use, read_api_key

RECHECK_AFTER_S = 0.8
"""A token dies within a second of its session, so what is known of a session holds a little shorter."""

MAX_REMEMBERED = 10_000
"""Tokens whose session is remembered, about 5 MB; past this all are forgotten and looked up again."""

UNPROTECTED_METHODS = frozenset({"OPTIONS"})
"""A CORS preflight carries no credentials (Fetch standard, section 3.2)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, in `req.context.principal`.

    `session_id` is the session's, or the API key's, which has `scopes`. With the master key there is no user:
    `NOBODY`.
    """

    user_id: UUID
    session_id: UUID
    is_admin: bool = False
    scopes: frozenset[str] | None = None


MASTER = Principal(NOBODY, NOBODY, is_admin=True)


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: float


class Authentication:
    """Falcon middleware. A resource is protected unless it says `is_public = True`.

    One that says `is_for_admins = True` is for them alone, and the only kind that the master key opens.
    """

    def __init__(
        self, tokens: Tokens, transactions: Transactions, gatekeeper: Gatekeeper, *, master_key: str = ""
    ) -> None:
        self._tokens = tokens
        self._transactions = transactions
        self._gatekeeper = gatekeeper
        self._master_key = master_key.encode()
        self._remembered: dict[str, _Remembered] = {}
        self._looking_up: dict[str, asyncio.Future[Principal]] = {}

    def forget(self, user_id: UUID, session_id: UUID | None = None) -> None:
        """Have this process look up the session again (or all of the user's), as it has just been ended."""
        for token, known in list(self._remembered.items()):
            principal = known.principal
            if principal.user_id == user_id and session_id in (None, principal.session_id):
                self._remembered.pop(token, None)

    async def process_resource(self, req: Request, resp: Response, resource: Any, _params: Any) -> None:
        is_public = resource is None or getattr(resource, "is_public", False)
        if not is_public and req.method not in UNPROTECTED_METHODS:
            is_for_admins = getattr(resource, "is_for_admins", False)
            context = req.context
            # Not as a function of the request: with a way to itself it would stay until it is collected.
            context.authentication, context.is_for_admins = self, is_for_admins
            context.identified_at = time.monotonic()
            try:
                context.principal = await self.principal_of(req, is_for_admins=is_for_admins)
            except (Unauthenticated, Forbidden):
                # Whoever is refused does not come as far as the limits of all calls.
                await self._gatekeeper.spend_of_place(req, resp)
                raise
            act_for(req.context.principal.user_id)

    async def principal_of(self, req: Request, *, is_for_admins: bool = False) -> Principal:
        """Who calls, and may; for public resources that let somebody in without a token, and not everybody.

        Raises:
            Unauthenticated, Forbidden.
        """
        scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send a bearer token")
        principal = await self._identify(req, token)
        _check_role(principal, req, is_for_admins=is_for_admins)
        return principal

    async def _identify(self, req: Request, token: str) -> Principal:
        if self._master_key and hmac.compare_digest(token.encode(), self._master_key):
            return MASTER
        known = self._remembered.get(token)
        if known is not None and known.until > time.monotonic():
            return known.principal
        if known is None:
            self._gatekeeper.refuse_spent_place(req)
        # Forgotten first: should the look-up fail, the old answer must not stand.
        self._remembered.pop(token, None)
        return await self._look_up_once(token)

    async def _look_up_once(self, token: str) -> Principal:
        """Requests that come with the same token at the same time share one look-up."""
        under_way = self._looking_up.get(token)
        if under_way is None:
            under_way = self._looking_up[token] = asyncio.ensure_future(self._look_up(token))
            under_way.add_done_callback(lambda _done: self._looking_up.pop(token, None))
        # One request that is given up must not take the look-up from the others.
        return await asyncio.shield(under_way)

    async def _look_up(self, token: str) -> Principal:
        asked_at = time.monotonic()
        if token.startswith(PREFIX):
            principal, expires_at = await self._of_key(token)
        else:
            principal, expires_at = await self._of_session(token)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        until = asked_at + min(RECHECK_AFTER_S, expires_at - clock.now().timestamp())
        self._remembered[token] = _Remembered(principal, until)
        return principal

    async def _of_session(self, token: str) -> tuple[Principal, float]:
        claims = self._tokens.read(token, ACCESS)
        key = (claims.user_id, claims.session_id)

        def look_up(rows: Connection) -> LiveSession | None:
            return live_sessions(rows, [key]).get(key)

        session = await self._transactions.read_rows(look_up, user_id=claims.user_id)
        if session is None:
            raise Unauthenticated("the session has ended")
        return Principal(*key, is_admin=session.is_admin), claims.expires_at

    async def _of_key(self, text: str) -> tuple[Principal, float]:
        parts = read_api_key(text)
        key = None if parts is None else await self._find_key(parts)
        if key is None:
            raise Unauthenticated("the API key is not valid, was deleted or has expired")
        if key.last_used_at is None or clock.now() >= key.last_used_at + USE_KEPT_AFTER:
            await self._transactions.write(
                lambda session: keep_use(session, user_id=key.user_id, key_id=key.id),
                user_id=key.user_id,
            )
        return Principal(key.user_id, key.id, scopes=key.scopes), _timestamp(key.expires_at)

    async def _find_key(self, parts: KeyParts) -> LiveKey | None:
        return await self._transactions.read_rows(
            lambda rows: find_live_key(rows, user_id=parts.user_id, key_id=parts.id, key_hash=parts.key_hash),
            user_id=parts.user_id,
        )


async def identify_again(req: Request) -> None:
    """After the body, which may take minutes to come: whoever began to send it may be nobody by now.

    Raises:
        Unauthenticated, Forbidden.
    """
    context = req.context
    authentication: Authentication | None = getattr(context, "authentication", None)
    if authentication is not None and time.monotonic() > context.identified_at + RECHECK_AFTER_S:
        context.principal = await authentication.principal_of(req, is_for_admins=context.is_for_admins)


def _check_role(principal: Principal, req: Request, *, is_for_admins: bool) -> None:
    """Refuse what the caller's role, or the key's scopes, do not allow."""
    if principal.scopes is not None:
        needed = needed_scopes(req.uri_template or "", req.method)
        if not needed:
            raise Forbidden("no API key may do this; log in")
        if missing := sorted(needed - principal.scopes):
            raise Forbidden(f"the API key needs the scope {' and '.join(missing)}")
    if is_for_admins and not principal.is_admin:
        raise Forbidden("for administrators only")
    if not is_for_admins and principal is MASTER:
        raise Unauthenticated("the master key is for administration only")


def _timestamp(instant: datetime | None) -> float:
    return float("inf") if instant is None else instant.timestamp()
