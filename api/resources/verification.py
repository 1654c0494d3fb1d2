from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, accepted, no_content
from api.audit import origin_of
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.schemas.accounts import VerificationIn
from api.throttles import MAILED_TOKEN, VERIFICATION_MAIL
from core.services.accounts import NOBODY
from core.services.verification import ask_for_verification, verify_email

TAG = "Accounts"


class EmailVerification:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._secret = collaborators.settings.secret

    @endpoint(TAG, json=VerificationIn, answers={204: None}, is_public=True, throttle=MAILED_TOKEN)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Verify an e-mail address by the code of the mail, which is valid for three days; twice is fine."""
        token = req.context.json.token

        def verify(session: Session) -> Answer:
            verify_email(session, secret=self._secret, token=token, origin=origin_of(req))
            return no_content()

        (await self._transactions.post_all(req, NOBODY, verify)).send(resp)


class VerificationMail:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={202: None}, throttle=VERIFICATION_MAIL)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have the mail with the code sent again.

        409 when the address is verified already, and within a minute of the last time.
        """
        user_id = req.context.principal.user_id

        def ask(session: Session) -> Answer:
            ask_for_verification(session, user_id=user_id)
            return accepted()

        (await self._transactions.post(req, user_id, ask)).send(resp)
