from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.periods import start_instant
from tests.core.rules.strategies import days, patient

DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)
ZONES = sorted(available_timezones())

YEARS = [1919, 1945, 1969, 1987, 1993, 1994, 2011, 2018, 2023, 2026, 2050]
"""War and double summer time, changes of the date line (Kwajalein 1969 and 1993, Kiritimati 1994, Apia 2011),
clocks changed at a minute past midnight (St. John's), jumps over midnight, the present and the far rules."""


def local_date(at: datetime, timezone: str) -> date:
    return at.astimezone(ZoneInfo(timezone)).date()


def days_of_change(timezone: str, year: int) -> list[date]:
    """The days of a year in whose course the zone's offset changes."""
    zone = ZoneInfo(timezone)
    midnights = [datetime(year, 1, 1, tzinfo=UTC) + n * DAY for n in range(366)]
    offsets = [at.astimezone(zone).utcoffset() for at in midnights]
    return [
        at.date()
        for at, before, after in zip(midnights, offsets, offsets[1:], strict=False)
        if before != after
    ]


def check(day: date, timezone: str) -> None:
    start = start_instant(day, timezone)
    assert start.tzinfo is UTC
    assert local_date(start, timezone) >= day
    assert local_date(start - MICROSECOND, timezone) < day


@pytest.mark.parametrize("year", YEARS)
def test_a_day_begins_at_the_first_instant_of_its_date_in_every_zone_where_the_clock_changes(
    year: int,
) -> None:
    changes = [(zone, day) for zone in ZONES for day in days_of_change(zone, year)]
    assert changes
    for zone, changed in changes:
        for day in (changed, changed + DAY):
            check(day, zone)
            # It is the first one: there was no such local date in the day and a half before either.
            start = start_instant(day, zone)
            assert all(local_date(start - n * timedelta(hours=3), zone) < day for n in range(1, 13))


@patient
@given(day=days, timezone=st.sampled_from(ZONES))
def test_a_day_begins_at_the_first_instant_of_its_date(day: date, timezone: str) -> None:
    check(day, timezone)


@patient
@given(day=days, timezone=st.sampled_from(ZONES))
def test_a_later_day_never_begins_earlier(day: date, timezone: str) -> None:
    assert start_instant(day, timezone) <= start_instant(day + DAY, timezone)


@pytest.mark.parametrize(
    ("day", "timezone", "expected"),
    [
        (date(2026, 3, 1), "UTC", datetime(2026, 3, 1, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/Berlin", datetime(2026, 3, 28, 23, tzinfo=UTC)),
        (date(2026, 3, 30), "Europe/Berlin", datetime(2026, 3, 29, 22, tzinfo=UTC)),
        # The clock jumps from 00:00 to 01:00, so the day begins at one.
        (date(2018, 11, 4), "America/Sao_Paulo", datetime(2018, 11, 4, 3, tzinfo=UTC)),
        (date(2023, 4, 28), "Africa/Cairo", datetime(2023, 4, 27, 22, tzinfo=UTC)),
        # The 30th was left out, so its period begins as the 31st does.
        (date(2011, 12, 30), "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
        (date(2011, 12, 31), "Pacific/Apia", datetime(2011, 12, 30, 10, tzinfo=UTC)),
        # Midnight comes twice: at 00:01 the clock goes back to 23:01.
        (date(2006, 10, 29), "America/St_Johns", datetime(2006, 10, 29, 2, 30, tzinfo=UTC)),
        # Midnight comes twice: at 01:00 the clock goes back to 00:00.
        (date(2026, 11, 1), "America/Havana", datetime(2026, 11, 1, 4, tzinfo=UTC)),
        # A jump over midnight that does not begin there: from 23:30 to 00:30.
        (date(1919, 3, 31), "America/Toronto", datetime(1919, 3, 31, 4, 30, tzinfo=UTC)),
    ],
)
def test_a_day_begins_at_its_known_instant(day: date, timezone: str, expected: datetime) -> None:
    assert start_instant(day, timezone) == expected


def test_an_unknown_zone_is_an_error() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        start_instant(date(2026, 1, 1), "Europe/Atlantis")
