"""Passwords and addresses: what they are changed by, and how one gets back in without them."""

from falcon.asgi import Request, Response

from api.answers import accepted, no_content
from api.audit import origin_of
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.reauthentication import confirm_password, write_with_password
from api.schemas.credentials import EmailChangeIn, PasswordChangeIn, PasswordResetIn, ResetConfirmationIn
from api.throttles import MAILED_TOKEN, PASSWORD_CHECK, PASSWORD_RESET
from core.errors import InvalidInput
from core.models import User
from core.passwords import password_errors
from core.queries.users import load_user
from core.services.credentials import ask_for_reset, reset_password, set_password, user_of_reset
from core.services.verification import ask_for_email_change

TAG = "Accounts"


class PasswordReset:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(
        TAG,
        json=PasswordResetIn,
        answers={202: None},
        is_public=True,
        is_idempotent=False,
        throttle=PASSWORD_RESET,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have a mail sent with a code that sets a new password, if the address is somebody's.

        Whether it is, the answer does not tell. The code works once, within an hour.
        """
        email = req.context.json.email
        await self._transactions.write_all(lambda session: ask_for_reset(session, email=email))
        accepted().send(resp)


class PasswordResetConfirmation:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._passwords = collaborators.passwords
        self._authentication = collaborators.authentication
        self._secret = collaborators.settings.secret

    @endpoint(
        TAG,
        json=ResetConfirmationIn,
        answers={204: None},
        is_public=True,
        is_idempotent=False,
        throttle=MAILED_TOKEN,
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Set a new password by the code of the mail; all devices are logged out, and API keys end."""
        given: ResetConfirmationIn = req.context.json
        # Looked at first, so that nobody can have us compute hashes without a code.
        user = await self._transactions.read_all(
            lambda session: user_of_reset(session, secret=self._secret, token=given.token)
        )
        await self._passwords.run(lambda: check_new_password(given.password, user))
        password_hash = await self._passwords.hash(given.password)
        user_id = await self._transactions.write_all(
            lambda session: reset_password(
                session,
                secret=self._secret,
                token=given.token,
                password_hash=password_hash,
                origin=origin_of(req),
            )
        )
        self._authentication.forget(user_id)
        no_content().send(resp)


class MyPassword:
    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._transactions = collaborators.transactions
        self._passwords = collaborators.passwords

    @endpoint(TAG, json=PasswordChangeIn, answers={204: None}, is_idempotent=False, throttle=PASSWORD_CHECK)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Change the password; all other devices are logged out. 403 when the current one is wrong."""
        principal = req.context.principal
        given: PasswordChangeIn = req.context.json
        confirmed = await confirm_password(
            self._collaborators, user_id=principal.user_id, password=given.current_password
        )
        user = await self._transactions.read(lambda session: load_user(session, user_id=principal.user_id))
        await self._passwords.run(lambda: check_new_password(given.password, user))
        password_hash = await self._passwords.hash(given.password)
        await self._transactions.write(
            confirmed.still(
                lambda session: set_password(
                    session,
                    user_id=principal.user_id,
                    password_hash=password_hash,
                    surviving_session=principal.session_id,
                )
            )
        )
        self._collaborators.authentication.forget(principal.user_id)
        no_content().send(resp)


class MyEmail:
    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators

    @endpoint(TAG, json=EmailChangeIn, answers={202: None}, is_idempotent=False, throttle=PASSWORD_CHECK)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have a code sent to a new address; once `/v1/auth/verify-email` has taken it, it is the account's.

        The former address is told then. 403 for a wrong password; whether another account has the address the
        answer does not tell.
        """
        user_id = req.context.principal.user_id
        given: EmailChangeIn = req.context.json
        await write_with_password(
            self._collaborators,
            user_id=user_id,
            password=given.password,
            service=lambda session: ask_for_email_change(session, user_id=user_id, email=given.email),
        )
        accepted().send(resp)


def check_new_password(password: str, user: User) -> None:
    """Refuse what is too short, too long or too easy to guess for this user."""
    if errors := password_errors(password, about=(user.username, user.email, user.display_name)):
        raise InvalidInput(*errors)
