"""Which of a webhook's secrets sign: they are numbered, and derived from their numbers."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class SecretHolder(Protocol):
    """A webhook, as it is kept or as a message goes to it."""

    @property
    def user_id(self) -> UUID: ...

    @property
    def id(self) -> UUID: ...

    @property
    def secret_issue(self) -> int: ...

    @property
    def previous_secret_until(self) -> datetime | None: ...

    @property
    def oldest_issue(self) -> int | None: ...


def signing_issues(webhook: SecretHolder, now: datetime) -> list[int]:
    """The newest secret, and for a time after a rotation those before it that signed then."""
    newest, until = webhook.secret_issue, webhook.previous_secret_until
    if until is None or now >= until:
        return [newest]
    oldest = newest - 1 if webhook.oldest_issue is None else webhook.oldest_issue
    return list(range(newest, oldest - 1, -1))
