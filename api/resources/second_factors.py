"""One-time codes: having them asked for at each login, and the login by them."""

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import created, no_content, ok
from api.audit import origin_of
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import InvalidGrant
from api.reauthentication import write_with_password
from api.schemas.credentials import (
    CodeIn,
    FactorChangeIn,
    NewFactorOut,
    ReauthenticationIn,
    RecoveryCodesOut,
    SecondFactorLoginIn,
    SecondFactorOut,
)
from api.throttles import PASSWORD_CHECK, SECOND_FACTOR
from api.token_issuing import TokenIssuer, send_secret, token_endpoint
from core.queries.challenges import user_of_challenge
from core.queries.second_factors import count_recovery_codes, load_second_factor
from core.queries.users import is_active_user
from core.services.audit import Action, record_action
from core.services.challenges import take_challenge, try_challenge
from core.services.identities import link_identity
from core.services.second_factors import (
    begin_second_factor,
    confirm_second_factor,
    end_second_factor,
    renew_recovery_codes,
    spend_code,
)
from core.services.sessions import OpenSession

TAG = "Accounts"


class WrongCode(InvalidGrant):
    def __init__(self) -> None:
        super().__init__("the code is wrong, or the login has to begin anew")


class SecondFactorLogin(TokenIssuer):
    def __init__(self, collaborators: Collaborators) -> None:
        super().__init__(collaborators)
        self._gatekeeper = collaborators.gatekeeper
        self._secret = collaborators.settings.secret

    @token_endpoint(json=SecondFactorLoginIn, throttle=SECOND_FACTOR)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Complete a login with a code, within five minutes and five attempts."""
        given: SecondFactorLoginIn = req.context.json
        user_id = await self._transactions.read_all(
            lambda session: user_of_challenge(session, purpose="second_factor", token=given.challenge)
        )
        if user_id is None:
            raise WrongCode
        async with self._gatekeeper.trying_code(req, user_id):
            opened = await self._transactions.write_all(
                lambda session: self._answer_challenge(session, req, given)
            )
            if opened is None:
                raise WrongCode
        self.send(resp, opened)

    def _answer_challenge(
        self, session: Session, req: Request, given: SecondFactorLoginIn
    ) -> OpenSession | None:
        """The login, if it is complete. It answers instead of raising, as the attempt counts."""
        tried = try_challenge(session, purpose="second_factor", token=given.challenge)
        user_id = None if tried is None else tried.user_id
        if tried is None or user_id is None or not is_active_user(session, user_id=user_id):
            return None
        if not spend_code(session, secret=self._secret, user_id=user_id, code=given.code):
            # The user should see that somebody knows their password.
            record_action(session, Action(user_id, "second_factor.failed", origin=origin_of(req)))
            return None
        # A new password, which waits for the account's lock as the code has, takes the challenge along.
        if take_challenge(session, purpose="second_factor", token=given.challenge) is None:
            return None
        if link := tried.data.get("link"):
            link_identity(session, user_id=user_id, **link)
        return self.complete(session, req, user_id)


class MySecondFactor:
    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._transactions = collaborators.transactions
        self._secret = collaborators.settings.secret

    @endpoint(TAG, answers={200: SecondFactorOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Tell whether logins ask for a code."""
        user_id = req.context.principal.user_id

        def read(session: Session) -> SecondFactorOut:
            found = load_second_factor(session, user_id=user_id)
            confirmed_at = None if found is None else found.confirmed_at
            left = count_recovery_codes(session, user_id=user_id)
            return SecondFactorOut(confirmed_at is not None, confirmed_at, left)

        ok(await self._transactions.read(read)).send(resp)

    @endpoint(
        TAG,
        json=ReauthenticationIn,
        answers={201: NewFactorOut},
        is_idempotent=False,
        throttle=PASSWORD_CHECK,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Get a secret for an authenticator app; logins ask for its codes once one was confirmed."""
        user_id = req.context.principal.user_id
        new = await write_with_password(
            self._collaborators,
            user_id=user_id,
            password=req.context.json.password,
            service=lambda session: begin_second_factor(session, secret=self._secret, user_id=user_id),
        )
        send_secret(resp, created(NewFactorOut(new.secret, new.uri)))

    @endpoint(TAG, json=FactorChangeIn, answers={204: None}, is_versioned=False, throttle=PASSWORD_CHECK)
    async def on_delete(self, req: Request, resp: Response) -> None:
        """Have logins ask for the password only."""
        user_id = req.context.principal.user_id
        given: FactorChangeIn = req.context.json
        await write_with_password(
            self._collaborators,
            user_id=user_id,
            password=given.password,
            service=lambda session: end_second_factor(
                session, secret=self._secret, user_id=user_id, code=given.code
            ),
        )
        no_content().send(resp)


class SecondFactorConfirmation:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._secret = collaborators.settings.secret

    @endpoint(
        TAG,
        json=CodeIn,
        answers={200: RecoveryCodesOut},
        problems=(404,),
        is_idempotent=False,
        throttle=PASSWORD_CHECK,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Show that the app makes the right codes; from now on logins ask for them."""
        user_id, code = req.context.principal.user_id, req.context.json.code
        codes = await self._transactions.write(
            lambda session: confirm_second_factor(session, secret=self._secret, user_id=user_id, code=code)
        )
        send_secret(resp, ok(RecoveryCodesOut(codes)))


class RecoveryCodes:
    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._secret = collaborators.settings.secret

    @endpoint(
        TAG,
        json=FactorChangeIn,
        answers={200: RecoveryCodesOut},
        problems=(404,),
        is_idempotent=False,
        throttle=PASSWORD_CHECK,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Get new recovery codes; the old ones are void."""
        user_id = req.context.principal.user_id
        given: FactorChangeIn = req.context.json
        codes = await write_with_password(
            self._collaborators,
            user_id=user_id,
            password=given.password,
            service=lambda session: renew_recovery_codes(
                session, secret=self._secret, user_id=user_id, code=given.code
            ),
        )
        send_secret(resp, ok(RecoveryCodesOut(codes)))
