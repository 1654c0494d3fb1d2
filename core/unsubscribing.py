"""Links that end a kind of mail for whoever got one, without a login (RFC 8058).

A link says whose mails and of which kind, and proves it with an HMAC. It holds for as long as the account and
the installation's secret do: somebody may want to be left alone by an old mail.
"""

import base64
import hmac
from dataclasses import dataclass
from uuid import UUID

from core.errors import NotFound
from core.security import derive_token

PURPOSE = "unsubscribe"
PATH = "/v1/unsubscribe"


@dataclass(frozen=True, slots=True)
class Subscription:
    """Mails of a kind to a user."""

    user_id: UUID
    kind: str


def unsubscribe_url(secret: str, public_url: str, subscription: Subscription) -> str:
    return f"{public_url.rstrip('/')}{PATH}/{_token(secret, subscription)}"


def read_unsubscribe_token(secret: str, token: str) -> Subscription:
    """Whose mails of which kind a link ends.

    Raises:
        NotFound: it is none of ours.
    """
    text, _, _ = token.partition(".")
    try:
        told = base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}".encode("ascii"))
        subscription = Subscription(UUID(bytes=told[:16]), told[16:].decode("ascii"))
    except ValueError as error:
        raise NotFound("no such link") from error
    if not hmac.compare_digest(_token(secret, subscription).encode(), token.encode()):
        raise NotFound("no such link")
    return subscription


def _token(secret: str, subscription: Subscription) -> str:
    told = subscription.user_id.bytes + subscription.kind.encode("ascii")
    proof = derive_token(secret, PURPOSE, subscription.user_id.hex, subscription.kind)
    return f"{base64.urlsafe_b64encode(told).rstrip(b'=').decode()}.{proof}"
