"""When somebody is reminded by schedule of what they owe."""

from collections.abc import Iterable

MIN_REMINDER_DAYS = 1
"""As seldom as anybody may be reminded by hand: it is to help, not to pester."""

MAX_REMINDER_DAYS = 90
"""A quarter. Who settles up less often wants no reminders; and a tick reads the postings of so many days."""


def has_stood(balance_minor: int, moved_minor: Iterable[int]) -> bool:
    """Whether a balance that is negative now has been negative ever since the first of some movements.

    A debt that was paid in between begins anew. One that has merely grown or shrunk is the same: otherwise
    nobody would ever be reminded in a group that spends something every week.

    Args:
        balance_minor: what the balance is now.
        moved_minor: what was added to it lately, moment by moment, the newest first.
    """
    if balance_minor >= 0:
        return False
    for moved in moved_minor:
        balance_minor -= moved
        if balance_minor >= 0:
            return False
    return True
