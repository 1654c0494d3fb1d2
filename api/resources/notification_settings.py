from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, expected_versions, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.schemas.notification_settings import SettingsIn, SettingsOut
from core.queries.notification_settings import load_settings_of
from core.services.notification_settings import set_settings

TAG = "Notifications"


class MyNotificationSettings:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: SettingsOut})
    async def on_get(self, req: Request, resp: Response) -> None:
        """Read what goes out on which channel, the quiet hours, and when digests come."""
        user_id = req.context.principal.user_id
        record = await self._transactions.read_rows(lambda rows: load_settings_of(rows, user_id=user_id))
        ok(SettingsOut.of(record), version=record.version).send(resp)

    @endpoint(TAG, json=SettingsIn, answers={200: SettingsOut})
    async def on_put(self, req: Request, resp: Response) -> None:
        """Replace all settings; what is left out goes back to its default."""
        user_id = req.context.principal.user_id
        given = req.context.json.to_input()

        def put(session: Session) -> Answer:
            record = set_settings(
                session, user_id=user_id, given=given, expected_versions=expected_versions(req)
            )
            return ok(SettingsOut.of(record), version=record.version)

        (await self._transactions.write(put)).send(resp)
