"""What a key for a program may be allowed to do."""

from collections.abc import Mapping

AREAS: Mapping[str, str] = {
    "expenses": "expenses, categories, recurring expenses, rules, imports and what has changed",
    "budgets": "budgets and alerts",
    "groups": "groups, their expenses, settlements and debts",
    "notifications": "notifications, their settings and digests",
    "channels": "webhooks and push services, which are sent what happens",
    "reports": "analytics, charts, reports and exchange rates",
    "exports": "exports, which hold everything",
    "profile": "the account's own profile",
}
"""By name, what it covers. What guards an account, such as passwords and keys, no key may touch."""

SCOPES = frozenset(f"{area}:{right}" for area in AREAS for right in ("read", "write"))
"""`write` does not include `read`, but a write answers with what it has written."""
