"""Logging in and out, and the devices on which somebody is logged in."""

from uuid import UUID

from falcon.asgi import Request, Response

from api.answers import Answer, created, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import InvalidGrant
from api.schemas.accounts import (
    LoginIn,
    RefreshIn,
    SessionOut,
    SessionPage,
    TicketOut,
    TokenForm,
    TokensOut,
)
from api.throttles import LOGIN, REFRESH, TICKET
from core import clock
from core.errors import NotFound, invalid
from core.queries.sessions import sessions_of
from core.queries.users import find_credentials
from core.security import ACCESS_TOKEN_LIFETIME, TICKET_LIFETIME
from core.services.sessions import (
    OpenSession,
    RefreshRefused,
    open_session,
    revoke_session,
    rotate_refresh_token,
)

TAG = "Accounts"


class _Issuer:
    """What the three ways to get tokens have in common. Their answers are secrets, so none is ever stored."""

    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._passwords = collaborators.passwords
        self._tokens = collaborators.tokens
        self._authentication = collaborators.authentication

    async def _log_in(self, req: Request, resp: Response, login: str, password: str) -> None:
        found = await self._transactions.read(lambda session: find_credentials(session, login=login))
        # Whoever is unknown or inactive gets the same answer after the same work as for a wrong password.
        is_right = await self._passwords.is_password(password, found.password_hash if found else None)
        if found is None or not is_right or not found.is_active:
            raise InvalidGrant("the login or the password is wrong")
        opened = await self._transactions.write(
            lambda session: open_session(
                session, user_id=found.user_id, user_agent=req.user_agent, ip_address=req.remote_addr
            )
        )
        _send_secret(resp, self._answer(opened))

    async def _refresh(self, resp: Response, refresh_token: str) -> None:
        outcome = await self._transactions.write(
            lambda session: rotate_refresh_token(session, refresh_token=refresh_token)
        )
        if isinstance(outcome, RefreshRefused):
            if outcome.ended_session is not None:
                self._authentication.forget(*outcome.ended_session)
            raise InvalidGrant("the refresh token is not valid, was used before or has expired")
        _send_secret(resp, self._answer(outcome))

    def _answer(self, opened: OpenSession) -> Answer:
        access_token = self._tokens.access_token(
            user_id=opened.user_id, session_id=opened.session_id, now=clock.now()
        )
        lifetime_s = int(ACCESS_TOKEN_LIFETIME.total_seconds())
        return ok(TokensOut(access_token, lifetime_s, opened.refresh_token))


class Login(_Issuer):
    @endpoint(
        TAG,
        json=LoginIn,
        answers={200: TokensOut},
        problems=(401,),
        is_public=True,
        is_idempotent=False,
        throttle=LOGIN,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Log in with user name or e-mail address."""
        given: LoginIn = req.context.json
        await self._log_in(req, resp, given.login, given.password)


class Token(_Issuer):
    @endpoint(
        TAG,
        form=TokenForm,
        answers={200: TokensOut},
        problems=(401,),
        is_public=True,
        is_idempotent=False,
        throttle=LOGIN,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Get tokens as OAuth 2 clients do, by password or refresh token; problems have its `error` code."""
        form: TokenForm = req.context.form
        if form.grant_type == "refresh_token":
            await self._refresh(resp, _required("refresh_token", form.refresh_token))
        else:
            username = _required("username", form.username)
            await self._log_in(req, resp, username, _required("password", form.password))


class Refresh(_Issuer):
    @endpoint(
        TAG,
        json=RefreshIn,
        answers={200: TokensOut},
        problems=(401,),
        is_public=True,
        is_idempotent=False,
        throttle=REFRESH,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Spend a refresh token for new tokens; using one again ends the session."""
        await self._refresh(resp, req.context.json.refresh_token)


class Logout:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    @endpoint(TAG, answers={204: None}, is_idempotent=False)
    async def on_post(self, req: Request, resp: Response) -> None:
        """End this session; its tokens are dead within a second, wherever they are used."""
        key = {"user_id": req.context.principal.user_id, "session_id": req.context.principal.session_id}
        await self._transactions.write(lambda session: revoke_session(session, **key))
        self._authentication.forget(**key)
        no_content().send(resp)


class Ticket:
    def __init__(self, collaborators: Collaborators) -> None:
        self._tokens = collaborators.tokens

    @endpoint(TAG, answers={201: TicketOut}, conflicts=False, is_idempotent=False, throttle=TICKET)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Get a ticket for the WebSocket: for one use, within 30 seconds."""
        principal = req.context.principal
        ticket = self._tokens.ticket(
            user_id=principal.user_id, session_id=principal.session_id, now=clock.now()
        )
        _send_secret(resp, created(TicketOut(ticket, int(TICKET_LIFETIME.total_seconds()))))


class Sessions:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: SessionPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the devices on which one is logged in, the one used last first."""
        principal = req.context.principal
        rows = await self._transactions.read(lambda session: sessions_of(session, user_id=principal.user_id))
        ok(SessionPage([SessionOut.of(row, current_id=principal.session_id) for row in rows])).send(resp)


class OneSession:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, session_id: UUID) -> None:
        """Log one device out."""
        user_id = req.context.principal.user_id
        is_ended = await self._transactions.write(
            lambda session: revoke_session(session, user_id=user_id, session_id=session_id)
        )
        if not is_ended:
            raise NotFound("no such session")
        self._authentication.forget(user_id, session_id)
        no_content().send(resp)


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise invalid(f"/{name}", "this grant type needs it")
    return value


def _send_secret(resp: Response, answer: Answer) -> None:
    answer.send(resp)
    resp.set_header("Cache-Control", "no-store")  # RFC 6749, section 5.1
