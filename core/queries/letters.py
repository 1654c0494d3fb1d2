"""What the texts of mails are made of.

Outlay has no web pages, so a mail shows a token and the call to send it with: for people with a client that
asks for it, and for those without one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from core.mail_messages import InlineImage
from core.security import derive_token


@dataclass(frozen=True, slots=True)
class Letter:
    """What a template writes, as `Mail` has it. Names in it are taken as they are: `message_line` makes one
    line of them.
    """

    to: str
    subject: str
    text: str
    html: str = ""
    images: tuple[InlineImage, ...] = ()
    unsubscribe_url: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """What leads from a mail back to this system."""

    public_url: str
    secret: str = field(repr=False)

    def token(self, purpose: str, *parts: str) -> str:
        """See `derive_token`: whoever stores its `hash_token` derives it in the same way."""
        return derive_token(self.secret, purpose, *parts)

    def call(self, path: str, body: Mapping[str, str] | None = None, *, needs_login: bool = False) -> str:
        """The POST of `path`, such as `/v1/auth/verify-email`, as a command that can be copied."""
        lines = [f"curl -X POST {self.public_url.rstrip('/')}{path}"]
        if needs_login:
            lines.append('-H "Authorization: Bearer $TOKEN"')
        if body is not None:
            lines.append("-H 'Content-Type: application/json'")
            # Tokens and ids have no quotes in them.
            lines.append(f"-d '{json.dumps(body)}'")
        return " \\\n      ".join(lines)


def until(instant: datetime) -> str:
    return f"{instant:%d %B %Y, %H:%M} UTC"
