"""URLs that users give, checked before they are kept; and the messages that try them out."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from uuid import UUID

from core import clock
from core.config import Settings
from core.errors import Conflict, FieldError, InvalidInput, Overloaded
from core.ids import new_id
from core.mail_messages import Mail, MailRefused
from core.mailer import MailBroken, MailDeferred, MailUnavailable, new_mailer
from core.outgoing.push import read_push_url, send_push
from core.outgoing.targets import Policy, TargetRefused, check_name, read_target
from core.outgoing.webhooks import post_once, signing_secrets, webhook_body
from core.queries.channels import ChannelRecord
from core.rules.deliveries import Fate, Outcome

LOOK_UP_S = 3.0
"""Names that are not found by then are taken: they are looked up again for each message."""

LOOK_UP_THREADS = 4
"""Names whose servers are silent hold one for half a minute; meanwhile others are taken without."""

MAX_TESTS = 4
"""Messages that a process tries out at a time, one of a user: each may take as long as its receiver likes, a
mail up to 40 s."""

TITLE, BODY = "Outlay", "This is a test: notifications arrive here."


class ChannelTargets:
    """What the API itself has to do with other people's servers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._policy = Policy(settings.private_targets == "allow")
        # Apart from each other and from all else that waits for threads, such as files.
        self._looking_up = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="look-up")
        self._trying_out = ThreadPoolExecutor(MAX_TESTS, thread_name_prefix="try-out")
        self._testing: set[UUID] = set()

    def close(self) -> None:
        for threads in (self._looking_up, self._trying_out):
            threads.shutdown(wait=False, cancel_futures=True)

    async def host_of_webhook(self, url: str) -> str:
        """The host that a webhook's URL leads to.

        Raises:
            InvalidInput: nothing may be sent there.
        """
        try:
            target = read_target(url, self._policy)
            await self._check_name(target.host, target.url.port or 0)
        except TargetRefused as error:
            raise InvalidInput(FieldError("/url", error.detail)) from error
        return target.host

    async def host_of_push(self, url: str) -> str:
        """As `host_of_webhook`, of a push service; the scheme of one that has no host of its own."""
        try:
            schemes = self._settings.allowed_push_schemes
            service = await asyncio.to_thread(read_push_url, url, schemes=schemes, policy=self._policy)
            if not service.is_public:
                await self._check_name(service.host, 443)
        except TargetRefused as error:
            raise InvalidInput(FieldError("/url", error.detail)) from error
        return service.host

    async def _check_name(self, host: str, port: int) -> None:
        checking = asyncio.get_running_loop().run_in_executor(
            self._looking_up, check_name, host, port, self._policy
        )
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(checking, LOOK_UP_S)

    async def try_out(self, channel: ChannelRecord, address: str | None) -> Outcome:
        """Send a test message now; `address` is the user's, for mails.

        Raises:
            Conflict: the address is not verified, or a channel of the user's is being tried out.
            Overloaded: too many are being tried out.
        """
        if channel.user_id in self._testing:
            raise Conflict("a channel of yours is being tried out")
        if len(self._testing) >= MAX_TESTS:
            raise Overloaded("too many channels are being tried out", retry_after_s=10)
        self._testing.add(channel.user_id)
        try:
            return await self._try(channel, address)
        finally:
            self._testing.remove(channel.user_id)

    async def _try(self, channel: ChannelRecord, address: str | None) -> Outcome:
        in_thread = partial(asyncio.get_running_loop().run_in_executor, self._trying_out)
        match channel.kind:
            case "webhook":
                return await self._try_webhook(channel)
            case "push":
                return await in_thread(copy_context().run, self._try_push, channel.url)
            case "email":
                if address is None:
                    raise Conflict("the address of this account is not verified")
                return await in_thread(copy_context().run, self._try_mail, address, new_id())

    async def _try_webhook(self, channel: ChannelRecord) -> Outcome:
        now = clock.now()
        secrets = signing_secrets(self._settings.secret, channel, now)
        body = webhook_body(kind="test", created_at=now, seq=None, data={"message": BODY})
        return await post_once(
            self._policy, channel.url, message_id=str(new_id()), body=body, secrets=secrets
        )

    def _try_push(self, url: str) -> Outcome:
        schemes = self._settings.allowed_push_schemes
        return send_push(url, title=TITLE, body=BODY, schemes=schemes, policy=self._policy)

    def _try_mail(self, address: str, message_id: UUID) -> Outcome:
        mailer = new_mailer(self._settings.mail, self._settings.mail_from)
        try:
            mailer.send(Mail(address, TITLE, f"{BODY}\n", str(message_id)))
        except (MailRefused, MailDeferred, MailBroken, MailUnavailable) as error:
            return Outcome(Fate.FAILED, error=error.detail)
        return Outcome(Fate.SENT)
