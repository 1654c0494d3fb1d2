"""Logging in and out, and the devices on which somebody is logged in."""

from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import created, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.schemas.accounts import (
    LoginIn,
    RefreshIn,
    SessionOut,
    SessionPage,
    TicketOut,
    TokenForm,
)
from api.throttles import LOGIN, REFRESH, TICKET, TOKEN
from api.token_issuing import TokenIssuer, send_secret, token_endpoint
from core import clock
from core.errors import NotFound, invalid
from core.queries.sessions import sessions_of
from core.security import TICKET_LIFETIME
from core.services.sessions import revoke_session, revoke_sessions

TAG = "Accounts"


class Login(TokenIssuer):
    @token_endpoint(json=LoginIn, throttle=LOGIN)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Log in with user name or e-mail address.

        401 with a `challenge` when there is a second factor: the code goes to `/v1/auth/second-factor`.
        """
        given: LoginIn = req.context.json
        await self.log_in(req, resp, given.login, given.password)


class Token(TokenIssuer):
    @token_endpoint(form=TokenForm, throttle=TOKEN)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Get tokens as OAuth 2 clients do, by password or refresh token; problems have its `error` code."""
        form: TokenForm = req.context.form
        if form.grant_type == "refresh_token":
            await self.refresh(resp, _required("refresh_token", form.refresh_token))
        else:
            username = _required("username", form.username)
            await self.log_in(req, resp, username, _required("password", form.password))


class Refresh(TokenIssuer):
    @token_endpoint(json=RefreshIn, throttle=REFRESH)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Spend a refresh token for new tokens; using one again ends the session."""
        await self.refresh(resp, req.context.json.refresh_token)


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
        send_secret(resp, created(TicketOut(ticket, int(TICKET_LIFETIME.total_seconds()))))


class Sessions:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    @endpoint(TAG, answers={200: SessionPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the devices on which one is logged in, the one used last first."""
        principal = req.context.principal
        rows = await self._transactions.read(lambda session: sessions_of(session, user_id=principal.user_id))
        ok(SessionPage([SessionOut.of(row, current_id=principal.session_id) for row in rows])).send(resp)

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response) -> None:
        """Log all other devices out."""
        principal = req.context.principal
        await self._transactions.write(
            lambda session: revoke_sessions(
                session, user_id=principal.user_id, surviving=principal.session_id
            )
        )
        self._authentication.forget(principal.user_id)
        no_content().send(resp)


class OneSession:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, session_id: UUID) -> None:
        """Log one device out."""
        user_id = req.context.principal.user_id

        def end(session: Session) -> None:
            if not revoke_session(session, user_id=user_id, session_id=session_id):
                raise NotFound("no such session")

        await self._transactions.write(end)
        self._authentication.forget(user_id, session_id)
        no_content().send(resp)


def _required(name: str, value: str | None) -> str:
    if value is None:
        raise invalid(f"/{name}", "this grant type needs it")
    return value
