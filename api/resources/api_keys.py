from uuid import UUID

from falcon.asgi import Request, Response

from api.answers import created, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.schemas.credentials import ApiKeyIn, ApiKeyOut, ApiKeyPage
from api.token_issuing import send_secret
from core.queries.api_keys import api_keys_of
from core.services.api_keys import create_api_key, delete_api_key

TAG = "Accounts"


class ApiKeys:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: ApiKeyPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the keys of the own programs, the newest first."""
        user_id = req.context.principal.user_id
        rows = await self._transactions.read(lambda session: api_keys_of(session, user_id=user_id))
        ok(ApiKeyPage([ApiKeyOut.of(row) for row in rows])).send(resp)

    @endpoint(TAG, json=ApiKeyIn, answers={201: ApiKeyOut}, is_idempotent=False)
    async def on_post(self, req: Request, resp: Response) -> None:
        """Make a key for a program, which may do what its scopes say; it is shown this once."""
        principal = req.context.principal
        given: ApiKeyIn = req.context.json
        new = await self._transactions.write(
            lambda session: create_api_key(
                session,
                user_id=principal.user_id,
                session_id=principal.session_id,
                name=given.name,
                scopes=given.scopes,
                expires_at=given.expires_at,
            )
        )
        send_secret(resp, created(ApiKeyOut.of(new.row, new.key)))


class OneApiKey:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._authentication = collaborators.authentication

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, key_id: UUID) -> None:
        """Delete a key; it is dead within a second."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: delete_api_key(session, user_id=user_id, key_id=key_id)
        )
        self._authentication.forget(user_id, key_id)
        no_content().send(resp)
