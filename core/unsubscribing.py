"""Links that end some kinds of mail for whoever got one, without a login (RFC 8058).

A link says whose mails and of which kinds, and proves it with an HMAC. It holds for as long as the account
and the installation's secret do: somebody may want to be left alone by an old mail.
"""

import base64
import hmac
from dataclasses import dataclass
from uuid import UUID

from core.errors import NotFound
from core.security import derive_token

PURPOSE = "unsubscribe"
PATH = "/v1/unsubscribe"
SEPARATOR = ","


@dataclass(frozen=True, slots=True)
class Subscription:
    """Mails of some kinds to a user."""

    user_id: UUID
    kinds: frozenset[str]


def unsubscribe_url(secret: str, public_url: str, subscription: Subscription) -> str:
    return f"{public_url.rstrip('/')}{PATH}/{_token(secret, subscription)}"


def read_unsubscribe_token(secret: str, token: str) -> Subscription:
    """Whose mails of which kinds a link ends.

    Raises:
        NotFound: it is none of ours.
    """
    text, _, _ = token.partition(".")
    try:
        told = base64.urlsafe_b64decode(f"{text}{'=' * (-len(text) % 4)}".encode("ascii"))
        subscription = Subscription(
            UUID(bytes=told[:16]), frozenset(told[16:].decode("ascii").split(SEPARATOR))
        )
    except ValueError as error:
        raise NotFound("no such link") from error
    if not hmac.compare_digest(_token(secret, subscription).encode(), token.encode()):
        raise NotFound("no such link")
    return subscription


def _token(secret: str, subscription: Subscription) -> str:
    kinds = SEPARATOR.join(sorted(subscription.kinds))
    told = subscription.user_id.bytes + kinds.encode("ascii")
    proof = derive_token(secret, PURPOSE, subscription.user_id.hex, kinds)
    return f"{base64.urlsafe_b64encode(told).rstrip(b'=').decode()}.{proof}"
