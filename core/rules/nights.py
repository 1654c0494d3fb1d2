"""What is done once a night, and made up for by day where nobody was there at night."""

from datetime import UTC, datetime, time, timedelta

NIGHT = time(3, 30, tzinfo=UTC)
"""When fewest write, where most of those are who run this."""


def is_due(*, last_at: datetime | None, now: datetime) -> bool:
    """Whether what was last done then is to be done now: not since the last night, or at a time to come."""
    if last_at is None:
        return True
    night = datetime.combine(now.astimezone(UTC), NIGHT)
    if night > now:
        night -= timedelta(days=1)
    return not night <= last_at <= now
