"""Sends mail: over SMTP, or into a folder where nobody has a mail server."""

import math
import os
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from core import clock
from core.errors import ConfigurationError, OutlayError
from core.logging import get_logger
from core.mail_messages import AddressRefused, Mail, MailRefused, message_line, parse_address, written_message

TIMEOUT_S = 10.0
"""For connecting and for each answer. A submission server gives them within a second or two; the minutes of
RFC 5321, section 4.5.3.2, are for relays, and longer than a task may live."""

STEPS_TIME_S = 10.0
"""A server that is slow with every answer is asked nothing more after this, neither while a connection is
made ready nor for the mail itself: a task has more mails to send, and a minute."""

GOODBYE_TIMEOUT_S = 1.0
"""The mail has been taken by then: nothing is lost if the server does not say goodbye."""

SUBMISSION_PORT, SUBMISSIONS_PORT = 587, 465
"""RFC 6409 and RFC 8314."""

SHUTTING_DOWN, LOGIN_REQUIRED = 421, 530
"""Replies that tell of the connection (RFC 5321, section 3.8; RFC 4954, section 6), or of a mail by a server
that means something else."""

TOO_LARGE = 552
"""The one reply to MAIL that tells of the mail (RFC 1870, section 6)."""

NO_SUCH_MAILBOX = frozenset({550, 551, 553})
"""Replies to RCPT that tell of the address for good (RFC 5321, section 4.2.3); others tell of the mail."""

SHORTEST_REFUSAL = 500
"""From here on an SMTP reply means never, below it means not now (RFC 5321, section 4.2.1)."""

log = get_logger(__name__)

Security = Literal["implicit", "required", "offered"]


class MailUnavailable(OutlayError):
    """The server cannot be worked with now: it has not got as far as to hear of the mail."""


class MailDeferred(OutlayError):
    """The server does not take this mail now; it may well take others."""


class MailBroken(OutlayError):
    """The connection ended in the middle of the mail: because of the mail, or because of the server."""


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Hand the mail over; once this returns, it is another's to deliver.

        Raises:
            MailRefused, MailDeferred, MailBroken, MailUnavailable.
        """


class _Connection(smtplib.SMTP):
    """Asks for nothing more once the time for that is over."""

    ends_at = math.inf

    def putcmd(self, cmd: str, args: str = "") -> None:
        if time.monotonic() > self.ends_at:
            # As if the server had gone: then smtplib tells what it has said before.
            raise smtplib.SMTPServerDisconnected("it takes too long")
        super().putcmd(cmd, args)


class _TlsConnection(_Connection, smtplib.SMTP_SSL):
    """The same, with TLS from the first byte on."""


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """One connection a mail."""

    host: str
    port: int
    sender: Address
    security: Security
    username: str = ""
    password: str = field(default="", repr=False)
    timeout_s: float = TIMEOUT_S
    steps_time_s: float = STEPS_TIME_S

    def send(self, mail: Mail) -> None:
        to = parse_address(mail.to)
        message = written_message(mail, to, self.sender)
        with self._connection() as connection:
            connection.ends_at = time.monotonic() + self.steps_time_s
            try:
                connection.send_message(message, _mailbox(self.sender), [_mailbox(to)])
            except smtplib.SMTPNotSupportedError as error:
                raise MailRefused("the mail server takes no addresses in other letters than ASCII") from error
            except smtplib.SMTPRecipientsRefused as error:
                [(code, reply)] = error.recipients.values()
                if code in NO_SUCH_MAILBOX:
                    raise AddressRefused(f"the mail server said {code} {_text(reply)}") from error
                raise _refusal(code, reply) from error
            except smtplib.SMTPSenderRefused as error:
                detail = f"{self.sender.addr_spec} may not send: {_said(error)}"
                if error.smtp_code == TOO_LARGE or not to.username.isascii():  # MAIL says SMTPUTF8 then
                    raise MailDeferred(detail) from error
                raise MailUnavailable(detail) from error  # it is every mail's sender
            except smtplib.SMTPResponseException as error:
                raise _refusal(error.smtp_code, error.smtp_error) from error
            except (OSError, smtplib.SMTPException) as error:
                raise MailBroken(f"{self._name} broke off: {error!r}") from error
        log.info("mail.sent", message_id=mail.message_id)

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        try:
            connection = self._connect()
        except smtplib.SMTPResponseException as error:
            raise MailUnavailable(f"{self._name}: {_said(error)}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise MailUnavailable(f"{self._name}: {error}") from error
        try:
            yield connection
        finally:
            _hang_up(connection)

    def _connect(self) -> _Connection:
        # This machine's own name would be asked of the name servers, which takes its time.
        connect: Callable[..., _Connection] = _Connection
        if self.security == "implicit":
            connect = partial(_TlsConnection, context=ssl.create_default_context())
        ends_at = time.monotonic() + self.steps_time_s
        connection = connect(self.host, self.port, local_hostname=self.sender.domain, timeout=self.timeout_s)
        connection.ends_at = ends_at
        try:
            connection.ehlo_or_helo_if_needed()
            if self.security == "required" or (
                self.security == "offered" and connection.has_extn("starttls")
            ):
                connection.starttls(context=self._starttls_context())
            if self.username:
                connection.login(self.username, self.password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _starttls_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.security == "offered":
            # Nothing at all would do as well; so does a certificate that nobody knows (RFC 7435).
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    @property
    def _name(self) -> str:
        return f"the mail server {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FolderMailer:
    """Each mail a file, for a system without a mail server; its operator sees the tokens in it."""

    folder: Path
    sender: Address

    def send(self, mail: Mail) -> None:
        to = parse_address(mail.to)
        now = clock.now()
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{mail.message_id}.eml"
        content = written_message(mail, to, self.sender, is_for_reading=True).as_bytes()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            half_written = self.folder / f".{name}.{os.getpid()}"
            descriptor = os.open(half_written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            half_written.replace(self.folder / name)
        except OSError as error:
            raise MailUnavailable(f"{self.folder}: {error.strerror or error}") from error
        log.info("mail.written", message_id=mail.message_id, file=name)


def new_mailer(url: str, sender: str) -> Mailer:
    """The mailer that `OUTLAY_MAIL_URL` and `OUTLAY_MAIL_FROM` ask for. Nothing is connected before it sends.

    Raises:
        ConfigurationError: names the variable that is malformed.
    """
    address = _sender(sender)
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path and not options:
            return FolderMailer(Path(unquote(parts.path)), address)
        if parts.scheme in ("smtp", "smtps") and parts.hostname and parts.path in ("", "/"):
            username, password = unquote(parts.username or ""), unquote(parts.password or "")
            default_port = SUBMISSIONS_PORT if parts.scheme == "smtps" else SUBMISSION_PORT
            security = _security(parts.scheme, options, has_password=bool(password))
            return SmtpMailer(
                parts.hostname, parts.port or default_port, address, security, username, password
            )
    except ValueError as error:
        raise ConfigurationError(f"OUTLAY_MAIL_URL: {error}") from error
    raise ConfigurationError(
        "OUTLAY_MAIL_URL: needs smtp://user:password@host:port, smtps:// or file:///folder"
    )


def _sender(text: str) -> Address:
    name, address = parseaddr(text)
    try:
        parsed = parse_address(address)
    except MailRefused as error:
        raise ConfigurationError("OUTLAY_MAIL_FROM: needs an address, such as Name <me@host>") from error
    return Address(message_line(name), parsed.username, parsed.domain)


def _security(scheme: str, options: dict[str, str], *, has_password: bool) -> Security:
    if scheme == "smtps" and not options:
        return "implicit"
    # A password in the clear only for those who ask for it.
    chosen = options.pop("tls", "required" if has_password else "offered")
    if scheme == "smtp" and not options:
        if chosen == "required":
            return "required"
        if chosen == "offered":
            return "offered"
    raise ValueError("the one option is ?tls=required or ?tls=offered, of smtp://")


def _mailbox(address: Address) -> str:
    return f"{address.username}@{address.domain}"


def _refusal(code: int, reply: bytes | str) -> OutlayError:
    detail = f"the mail server said {code} {_text(reply)}"
    if code in (SHUTTING_DOWN, LOGIN_REQUIRED):
        return MailBroken(detail)
    return MailRefused(detail) if code >= SHORTEST_REFUSAL else MailDeferred(detail)


def _said(error: smtplib.SMTPResponseException) -> str:
    return f"{error.smtp_code} {_text(error.smtp_error)}"


def _text(reply: bytes | str) -> str:
    return message_line(reply.decode(errors="replace") if isinstance(reply, bytes) else reply)


def _hang_up(connection: smtplib.SMTP) -> None:
    try:
        if connection.sock is not None:
            connection.sock.settimeout(GOODBYE_TIMEOUT_S)
            connection.quit()
    except (OSError, smtplib.SMTPException) as error:
        log.debug("mail.no_goodbye", error=error)
    finally:
        connection.close()
