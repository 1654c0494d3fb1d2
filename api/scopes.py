"""Which scope of an API key a call needs."""

from collections.abc import Mapping

READING = frozenset({"GET", "HEAD"})

AREA_OF: Mapping[str, str] = {
    "categories": "expenses",
    "expenses": "expenses",
    "recurring-expenses": "expenses",
    "rules": "expenses",
    "imports": "expenses",
    "changes": "expenses",
    "budgets": "budgets",
    "alerts": "budgets",
    "groups": "groups",
    "invitations": "groups",
    "debts": "groups",
    "notifications": "notifications",
    "digests": "notifications",
    "webhooks": "notifications",
    "channels": "notifications",
    "analytics": "reports",
    "reports": "reports",
    "exchange-rates": "reports",
    "exports": "exports",
}
"""By the first part of the path. What is missing no key may call."""

AREA_OF_MINE: Mapping[str, str] = {"/v1/me": "profile", "/v1/me/notification-settings": "notifications"}
"""Of `/me` only these: the rest is what guards the account."""


def needed_scope(template: str, method: str) -> str | None:
    """The scope that a call of the route needs, such as `expenses:read`; None when no key may make it."""
    first = template.removeprefix("/v1/").partition("/")[0]
    area = AREA_OF_MINE.get(template) or AREA_OF.get(first)
    if area is None or (template == "/v1/me" and method == "DELETE"):
        return None
    return f"{area}:{'read' if method in READING else 'write'}"
