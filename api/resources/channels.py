from uuid import UUID

from falcon.asgi import Request, Response
from msgspec import UnsetType
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, created, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.resources.deliveries import delivery_page, retried
from api.schemas.channels import (
    ChannelIn,
    ChannelOut,
    ChannelPage,
    ChannelPatch,
    ChannelTestOut,
    DeliveryOut,
    DeliveryPage,
    DeliveryQuery,
)
from api.throttles import OUTGOING_TEST
from core.queries.channels import ChannelRecord, list_channels, load_channel, verified_address
from core.rules.notification_kinds import ChannelKind
from core.services import channels

TAG = "Channels"

KINDS: tuple[ChannelKind, ...] = ("email", "push")


class Channels:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._targets = collaborators.channel_targets

    @endpoint(TAG, answers={200: ChannelPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List the channels: the one for mails, and push and chat services."""
        user_id = req.context.principal.user_id
        found = await self._transactions.read_rows(
            lambda rows: list_channels(rows, user_id=user_id, kinds=KINDS)
        )
        ok(ChannelPage([ChannelOut.of(channel) for channel in found])).send(resp)

    @endpoint(TAG, json=ChannelIn, answers={201: ChannelOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have notifications pushed to a service, such as ntfy, Gotify, Telegram, Matrix or Slack.

        What comes within a minute of a message is the next message together. The URL is never shown again.
        """
        user_id, given = req.context.principal.user_id, req.context.json
        host = await self._targets.host_of_push(given.url)
        new = channels.NewChannel(kind="push", url=given.url, host=host, name=given.name)

        def create(session: Session) -> Answer:
            channel = channels.create_channel(session, user_id=user_id, channel=new)
            view = ChannelOut.of(channel)
            return created(view, location=f"/v1/channels/{channel.id}", version=channel.version)

        (await self._transactions.post(req, user_id, create)).send(resp)


class OneChannel:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._targets = collaborators.channel_targets

    @endpoint(TAG, answers={200: ChannelOut})
    async def on_get(self, req: Request, resp: Response, channel_id: UUID) -> None:
        """Read a channel."""
        user_id = req.context.principal.user_id
        channel = await self._transactions.read_rows(
            lambda rows: load_channel(rows, user_id=user_id, channel_id=channel_id, kinds=KINDS)
        )
        ok(ChannelOut.of(channel), version=channel.version).send(resp)

    @endpoint(TAG, json=ChannelPatch, answers={200: ChannelOut})
    async def on_patch(self, req: Request, resp: Response, channel_id: UUID) -> None:
        """Change a channel, or switch it off or on again; what is due while it is off is dead."""
        user_id, given = req.context.principal.user_id, req.context.json
        changes = given.to_changes()
        if not isinstance(given.url, UnsetType):
            changes |= {"url": given.url, "host": await self._targets.host_of_push(given.url)}
        channel = await self._transactions.write(
            lambda session: channels.change_channel(
                session,
                user_id=user_id,
                channel_id=channel_id,
                of_kinds=KINDS,
                changes=changes,
                expected_versions=expected_versions(req),
            )
        )
        ok(ChannelOut.of(channel), version=channel.version).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, channel_id: UUID) -> None:
        """Delete a channel with its deliveries; the one for mails can only be switched off."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: channels.delete_channel(
                session,
                user_id=user_id,
                channel_id=channel_id,
                of_kinds=KINDS,
                expected_versions=expected_versions(req),
            )
        )
        no_content().send(resp)


class ChannelTest:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._targets = collaborators.channel_targets

    @endpoint(TAG, answers={200: ChannelTestOut}, is_idempotent=False, throttle=OUTGOING_TEST)
    async def on_post(self, req: Request, resp: Response, channel_id: UUID) -> None:
        """Send a test message now, and say what has become of it; 409 when the address is not verified."""
        user_id = req.context.principal.user_id

        def load(rows: Connection) -> tuple[ChannelRecord, str | None]:
            channel = load_channel(rows, user_id=user_id, channel_id=channel_id, kinds=KINDS)
            return channel, verified_address(rows, user_id=user_id)

        channel, address = await self._transactions.read_rows(load)
        ok(ChannelTestOut.of(await self._targets.try_out(channel, address))).send(resp)


class ChannelDeliveries:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=DeliveryQuery, answers={200: DeliveryPage})
    async def on_get(self, req: Request, resp: Response, channel_id: UUID) -> None:
        """List what was sent on a channel or waits to be, the newest first; it is kept for 90 days."""
        page = delivery_page(req, channel_id=channel_id, kinds=KINDS)
        (await self._transactions.read_rows(page)).send(resp)


class ChannelDeliveryRetry:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: DeliveryOut})
    async def on_post(self, req: Request, resp: Response, channel_id: UUID, delivery_id: UUID) -> None:
        """Have a channel's delivery that has failed or is dead tried again at once, and for three days."""
        retry = retried(req, channel_id=channel_id, delivery_id=delivery_id, kinds=KINDS)
        (await self._transactions.post(req, req.context.principal.user_id, retry)).send(resp)
