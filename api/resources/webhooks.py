from uuid import UUID

import msgspec
from falcon.asgi import Request, Response
from msgspec import UnsetType
from sqlalchemy.orm import Session

from api.answers import Answer, created, encoder, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.resources.deliveries import delivery_page, retried
from api.schemas.channels import (
    ChannelTestOut,
    DeliveryOut,
    DeliveryPage,
    DeliveryQuery,
    WebhookIn,
    WebhookOut,
    WebhookPage,
    WebhookPatch,
    WebhookWithSecretOut,
)
from api.throttles import OUTGOING_TEST
from core.outgoing.webhooks import webhook_secret
from core.queries.channels import list_channels, load_channel
from core.rules.notification_kinds import ChannelKind
from core.services import channels

TAG = "Webhooks"

KINDS: tuple[ChannelKind, ...] = ("webhook",)


class _Secrets:
    """Adds secrets to answers. They are derived, so that none is ever stored, not even with an answer that
    is kept for an `Idempotency-Key`: a repetition derives it again."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._secret = collaborators.settings.secret

    def shown_in(self, answer: Answer, user_id: UUID) -> Answer:
        document = msgspec.json.decode(answer.body or b"{}")
        channel_id, issue = UUID(document["id"]), document["secret_issue"]
        secret = webhook_secret(self._secret, user_id=user_id, channel_id=channel_id, issue=issue)
        return msgspec.structs.replace(answer, body=encoder.encode({**document, "secret": secret}))


class Webhooks:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._targets = collaborators.channel_targets
        self._secrets = _Secrets(collaborators)

    @endpoint(TAG, answers={200: WebhookPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the webhooks, the oldest first."""
        user_id = req.context.principal.user_id
        found = await self._transactions.read_rows(
            lambda rows: list_channels(rows, user_id=user_id, kinds=KINDS)
        )
        ok(WebhookPage([WebhookOut.of(channel) for channel in found])).send(resp)

    @endpoint(TAG, json=WebhookIn, answers={201: WebhookWithSecretOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have notifications posted to a URL, signed by the Standard Webhooks specification.

        The secret is in this answer only, and in that of a repetition with the same `Idempotency-Key`. Each
        notification comes at least once, with the same `webhook-id` at each try. Any 2xx within ten seconds
        is success; redirects are not followed; 410 switches the webhook off; anything else is tried again
        for three days.
        """
        user_id, given = req.context.principal.user_id, req.context.json
        host = await self._targets.host_of_webhook(given.url)
        new = channels.NewChannel(
            kind="webhook", url=given.url, host=host, name=given.name, kinds=given.kinds
        )

        def create(session: Session) -> Answer:
            channel = channels.create_channel(session, user_id=user_id, channel=new)
            view = WebhookOut.of(channel)
            return created(view, location=f"/v1/webhooks/{channel.id}", version=channel.version)

        answer = await self._transactions.post(req, user_id, create)
        self._secrets.shown_in(answer, user_id).send(resp)


class OneWebhook:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._targets = collaborators.channel_targets

    @endpoint(TAG, answers={200: WebhookOut})
    async def on_get(self, req: Request, resp: Response, webhook_id: UUID) -> None:
        """Read a webhook."""
        user_id = req.context.principal.user_id
        channel = await self._transactions.read_rows(
            lambda rows: load_channel(rows, user_id=user_id, channel_id=webhook_id, kinds=KINDS)
        )
        ok(WebhookOut.of(channel), version=channel.version).send(resp)

    @endpoint(TAG, json=WebhookPatch, answers={200: WebhookOut})
    async def on_patch(self, req: Request, resp: Response, webhook_id: UUID) -> None:
        """Change a webhook, or switch it off or on again.

        What waits goes to the new URL; what is due while it is off is dead.
        """
        user_id, given = req.context.principal.user_id, req.context.json
        changes = given.to_changes()
        if not isinstance(given.url, UnsetType):
            changes |= {"url": given.url, "host": await self._targets.host_of_webhook(given.url)}
        channel = await self._transactions.write(
            lambda session: channels.change_channel(
                session,
                user_id=user_id,
                channel_id=webhook_id,
                of_kinds=KINDS,
                changes=changes,
                expected_versions=expected_versions(req),
            )
        )
        ok(WebhookOut.of(channel), version=channel.version).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, webhook_id: UUID) -> None:
        """Delete a webhook with its deliveries."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: channels.delete_channel(
                session,
                user_id=user_id,
                channel_id=webhook_id,
                of_kinds=KINDS,
                expected_versions=expected_versions(req),
            )
        )
        no_content().send(resp)


class WebhookRotation:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._secrets = _Secrets(collaborators)

    @endpoint(TAG, answers={200: WebhookWithSecretOut})
    async def on_post(self, req: Request, resp: Response, webhook_id: UUID) -> None:
        """Give a webhook a new secret, shown in this answer only.

        For 24 hours messages are signed with the old one as well, and with those that still sign then:
        whoever has lost this answer rotates again. Five sign at a time.
        """
        user_id = req.context.principal.user_id

        def rotate(session: Session) -> Answer:
            channel = channels.rotate_secret(session, user_id=user_id, channel_id=webhook_id)
            return ok(WebhookOut.of(channel), version=channel.version)

        answer = await self._transactions.post(req, user_id, rotate)
        self._secrets.shown_in(answer, user_id).send(resp)


class WebhookTest:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._targets = collaborators.channel_targets

    @endpoint(TAG, answers={200: ChannelTestOut}, is_idempotent=False, throttle=OUTGOING_TEST)
    async def on_post(self, req: Request, resp: Response, webhook_id: UUID) -> None:
        """Post a message of the type `test` now, and say what has become of it."""
        user_id = req.context.principal.user_id
        channel = await self._transactions.read_rows(
            lambda rows: load_channel(rows, user_id=user_id, channel_id=webhook_id, kinds=KINDS)
        )
        ok(ChannelTestOut.of(await self._targets.try_out(channel, None))).send(resp)


class WebhookDeliveries:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=DeliveryQuery, answers={200: DeliveryPage})
    async def on_get(self, req: Request, resp: Response, webhook_id: UUID) -> None:
        """List what was sent to a webhook or waits to be, the newest first; it is kept for 90 days."""
        page = delivery_page(req, channel_id=webhook_id, kinds=KINDS)
        (await self._transactions.read_rows(page)).send(resp)


class WebhookDeliveryRetry:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: DeliveryOut})
    async def on_post(self, req: Request, resp: Response, webhook_id: UUID, delivery_id: UUID) -> None:
        """Have a webhook's delivery that has failed or is dead tried again at once, and for three days."""
        retry = retried(req, channel_id=webhook_id, delivery_id=delivery_id, kinds=KINDS)
        (await self._transactions.post(req, req.context.principal.user_id, retry)).send(resp)
