"""A real SMTP server in a thread of the test process, and what it has been told."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from core.commands.ports import free_port

MAIL_FROM = "Outlay <outlay@example.org>"


@dataclass
class MailServer:
    """What it has taken, and what it says instead of yes; `port` stays the same when it comes back."""

    port: int = field(default_factory=free_port)
    received: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    """The same as they came over the wire."""
    senders: list[str] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    """The reply to RCPT by address."""
    data_reply: str | None = None
    mail_reply: str | None = None
    dropped: set[str] = field(default_factory=set)
    """The addresses at whose mails it hangs up instead of taking them."""
    ignored: set[str] = field(default_factory=set)
    """The addresses to which it never answers."""
    thinks_for_s: float = 0.0
    """Before it answers MAIL."""

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    @contextmanager
    def running(self, **options: Any) -> Iterator["MailServer"]:
        controller = Controller(self, hostname="127.0.0.1", port=self.port, **options)
        controller.start()
        try:
            yield self
        finally:
            controller.stop()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        await asyncio.sleep(self.thinks_for_s)
        if self.mail_reply is not None:
            return self.mail_reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address in self.ignored:
            await asyncio.Event().wait()  # until the other side has had enough
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.dropped & set(envelope.rcpt_tos):
            server.transport.abort()
            return "451 gone"
        if self.data_reply is not None:
            return self.data_reply
        message = message_from_bytes(envelope.content, _class=EmailMessage, policy=SMTPUTF8)
        self.received.append(message)
        self.raw.append(envelope.content)
        self.senders.append(envelope.mail_from)
        self.recipients += envelope.rcpt_tos
        return "250 taken"


@contextmanager
def silent_server() -> Iterator[socket.socket]:
    """Lets everybody connect and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def authenticator(username: str, password: str) -> Any:
    """Lets in whoever has this password."""

    def authenticate(
        _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword
    ) -> AuthResult:
        is_right = (given.login, given.password) == (username.encode(), password.encode())
        return AuthResult(success=is_right, handled=is_right)

    return authenticate


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def text_of(message: EmailMessage) -> str:
    """With line ends as they were written; on their way they are others."""
    text: str = message.get_content()
    return text.replace("\r\n", "\n")


def mails_in(folder: Path) -> list[EmailMessage]:
    """What a folder of mails holds, the oldest first."""
    return [
        message_from_bytes(path.read_bytes(), _class=EmailMessage, policy=SMTPUTF8)
        for path in sorted(folder.glob("*.eml"))
    ]
