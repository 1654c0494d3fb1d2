"""From the proof of who somebody is to their tokens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, ok
from api.collaborators import Collaborators
from api.login_log import LoginLog
from api.openapi import endpoint
from api.problems import InvalidGrant, SecondFactorRequired
from api.schemas.accounts import TokensOut
from core import clock
from core.queries.users import credentials_of, find_credentials
from core.security import ACCESS_TOKEN_LIFETIME
from core.services.challenges import issue_challenge
from core.services.identities import link_identity
from core.services.locks import lock_account
from core.services.sessions import OpenSession, RefreshRefused, open_session, rotate_refresh_token
from core.throttling.addresses import address_text

token_endpoint = partial(
    endpoint, "Accounts", answers={200: TokensOut}, problems=(401,), is_public=True, is_idempotent=False
)
"""A call that answers tokens to whoever shows who they are. No answer is kept under an `Idempotency-Key`."""


@dataclass(frozen=True, slots=True)
class HalfLogin:
    """The first factor is right; a code completes it."""

    challenge: str = field(repr=False)


class TokenIssuer:
    """What the ways to get tokens have in common. Their answers are secrets, so none is ever stored."""

    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._passwords = collaborators.passwords
        self._tokens = collaborators.tokens
        self._authentication = collaborators.authentication
        self._login_log = LoginLog(collaborators.settings.secret)

    async def log_in(self, req: Request, resp: Response, login: str, password: str) -> None:
        found = await self._transactions.read_all(lambda session: find_credentials(session, login=login))
        # Whoever is unknown or inactive gets the same answer after the same work as for a wrong password.
        is_right = await self._passwords.is_password(password, found.password_hash if found else None)
        if found is None or not is_right or not found.is_active:
            self._login_log.tell_of_failure(req, login, found.user_id if found else None)
            raise InvalidGrant("the login or the password is wrong")
        outcome = await self._transactions.write_all(
            lambda session: self.go_on(session, req, found.user_id, checked_hash=found.password_hash)
        )
        self.send(resp, outcome)

    def go_on(
        self,
        session: Session,
        req: Request,
        user_id: UUID,
        *,
        checked_hash: str | None = None,
        link: Mapping[str, str] | None = None,
    ) -> "OpenSession | HalfLogin":
        """After the first factor, in the transaction of its proof: a session, or what asks for the second.

        `checked_hash` is what the password was checked against, a while ago; `link` is an identity that is
        linked once the login is complete.

        Raises:
            InvalidGrant: meanwhile the password was changed, or the account deactivated.
        """
        user = lock_account(session, user_id=user_id)
        if not user.is_active or checked_hash not in (None, user.password_hash):
            raise InvalidGrant("the login or the password is wrong")
        if credentials_of(session, user_id=user_id).has_second_factor:
            data = {} if link is None else {"link": dict(link)}
            return HalfLogin(issue_challenge(session, purpose="second_factor", user_id=user_id, data=data))
        if link is not None:
            link_identity(session, user_id=user_id, **link)
        return self.complete(session, req, user_id)

    def complete(self, session: Session, req: Request, user_id: UUID) -> OpenSession:
        """After all factors."""
        address = address_text(req.remote_addr)
        return open_session(session, user_id=user_id, user_agent=req.user_agent, ip_address=address)

    def send(self, resp: Response, outcome: "OpenSession | HalfLogin") -> None:
        """Raises:
        SecondFactorRequired
        """
        if isinstance(outcome, HalfLogin):
            raise SecondFactorRequired(outcome.challenge)
        send_secret(resp, self._answer(outcome))

    async def refresh(self, resp: Response, refresh_token: str) -> None:
        outcome = await self._transactions.write_all(
            lambda session: rotate_refresh_token(session, refresh_token=refresh_token)
        )
        if isinstance(outcome, RefreshRefused):
            if outcome.ended_session is not None:
                self._authentication.forget(*outcome.ended_session)
            raise InvalidGrant("the refresh token is not valid, was used before or has expired")
        send_secret(resp, self._answer(outcome))

    def _answer(self, opened: OpenSession) -> Answer:
        access_token = self._tokens.access_token(
            user_id=opened.user_id, session_id=opened.session_id, now=clock.now()
        )
        lifetime_s = int(ACCESS_TOKEN_LIFETIME.total_seconds())
        return ok(TokensOut(access_token, lifetime_s, opened.refresh_token))


def send_secret(resp: Response, answer: Answer) -> None:
    answer.send(resp)
    resp.set_header("Cache-Control", "no-store")  # RFC 6749, section 5.1
