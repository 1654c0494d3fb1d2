"""How messages leave: webhooks from the event loop, mails and pushes from threads."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, Self

from core import clock
from core.charts.renderer import ChartRenderer
from core.mail_messages import AddressRefused, MailRefused
from core.mailer import MailBroken, MailDeferred, MailUnavailable, new_mailer
from core.mails.composing import load_content, write_mail
from core.outgoing.push import send_push
from core.outgoing.targets import Policy
from core.outgoing.webhooks import WebhookSender, signing_secrets, webhook_body
from core.queries.letters import Links
from core.rules.deliveries import Fate, Outcome
from core.rules.messages import Message
from core.rules.notification_texts import message_text
from workers.runtime import Runtime

MAIL_THREADS, PUSH_THREADS = 4, 16
"""For what blocks. There is one mail server, which has four mails at a time; services are many."""


CHART_TIME_S = 10.0
"""For the picture in a digest, which takes a tenth of a second on an idle machine."""


class Sender(Protocol):
    """Sends messages while it is open."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *_exception: object) -> None: ...

    async def send(self, message: Message) -> Outcome:
        """Send once. Whatever the other end does is an outcome, not an error."""


class Senders:
    """All three kinds, for one event loop at a time."""

    def __init__(self, runtime: Runtime) -> None:
        settings = runtime.settings
        self._database = runtime.database
        self._secret = settings.secret
        self._policy = Policy(settings.private_targets == "allow")
        self._schemes = settings.allowed_push_schemes
        self._mailer = new_mailer(settings.mail, settings.mail_from)
        self._links = Links(settings.public_url, settings.secret)
        self._renderer = ChartRenderer(timeout_s=CHART_TIME_S)

    async def __aenter__(self) -> Self:
        # Each kind has its own: services that are slow must not keep the mails waiting.
        self._mailing = ThreadPoolExecutor(MAIL_THREADS, thread_name_prefix="mail")
        self._pushing = ThreadPoolExecutor(PUSH_THREADS, thread_name_prefix="push")
        self._webhooks = await WebhookSender(self._policy).__aenter__()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._webhooks.__aexit__()
        for threads in (self._mailing, self._pushing):
            threads.shutdown(wait=False, cancel_futures=True)

    async def send(self, message: Message) -> Outcome:
        match message.receiver.kind:
            case "webhook":
                return await self._send_webhook(message)
            case "push":
                return await self._in_thread(self._pushing, self._send_push, message)
            case "email":
                return await self._in_thread(self._mailing, self._send_mail, message)

    async def _in_thread(
        self, threads: ThreadPoolExecutor, send: Callable[[Message], Outcome], message: Message
    ) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(threads, send, message)

    async def _send_webhook(self, message: Message) -> Outcome:
        [part] = message.parts
        body = webhook_body(kind=part.kind, created_at=part.created_at, seq=part.seq, data=dict(part.data))
        secrets = signing_secrets(self._secret, message.receiver, clock.now())
        return await self._webhooks.post(
            message.receiver.url, message_id=str(message.id), body=body, secrets=secrets
        )

    def _send_push(self, message: Message) -> Outcome:
        title, body = message_text([(part.kind, part.data) for part in message.parts])
        return send_push(
            message.receiver.url, title=title, body=body, schemes=self._schemes, policy=self._policy
        )

    def _send_mail(self, message: Message) -> Outcome:
        with self._database.reading_rows() as rows:
            content = load_content(rows, message)
        if content is None:
            return Outcome(Fate.MOOT, error="there is no verified address")
        # No connection is held while a chart is drawn.
        mail = write_mail(content, message, links=self._links, renderer=self._renderer)
        try:
            self._mailer.send(mail)
        except AddressRefused as error:
            return Outcome(Fate.GONE, error=error.detail)
        except MailRefused as error:
            return Outcome(Fate.MOOT, error=error.detail)
        except (MailDeferred, MailBroken) as error:
            return Outcome(Fate.FAILED, error=error.detail)
        except MailUnavailable as error:
            return Outcome(Fate.AWAY, error=error.detail)
        return Outcome(Fate.SENT)
