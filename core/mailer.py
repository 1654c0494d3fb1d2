"""Sends mail: over SMTP, or into a folder where nobody has a mail server."""

import logging
import math
import os
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import parseaddr
from functools import partial
from pathlib import Path
from typing import Literal, Protocol
from unicodedata import normalize
from urllib.parse import parse_qsl, unquote, urlsplit

from core import clock
from core.errors import ConfigurationError, OutlayError

TIMEOUT_S = 10.0
"""For connecting and for each answer. A submission server gives them within a second or two; the minutes of
RFC 5321, section 4.5.3.2, are for relays, and longer than a task may live."""

MAIL_TIME_S = 15.0
"""A server that is slow with every answer is asked nothing more after this: a task has more mails to send."""

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

LONGEST_LINE = 900
"""Of a text that is sent as it is; 998 characters are allowed (RFC 5322, section 2.1.1)."""

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
LOCAL_PART = re.compile(rf"{ATOM}(?:\.{ATOM})*")
"""RFC 5322's dot-atom, with the letters that RFC 6532 adds. Quoted local parts nobody has."""

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
DOMAIN = re.compile(rf"{LABEL}(?:\.{LABEL})*")

MESSAGE_ID = re.compile(r"[A-Za-z0-9.-]{1,100}")

UNSUBSCRIBE = "List-Unsubscribe"


class _Policy(EmailPolicy):
    """Leaves the one header whole that clients read as a URL.

    Python would write what is longer than a line as an encoded word, which they do not decode.
    """

    def fold(self, name: str, value: str) -> str:
        return f"{name}: {value}{self.linesep}" if name == UNSUBSCRIBE else super().fold(name, value)

    def fold_binary(self, name: str, value: str) -> bytes:
        if name == UNSUBSCRIBE:
            return self.fold(name, value).encode("ascii")
        return super().fold_binary(name, value)


FOR_SENDING = _Policy(linesep="\r\n")
FOR_READING = _Policy(utf8=True)

log = logging.getLogger(__name__)

Security = Literal["implicit", "required", "offered"]


class MailRefused(OutlayError):
    """This mail will never be taken: the server says no for good."""


class AddressRefused(MailRefused):
    """No mail to this address will ever be taken: it is malformed, or the server knows of no such mailbox."""


class MailUnavailable(OutlayError):
    """The server cannot be worked with now: it has not got as far as to hear of the mail."""


class MailDeferred(OutlayError):
    """The server does not take this mail now; it may well take others."""


class MailBroken(OutlayError):
    """The connection ended in the middle of the mail: because of the mail, or because of the server."""


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A PNG that the page of a mail shows as `cid:<name>`."""

    name: str
    png: bytes = field(repr=False)
    description: str


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to one person. `message_id` is unique, and the same whenever this mail is sent again.

    `html` says the same as `text`, with `images` in it. `unsubscribe_url` is where a POST ends mails like
    this one, without a login and at once (RFC 8058).
    """

    to: str
    subject: str
    text: str
    message_id: str
    html: str = ""
    images: tuple[InlineImage, ...] = ()
    unsubscribe_url: str = ""


class Mailer(Protocol):
    def send(self, mail: Mail) -> None:
        """Hand the mail over; once this returns, it is another's to deliver.

        Raises:
            MailRefused, MailDeferred, MailBroken, MailUnavailable.
        """


class _Connection(smtplib.SMTP):
    """Asks for nothing more once the time of a mail is over."""

    ends_at = math.inf

    def putcmd(self, cmd: str, args: str = "") -> None:
        if time.monotonic() > self.ends_at:
            raise TimeoutError("it takes too long")
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
    time_s: float = MAIL_TIME_S

    def send(self, mail: Mail) -> None:
        to = parse_address(mail.to)
        message = _message(mail, to, self.sender)
        with self._connection() as connection:
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
        log.info("mail.sent to=%s message_id=%s", to.addr_spec, mail.message_id)

    @contextmanager
    def _connection(self) -> Iterator[smtplib.SMTP]:
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

    def _connect(self) -> smtplib.SMTP:
        # This machine's own name would be asked of the name servers, which takes its time.
        connect: Callable[..., _Connection] = _Connection
        if self.security == "implicit":
            connect = partial(_TlsConnection, context=ssl.create_default_context())
        ends_at = time.monotonic() + self.time_s
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
        content = _message(mail, to, self.sender, is_for_reading=True).as_bytes()
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
        log.info('mail.written to=%s subject="%s" file=%s', to.addr_spec, message_line(mail.subject), name)


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


def parse_address(text: str) -> Address:
    """An address without a name, its domain in ASCII so that any server takes it.

    Raises:
        AddressRefused: it is malformed, or its domain is one of the few that Python's codec (RFC 3490) takes
            for another one: "ß" became a letter of domains later (RFC 5891).
    """
    local, at, domain = text.rpartition("@")
    try:
        encoded = domain if domain.isascii() else domain.encode("idna").decode()
        if not domain.isascii() and encoded.encode().decode("idna") != normalize("NFC", domain).lower():
            raise AddressRefused("not an address that mail can be sent to: its domain is written ambiguously")
        domain = encoded
    except UnicodeError as error:
        raise AddressRefused("not an address: its domain cannot exist") from error
    if not (at and text.isprintable() and LOCAL_PART.fullmatch(local) and DOMAIN.fullmatch(domain)):
        raise AddressRefused("not an address that mail can be sent to")
    return Address(username=local, domain=domain)


def message_line(text: str) -> str:
    """The text as one line of printable characters, whatever somebody has written into a name."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _message(mail: Mail, to: Address, sender: Address, *, is_for_reading: bool = False) -> EmailMessage:
    if not MESSAGE_ID.fullmatch(mail.message_id):
        raise ValueError(f"no Message-ID can be made from {mail.message_id!r}")
    message = EmailMessage(policy=FOR_READING if is_for_reading else FOR_SENDING)
    message["Date"] = clock.now()
    message["Message-ID"] = f"<{mail.message_id}@{sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # no answer from those who are away (RFC 3834)
    message["From"] = sender
    message["To"] = to
    message["Subject"] = message_line(mail.subject)
    if mail.unsubscribe_url:
        message[UNSUBSCRIBE] = f"<{mail.unsubscribe_url}>"
        if mail.unsubscribe_url.startswith("https:"):  # with one click only then (RFC 8058, section 3.1)
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text, cte=_encoding(mail.text, is_for_reading=is_for_reading))
    if mail.html:
        _add_page(message, mail, is_for_reading=is_for_reading)
    return message


def _add_page(message: EmailMessage, mail: Mail, *, is_for_reading: bool) -> None:
    """The page beside the text, and what it shows within it, so that nothing is fetched to read it."""
    encoding = _encoding(mail.html, is_for_reading=is_for_reading)
    message.add_alternative(mail.html, subtype="html", cte=encoding)
    _, page = message.iter_parts()
    for image in mail.images:
        page.add_related(
            image.png, "image", "png",
            cid=f"<{image.name}>", disposition="inline", filename=f"{image.name}.png",
        )  # fmt: skip


def _encoding(text: str, *, is_for_reading: bool) -> str:
    is_plain = text.isascii() and max(map(len, text.splitlines()), default=0) <= LONGEST_LINE
    return "7bit" if is_plain else "8bit" if is_for_reading else "quoted-printable"


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
        log.debug("mail.no_goodbye error=%r", error)
    finally:
        connection.close()
