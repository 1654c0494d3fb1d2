"""Passkeys: making them, and logging in with them."""

from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import created, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.problems import InvalidGrant
from api.reauthentication import write_with_password
from api.schemas.credentials import ReauthenticationIn
from api.schemas.passkeys import (
    AskedOut,
    NewPasskeyIn,
    PasskeyLoginIn,
    PasskeyOut,
    PasskeyPage,
)
from api.throttles import PASSKEY_LOGIN, PASSKEY_OPTIONS, PASSWORD_CHECK
from api.token_issuing import TokenIssuer, send_secret, token_endpoint
from core.config import Settings
from core.queries.passkeys import passkeys_of
from core.services.passkeys import (
    Site,
    add_passkey,
    ask_for_new_passkey,
    ask_for_passkey,
    delete_passkey,
    take_passkey,
)
from core.services.sessions import OpenSession

TAG = "Accounts"


class PasskeyOptions:
    is_public = True

    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._site = site_of(collaborators.settings)

    @endpoint(
        TAG,
        answers={201: AskedOut},
        is_public=True,
        is_idempotent=False,
        throttle=PASSKEY_OPTIONS,
    )
    async def on_post(self, _req: Request, resp: Response) -> None:
        """Begin a login with a passkey; whose it is the device will say."""
        asked = await self._transactions.write_all(lambda session: ask_for_passkey(session, site=self._site))
        send_secret(resp, created(AskedOut(asked.challenge, dict(asked.options))))


class PasskeyLogin(TokenIssuer):
    def __init__(self, collaborators: Collaborators) -> None:
        super().__init__(collaborators)
        self._site = site_of(collaborators.settings)

    @token_endpoint(json=PasskeyLoginIn, throttle=PASSKEY_LOGIN)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Log in with what the device has signed; as it asks for a finger or a PIN, no code is needed."""
        given: PasskeyLoginIn = req.context.json

        def take(session: Session) -> OpenSession | None:
            user_id = take_passkey(
                session, site=self._site, challenge=given.challenge, credential=given.credential
            )
            return None if user_id is None else self.complete(session, req, user_id)

        opened = await self._transactions.write_all(take)
        if opened is None:
            raise InvalidGrant("the passkey is not known, or the login has to begin anew")
        self.send(resp, opened)


class MyPasskeys:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._site = site_of(collaborators.settings)

    @endpoint(TAG, answers={200: PasskeyPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the devices that log one in."""
        user_id = req.context.principal.user_id
        rows = await self._transactions.read(lambda session: passkeys_of(session, user_id=user_id))
        ok(PasskeyPage([PasskeyOut.of(row) for row in rows])).send(resp)

    @endpoint(TAG, json=NewPasskeyIn, answers={201: PasskeyOut}, is_idempotent=False)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Keep the passkey that a device has made."""
        user_id = req.context.principal.user_id
        given: NewPasskeyIn = req.context.json
        row = await self._transactions.write(
            lambda session: add_passkey(
                session,
                site=self._site,
                user_id=user_id,
                challenge=given.challenge,
                name=given.name,
                credential=given.credential,
            )
        )
        created(PasskeyOut.of(row)).send(resp)


class NewPasskeyOptions:
    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._site = site_of(collaborators.settings)

    @endpoint(
        TAG, json=ReauthenticationIn, answers={201: AskedOut}, is_idempotent=False, throttle=PASSWORD_CHECK
    )
    async def on_post(self, req: Request, resp: Response) -> None:
        """Begin to make a passkey; needs the password once more."""
        user_id = req.context.principal.user_id
        asked = await write_with_password(
            self._collaborators,
            user_id=user_id,
            password=req.context.json.password,
            service=lambda session: ask_for_new_passkey(session, site=self._site, user_id=user_id),
        )
        send_secret(resp, created(AskedOut(asked.challenge, dict(asked.options))))


class OnePasskey:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, passkey_id: UUID) -> None:
        """Have a device log one in no more."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: delete_passkey(session, user_id=user_id, passkey_id=passkey_id)
        )
        no_content().send(resp)


def site_of(settings: Settings) -> Site:
    return Site(settings.passkey_site, settings.web_origins)
