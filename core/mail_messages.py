"""What mails are: to whom, and how they are written down."""

import re
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from unicodedata import normalize

from core import clock
from core.errors import OutlayError

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


class MailRefused(OutlayError):
    """This mail will never be taken: the server says no for good."""


class AddressRefused(MailRefused):
    """No mail to this address will ever be taken: it is malformed, or the server knows of no such mailbox."""


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


def written_message(
    mail: Mail, to: Address, sender: Address, *, is_for_reading: bool = False
) -> EmailMessage:
    """The mail as it is sent, or as it is kept in a file for somebody to read."""
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
