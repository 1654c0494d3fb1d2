"""What the checks of invariants have found the last time."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from core import clock
from core.database import Reader
from core.models import InvariantCheck, User, table_of

CHECKS, USERS = table_of(InvariantCheck), table_of(User)

STALE_AFTER = timedelta(days=3)
"""They are checked every night: one that is missed is no matter, three say that nobody checks any more.
A machine that was off checks within the hour."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`checked_at` is when the check began: what was written later it has not seen."""

    name: str
    checked_at: datetime
    failures: int
    unproved: int

    @property
    def is_stale(self) -> bool:
        return clock.now() - self.checked_at > STALE_AFTER


COLUMNS = tuple(CHECKS.c[name] for name in ("name", "checked_at", "failures", "unproved"))


def check_results(session: Reader) -> list[CheckResult]:
    """Of each check that has ever come to its end, in the order of their names."""
    return [CheckResult(*row) for row in session.execute(select(*COLUMNS).order_by(CHECKS.c.name))]


def unchecked_since(session: Reader) -> datetime | None:
    """From when on there was anything to check: the oldest account, whose id is the lowest."""
    oldest = select(USERS.c.created_at).order_by(USERS.c.id).limit(1)
    found: datetime | None = session.scalar(oldest)
    return found
