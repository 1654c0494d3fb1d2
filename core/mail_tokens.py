"""The codes of mails about an account: `<user id and seconds>.<derived token>`, never stored.

What a code proves something about goes into its proof: with another address, or another password, it is void.
So the code that sets a password works once.
"""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from core.security import derive_token

VERIFY_EMAIL = "verify-email"
"""Covers the key of the address."""
RESET_PASSWORD = "reset-password"  # noqa: S105 - the name of a purpose
"""See `reset_cover`."""

PAUSE = timedelta(minutes=1)
"""Between two mails with a code: enough for one to arrive, and nobody's inbox is flooded."""

REFUSAL = "not a valid code, or an expired one"
"""Whatever is the matter with it: whoever tries codes learns nothing."""

TOKEN_CHARACTERS = 71
"""Fits into a line of a mail."""


@dataclass(frozen=True, slots=True)
class MailClaims:
    """What a code says of itself. It is worth nothing before it is checked."""

    user_id: UUID
    expires_at: datetime


def mail_token(secret: str, purpose: str, *, user_id: UUID, covers: str, expires_at: datetime) -> str:
    """Valid until the full second before `expires_at`, as long as what it `covers` stays the same."""
    # Four bytes of seconds last until 2106.
    claims = user_id.bytes + int(expires_at.timestamp()).to_bytes(4, "big")
    proof = derive_token(secret, purpose, claims.hex(), covers)
    return f"{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.{proof}"


def read_mail_token(token: str) -> MailClaims | None:
    """What the code says; None when it says nothing."""
    text, _, _ = token.partition(".")
    try:
        claims = base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}".encode("ascii"))
    except ValueError:
        return None
    if len(claims) != 20:
        return None
    expires_at = datetime.fromtimestamp(int.from_bytes(claims[16:], "big"), UTC)
    return MailClaims(UUID(bytes=claims[:16]), expires_at)


def is_mail_token(secret: str, purpose: str, token: str, claims: MailClaims, *, covers: str) -> bool:
    """Whether we made the code, for what it is to cover."""
    made = mail_token(secret, purpose, user_id=claims.user_id, covers=covers, expires_at=claims.expires_at)
    return hmac.compare_digest(made.encode(), token.encode())


def reset_cover(password_hash: str, email_key: str) -> str:
    """The code that sets a password is void once there is another password, or another address."""
    return f"{password_hash} {email_key}"
