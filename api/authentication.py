"""Who is calling: the bearer token's user, as long as its session lives."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from falcon.asgi import Request, Response

from api.transactions import Transactions
from core import clock
from core.errors import Unauthenticated
from core.queries.sessions import live_sessions
from core.security import ACCESS, Tokens

RECHECK_AFTER_S = 0.8
"""A token dies within a second of its session, so what is known of a session holds a little shorter."""

MAX_REMEMBERED = 10_000
"""Tokens whose session is remembered, about 5 MB; past this all are forgotten and looked up again."""

UNPROTECTED_METHODS = frozenset({"OPTIONS"})
"""A CORS preflight carries no credentials (Fetch standard, section 3.2)."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller, in `req.context.principal`."""

    user_id: UUID
    session_id: UUID


@dataclass(frozen=True, slots=True)
class _Remembered:
    principal: Principal
    until: float


class Authentication:
    """Falcon middleware. A resource is protected unless it says `is_public = True`."""

    def __init__(self, tokens: Tokens, transactions: Transactions) -> None:
        self._tokens = tokens
        self._transactions = transactions
        self._remembered: dict[str, _Remembered] = {}
        self._looking_up: dict[str, asyncio.Future[Principal]] = {}

    def forget(self, user_id: UUID, session_id: UUID | None = None) -> None:
        """Have this process look up the session again (or all of the user's), as it has just been ended."""
        for token, known in list(self._remembered.items()):
            principal = known.principal
            if principal.user_id == user_id and session_id in (None, principal.session_id):
                self._remembered.pop(token, None)

    async def process_resource(self, req: Request, _resp: Response, resource: Any, _params: Any) -> None:
        is_public = resource is None or getattr(resource, "is_public", False)
        if not is_public and req.method not in UNPROTECTED_METHODS:
            req.context.principal = await self.principal_of(req)

    async def principal_of(self, req: Request) -> Principal:
        """Who calls; for public resources that let somebody in without a token, and not everybody.

        Raises:
            Unauthenticated
        """
        scheme, _, token = (req.get_header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("send a bearer token")
        known = self._remembered.get(token)
        if known is not None and known.until > time.monotonic():
            return known.principal
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
        claims = self._tokens.read(token, ACCESS)
        key = (claims.user_id, claims.session_id)
        if key not in await self._transactions.read_rows(lambda rows: live_sessions(rows, [key])):
            raise Unauthenticated("the session has ended")
        principal = Principal(*key)
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        until = asked_at + min(RECHECK_AFTER_S, claims.expires_at - clock.now().timestamp())
        self._remembered[token] = _Remembered(principal, until)
        return principal
