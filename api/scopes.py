"""Which scopes of an API key a call needs."""

from collections.abc import Mapping

READING = frozenset({"GET", "HEAD"})

AREAS_OF: Mapping[str, tuple[str, ...]] = {
    "categories": ("expenses",),
    "expenses": ("expenses",),
    "recurring-expenses": ("expenses",),
    "rules": ("expenses",),
    "imports": ("expenses", "budgets"),
    "changes": ("expenses", "budgets"),
    "budgets": ("budgets",),
    "alerts": ("budgets",),
    "groups": ("groups",),
    "invitations": ("groups",),
    "debts": ("groups",),
    "notifications": ("notifications",),
    "digests": ("notifications",),
    "webhooks": ("channels",),
    "channels": ("channels",),
    "analytics": ("reports",),
    "reports": ("reports",),
    "exchange-rates": ("reports",),
    "exports": ("exports",),
}
"""By the first part of the path; imports of archives bring budgets too. What is missing no key may call."""

AREA_OF_MINE: Mapping[str, str] = {"/v1/me": "profile", "/v1/me/notification-settings": "notifications"}
"""Of `/me` only these: the rest is what guards the account."""


def needed_scopes(template: str, method: str) -> frozenset[str]:
    """The scopes that a call of the route needs, such as `expenses:read`; without any no key may make it."""
    if template == "/v1/me" and method == "DELETE":
        return frozenset()
    first = template.removeprefix("/v1/").partition("/")[0]
    is_writing = method not in READING
    areas = (AREA_OF_MINE[template],) if template in AREA_OF_MINE else AREAS_OF.get(first, ())
    needed = {f"{area}:{'write' if is_writing else 'read'}" for area in areas}
    # Whoever says where notifications go to can have them sent to themselves.
    return frozenset(needed | ({"notifications:read"} if "channels:write" in needed else set()))
