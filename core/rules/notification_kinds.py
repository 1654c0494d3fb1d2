"""The kinds of notification, and on which channels each goes unless the user has chosen otherwise."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

ChannelKind = Literal["email", "webhook", "push"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """Whether a kind goes by mail and by push. The inbox has every kind, a webhook those that it asks for."""

    email: bool = False
    push: bool = True


URGENT = Defaults(email=True)
QUIET = Defaults(push=False)
"""What happens all the time in a lively group, or is the answer to what somebody has asked for just now."""

KINDS: Mapping[str, Defaults] = {
    "budget.threshold": URGENT,
    "budget.projected": Defaults(),
    "budget.recovered": QUIET,
    # The invitation itself is a mail.
    "group.invited": Defaults(),
    "group.member_joined": QUIET,
    "group.expense_added": QUIET,
    "group.expense_changed": QUIET,
    "group.expense_deleted": QUIET,
    "debt.reminder": URGENT,
    "settlement.recorded": Defaults(),
    "settlement.confirmed": QUIET,
    "settlement.disputed": URGENT,
    "settlement.reversed": URGENT,
    "recurring.due": URGENT,
    "recurring.posted": QUIET,
    "import.finished": QUIET,
    "export.ready": QUIET,
    "report.ready": QUIET,
    "digest.ready": URGENT,
    "channel.disabled": URGENT,
    "security.new_login": URGENT,
    "security.password_changed": URGENT,
    "security.account_changed": URGENT,
}


SUBJECTS: Mapping[str, str] = {
    "budget.threshold": "budgets that reach a threshold",
    "budget.projected": "budgets that are spent too fast",
    "budget.recovered": "budgets that are below a threshold again",
    "group.invited": "invitations to groups",
    "group.member_joined": "new members of your groups",
    "group.expense_added": "new expenses of your groups",
    "group.expense_changed": "changed expenses of your groups",
    "group.expense_deleted": "deleted expenses of your groups",
    "debt.reminder": "debts that somebody reminds you of",
    "settlement.recorded": "payments to be confirmed",
    "settlement.confirmed": "payments that were confirmed",
    "settlement.disputed": "payments that were disputed",
    "settlement.reversed": "payments that were reversed",
    "recurring.due": "recurring expenses that fall due",
    "recurring.posted": "recurring expenses that were recorded",
    "import.finished": "imports that are done",
    "export.ready": "exports that are ready",
    "report.ready": "reports that are ready",
    "digest.ready": "your spending in short, the digest",
    "channel.disabled": "channels that were switched off",
    "security.new_login": "new logins to your account",
    "security.password_changed": "changes of your password",
    "security.account_changed": "changes of what guards your account",
}
"""What a kind is about, for those who want to hear no more of it."""


def subject_of(kind: str) -> str:
    return SUBJECTS.get(kind, kind)


def concerns_security(kind: str) -> bool:
    """Such a kind comes into the inbox unread and by mail in any case, whatever the settings say: whoever has
    stolen a token would first silence what gives them away."""
    return kind.startswith("security.")


def is_muted(kind: str, muted_kinds: Collection[str]) -> bool:
    """Whether a notification of the kind comes into the inbox as read."""
    return kind in muted_kinds and not concerns_security(kind)


def is_wanted(
    kind: str, channel: Literal["email", "push"], choices: Mapping[str, Mapping[str, bool]]
) -> bool:
    """Whether a notification of the kind goes out on the channel; `choices`: kind → channel → bool."""
    chosen = choices.get(kind, {}).get(channel)
    if chosen is not None and not (channel == "email" and concerns_security(kind)):
        return chosen
    defaults = KINDS.get(kind, Defaults())
    return defaults.email if channel == "email" else defaults.push
