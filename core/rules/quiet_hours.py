"""The hours in which a user wants no mails and pushes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from core.rules.notification_kinds import concerns_security

MINUTES_OF_DAY = 24 * 60

EXCEEDED_PERCENT = 100
"""A budget's threshold from which on the limit is used up."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From one minute of the local day (inclusive) to another (exclusive); over midnight if that is earlier.

    Both the same: there are none.
    """

    timezone: str
    quiet_from: int
    quiet_to: int
    lets_exceeded_pass: bool = False

    def lets_pass(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Whether a notification is so urgent that it goes out all the same."""
        if concerns_security(kind):
            return True
        threshold = data.get("threshold")
        return (
            self.lets_exceeded_pass
            and kind == "budget.threshold"
            and isinstance(threshold, int)
            and threshold >= EXCEEDED_PERCENT
        )

    def end_after(self, now: datetime) -> datetime | None:
        """When the quiet hours end in which `now` falls, in UTC; None: it is not quiet now.

        The hours are what the clock on the wall says. Where it jumps over their beginning or end, the first
        instant after the jump counts; what it shows twice is quiet both times, up to the second end.
        """
        if self.quiet_from == self.quiet_to:
            return None
        zone = ZoneInfo(self.timezone)
        today = now.astimezone(zone).date()
        # A jump of a whole day (Samoa, 2011) puts yesterday's end behind tomorrow's beginning.
        for days in (-2, -1, 0, 1):
            day = today + timedelta(days=days)
            last_day = day if self.quiet_from < self.quiet_to else day + timedelta(days=1)
            begin = _instant(day, self.quiet_from, zone, fold=0)
            end = _instant(last_day, self.quiet_to, zone, fold=1)
            if begin <= now < end:
                return end
        return None


def _instant(day: date, minute: int, zone: ZoneInfo, *, fold: int) -> datetime:
    """The first (fold 0) or second time that the clock shows the minute, or when it jumps over it."""
    local = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone, fold=fold)
    instant = local.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _jump_over(local.replace(tzinfo=None), zone)


def _jump_over(local: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which the clock jumps over a local time that does not exist."""
    late = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    early = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    # Before the jump the clock shows less than `local`, from it on more; zones change at full seconds.
    low, high = early, late
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) < local:
            low = middle
        else:
            high = middle
    return high
