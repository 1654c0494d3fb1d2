"""The one place that reads the time."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_offset = timedelta()


def now() -> datetime:
    """The present instant, in UTC."""
    return datetime.now(UTC) + _offset


def shift(*, seconds: int) -> None:
    """From here on let the present instant be so much later; for a process that has read its settings.

    It is of use in development only, to see what comes on a certain day. Whatever compares times that others
    give stays in real time: the ages of files, beat's own clock, the TTLs in Redis, and the lines of the log.
    """
    # Of the process, as the time is: handing it to whoever asks for the time would reach every function.
    global _offset
    _offset = timedelta(seconds=seconds)


def local_date(at: datetime, timezone: str) -> date:
    """The calendar day on which the instant falls for somebody in an IANA time zone."""
    return at.astimezone(ZoneInfo(timezone)).date()
