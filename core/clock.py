"""The one place that reads the time."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo


def now() -> datetime:
    """The present instant, in UTC."""
    return datetime.now(UTC)


def local_date(at: datetime, timezone: str) -> date:
    """The calendar day on which the instant falls for somebody in an IANA time zone."""
    return at.astimezone(ZoneInfo(timezone)).date()
