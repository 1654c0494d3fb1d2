"""Lets requests in as often as they may come: the limits of all calls, and those written beside one."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import wraps
from typing import Any, TypeVar
from uuid import UUID

from falcon.asgi import Request, Response

from api.problems import SecondFactorRequired
from api.throttles import (
    ACCOUNT_DELAY,
    CHALLENGE_S,
    KNOWN_PLACE_S,
    PASSWORDS_AT_ONCE,
    PLACE_DELAY,
    PUBLIC,
    Throttle,
)
from core.config import Settings
from core.errors import TooManyRequests, Unauthenticated
from core.throttling.addresses import place_of
from core.throttling.allowances import Allowances
from core.throttling.limiter import Limiter
from core.throttling.windows import Window

Handler = TypeVar("Handler", bound=Callable[..., Any])

LIVENESS = "/healthz"
"""Whoever restarts processes must always get an answer; it costs nothing."""

POLICY = "default"
"""The name of the limit that the headers tell of."""


class Gatekeeper:
    """Falcon middleware, after the authentication."""

    def __init__(self, settings: Settings) -> None:
        self._limiter = Limiter(settings.redis, prefix=settings.redis_prefix, secret=settings.secret)
        self._factor = settings.limit_factor
        per_user = Window("user", settings.requests_per_minute, 60)
        self._users = Allowances(self._limiter.windows, per_user)
        self._places = Allowances(self._limiter.windows, PUBLIC.times(self._factor))
        self._policy = {
            allowances: f'"{POLICY}";q={allowances.window.amount};w={allowances.window.seconds}'
            for allowances in (self._users, self._places)
        }
        self._place_delay, self._account_delay = (
            delay.times(self._factor) for delay in (PLACE_DELAY, ACCOUNT_DELAY)
        )
        self._passwords_of: Counter[str] = Counter()

    async def process_resource(self, req: Request, resp: Response, resource: Any, _params: Any) -> None:
        req.context.gatekeeper = self
        principal = getattr(req.context, "principal", None)
        if principal is not None:
            await self._spend(resp, self._users, principal.user_id)
        elif resource is not None and req.uri_template != LIVENESS:
            await self.spend_of_place(req, resp)

    async def spend_of_place(self, req: Request, resp: Response) -> None:
        """Count a call of somebody unknown, or of a caller who may not make it.

        Raises:
            TooManyRequests
        """
        await self._spend(resp, self._places, self._limiter.key("place", _place(req)))

    def refuse_spent_place(self, req: Request) -> None:
        """Before work for a token that may be good: nothing is counted, as it may be.

        Raises:
            TooManyRequests: too many were not, of late.
        """
        _wait(self._places.refused_for_s(self._limiter.key("place", _place(req))))

    async def _spend(self, resp: Response, allowances: Allowances, key: Hashable) -> None:
        quota = allowances.spend_now(key) or await allowances.spend(key)
        # draft-ietf-httpapi-ratelimit-headers-10
        resp.set_header("RateLimit-Policy", self._policy[allowances])
        resp.set_header("RateLimit", f'"{POLICY}";r={quota.remaining};t={quota.reset_s}')
        if not quota.is_allowed:
            raise TooManyRequests("too many requests", retry_after_s=quota.reset_s)

    @asynccontextmanager
    async def passing(self, req: Request, throttle: Throttle) -> AsyncIterator[None]:
        """Let a call be made, if it may be.

        Raises:
            TooManyRequests: not yet.
        """
        place = _place(req)
        if not throttle.has_password:
            async with self._counted(req, throttle, place):
                yield
            return
        with self._at_once(place):
            async with self._counted(req, throttle, place):
                yield

    @contextmanager
    def _at_once(self, place: str) -> Iterator[None]:
        if self._passwords_of[place] >= PASSWORDS_AT_ONCE * self._factor:
            raise TooManyRequests("too many passwords at once; try again", retry_after_s=1)
        self._passwords_of[place] += 1
        try:
            yield
        finally:
            self._passwords_of[place] -= 1
            if not self._passwords_of[place]:
                del self._passwords_of[place]

    @asynccontextmanager
    async def _counted(self, req: Request, throttle: Throttle, place: str) -> AsyncIterator[None]:
        # The user's first: whoever is past theirs takes nothing from the neighbours.
        if throttle.per_user:
            await self._take(throttle.per_user, str(req.context.principal.user_id))
        await self._take(throttle.per_place, self._limiter.key("place", place))
        if throttle.challenge_of is not None:
            yield
            await self._complete(throttle.challenge_of(req))
            return
        account = throttle.account_of(req) if throttle.account_of else None
        if account is None:
            yield
            return
        await self._take(throttle.per_account, self._limiter.key("account", account))
        if not throttle.delays_failures:
            yield
            return
        pair, everywhere = self._limiter.key("pair", place, account), self._limiter.key("account", account)
        async with self._attempt(pair, everywhere):
            yield

    @asynccontextmanager
    async def trying_code(self, req: Request, user_id: UUID) -> AsyncIterator[None]:
        """Let a code be tried, after whatever first factor: who has that can begin any number of logins.

        Raises:
            TooManyRequests: not yet.
        """
        user = str(user_id)
        async with self._attempt(
            self._limiter.key("code", _place(req), user), self._limiter.key("code", user)
        ):
            yield

    @asynccontextmanager
    async def _attempt(self, pair: str, everywhere: str) -> AsyncIterator[None]:
        """An attempt to log in, counted by account and place, and by account.

        Nothing here depends on whether there is such an account.
        """
        delays = self._limiter.delays
        is_known = await delays.recall(f"known:{pair}") is not None
        _wait(await delays.attempt(self._place_delay, pair))
        if not is_known:
            wait_s = await delays.attempt(self._account_delay, everywhere)
            if wait_s:
                await delays.forgive(self._place_delay, pair)
                _wait(wait_s)
        try:
            yield
        except SecondFactorRequired as required:
            # It counts until a code completes it: codes, too, can be guessed only as slowly as passwords.
            names = pair if is_known else f"{pair} {everywhere}"
            await delays.remember(self._half_of(required.challenge), names, seconds=CHALLENGE_S)
            raise
        except Unauthenticated:
            raise
        except BaseException:
            # It was not found out whether the credentials are right.
            await delays.forgive(self._place_delay, pair)
            if not is_known:
                await delays.forgive(self._account_delay, everywhere)
            raise
        await self._succeed(pair, None if is_known else everywhere)

    async def _complete(self, challenge: str) -> None:
        """The second half of a login; whose name was given in the first is not known here."""
        names = await self._limiter.delays.recall(self._half_of(challenge))
        if names:
            pair, _, everywhere = names.partition(" ")
            await self._succeed(pair, everywhere or None)

    async def _succeed(self, pair: str, everywhere: str | None) -> None:
        delays = self._limiter.delays
        await delays.forget(self._place_delay, pair)
        if everywhere is not None:
            await delays.forgive(self._account_delay, everywhere)
        await delays.remember(f"known:{pair}", "1", seconds=KNOWN_PLACE_S)

    def _half_of(self, challenge: str) -> str:
        return f"half:{self._limiter.key('challenge', challenge)}"

    async def _take(self, windows: Iterable[Window], key: str) -> None:
        for window in windows:
            verdict = await self._limiter.windows.take(window.times(self._factor), key)
            if not verdict.is_allowed:
                _wait(verdict.retry_after_s)

    async def close(self) -> None:
        await self._limiter.close()


def throttled(handler: Handler, throttle: Throttle | None) -> Handler:
    """The responder, which is called only as often as it may be."""
    if throttle is None:
        return handler

    @wraps(handler)
    async def guarded(resource: Any, req: Request, resp: Response, **params: Any) -> None:
        gatekeeper: Gatekeeper = req.context.gatekeeper
        call: Callable[..., Awaitable[None]] = handler
        async with gatekeeper.passing(req, throttle):
            await call(resource, req, resp, **params)

    return guarded  # type: ignore[return-value] # the same signature


def _place(req: Request) -> str:
    # uvicorn has put the client in the place of a trusted proxy, see `api/serving.py`.
    return place_of(req.remote_addr)


def _wait(seconds: int) -> None:
    if seconds:
        raise TooManyRequests(f"too many attempts; try again in {seconds} s", retry_after_s=seconds)
