"""What a user has set for the channels, or what holds as long as they have set nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select

from core.database import Reader
from core.errors import Unauthenticated
from core.models import NotificationSettings, User, table_of
from core.rules.digests import DigestPlan

SETTINGS = table_of(NotificationSettings)
USERS = table_of(User)

FIRST_HOUR, FIRST_WEEKDAY, FIRST_DAY = 8, 1, 1
"""When digests come unless something else is said: at eight, on Mondays, on the first of a month."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Minutes after local midnight, from the one up to the other, over midnight if the first is later."""

    from_minute: int
    to_minute: int
    lets_exceeded_pass: bool


@dataclass(frozen=True, slots=True)
class SettingsRecord:
    """`version` 0: nothing was ever set. `choices` holds what differs from the defaults of a kind."""

    muted_kinds: frozenset[str] = frozenset()
    choices: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    quiet_hours: QuietHours | None = None
    digest: DigestPlan | None = None
    digest_hour: int = FIRST_HOUR
    digest_weekday: int = FIRST_WEEKDAY
    digest_day: int = FIRST_DAY
    has_empty_digests: bool = False
    next_digest_on: date | None = None
    next_digest_at: datetime | None = None
    version: int = 0


LOAD = (
    select(USERS.c.muted_kinds, *(column for column in SETTINGS.c if column.name != "updated_at"))
    .outerjoin(SETTINGS, SETTINGS.c.user_id == USERS.c.id)
    .where(USERS.c.id == bindparam("its_id"))
)


def load_settings_of(session: Reader, *, user_id: UUID) -> SettingsRecord:
    """Raises:
    Unauthenticated: the account was deleted a moment ago.
    """
    row = session.execute(LOAD, {"its_id": user_id}).first()
    if row is None:
        raise Unauthenticated("the account is gone")
    if row.user_id is None:
        return SettingsRecord(muted_kinds=frozenset(row.muted_kinds))
    return SettingsRecord(
        muted_kinds=frozenset(row.muted_kinds),
        choices=row.choices,
        quiet_hours=None
        if row.quiet_from is None
        else QuietHours(row.quiet_from, row.quiet_to, row.lets_exceeded_pass),
        digest=plan_of(row),
        digest_hour=row.digest_hour,
        digest_weekday=row.digest_weekday,
        digest_day=row.digest_day,
        has_empty_digests=row.has_empty_digests,
        next_digest_on=row.next_digest_on,
        next_digest_at=row.next_digest_at,
        version=row.version,
    )


def plan_of(row: Any) -> DigestPlan | None:
    """The digests that a row of the settings asks for."""
    if row.digest_frequency == "off":
        return None
    return DigestPlan(row.digest_frequency, row.digest_hour, row.digest_weekday, row.digest_day)
