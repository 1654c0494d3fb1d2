"""Quiet hours by the clock on the wall, in every time zone there is, whatever the clock does."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.quiet_hours import MINUTES_OF_DAY, QuietHours

ZONES = sorted(available_timezones() - {"localtime"})
LONGEST_JUMP_MIN = 120
"""Since 1990, but for whole days."""

LEFT_OUT_A_DAY = {
    "Kwajalein", "Pacific/Apia", "Pacific/Enderbury", "Pacific/Fakaofo", "Pacific/Kanton",
    "Pacific/Kiritimati", "Pacific/Kwajalein",
}  # fmt: skip

minutes = st.integers(0, MINUTES_OF_DAY - 1)
instants = st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001


def end(zone: str, begin: int, last: int, now: str) -> str | None:
    found = QuietHours(zone, begin, last).end_after(datetime.fromisoformat(now))
    return None if found is None else found.isoformat()


def shown(hours: QuietHours, instant: datetime) -> int:
    local = instant.astimezone(ZoneInfo(hours.timezone))
    return local.hour * 60 + local.minute


def is_quiet_on_the_wall(hours: QuietHours, minute: int) -> bool:
    if hours.quiet_from < hours.quiet_to:
        return hours.quiet_from <= minute < hours.quiet_to
    return minute >= hours.quiet_from or minute < hours.quiet_to


@given(st.sampled_from(ZONES), minutes, minutes, instants)
def test_it_is_quiet_when_the_clock_says_so_except_where_it_jumps(
    zone: str, begin: int, last: int, now: datetime
) -> None:
    hours = QuietHours(zone, begin, last)
    if begin == last:
        assert hours.end_after(now) is None
        return
    offsets = {(now + timedelta(hours=h)).astimezone(ZoneInfo(zone)).utcoffset() for h in range(-50, 51, 2)}
    if len(offsets) == 1:
        assert (hours.end_after(now) is not None) == is_quiet_on_the_wall(hours, shown(hours, now))


@given(st.sampled_from(ZONES), minutes, minutes, instants)
def test_they_end_soon_and_then_it_is_not_quiet(zone: str, begin: int, last: int, now: datetime) -> None:
    hours = QuietHours(zone, begin, last)
    until = hours.end_after(now)
    if until is None:
        return
    assert now < until <= now + timedelta(hours=50)
    assert until.utcoffset() == timedelta(0)
    # Only a clock that jumps over all the rest of the day has the next ones begin at once.
    pause_min = (begin - last) % MINUTES_OF_DAY
    is_jumping = pause_min <= LONGEST_JUMP_MIN or zone in LEFT_OUT_A_DAY
    assert is_jumping or hours.end_after(until) is None
    assert hours.end_after(until - timedelta(microseconds=1)) == until


@given(st.sampled_from(ZONES), minutes, minutes, instants)
def test_all_instants_of_one_night_have_the_same_end(zone: str, begin: int, last: int, now: datetime) -> None:
    hours = QuietHours(zone, begin, last)
    until = hours.end_after(now)
    if until is not None:
        assert hours.end_after(now + (until - now) / 2) == until


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-05-10T19:59:59+00:00", None),
        ("2026-05-10T20:00:00+00:00", "2026-05-11T05:00:00+00:00"),
        ("2026-05-11T00:00:00+00:00", "2026-05-11T05:00:00+00:00"),
        ("2026-05-11T04:59:59+00:00", "2026-05-11T05:00:00+00:00"),
        ("2026-05-11T05:00:00+00:00", None),
    ],
)
def test_over_midnight(now: str, until: str | None) -> None:
    assert end("Europe/Berlin", 22 * 60, 7 * 60, now) == until


def test_the_night_in_which_the_clock_goes_forward_is_shorter() -> None:
    assert end("Europe/Berlin", 22 * 60, 7 * 60, "2026-03-28T21:00:00+00:00") == "2026-03-29T05:00:00+00:00"


def test_the_night_in_which_it_goes_back_is_longer() -> None:
    assert end("Europe/Berlin", 22 * 60, 7 * 60, "2026-10-24T20:00:00+00:00") == "2026-10-25T06:00:00+00:00"


def test_an_end_that_the_clock_jumps_over_is_where_it_jumps() -> None:
    assert end("Europe/Berlin", 0, 150, "2026-03-29T00:30:00+00:00") == "2026-03-29T01:00:00+00:00"
    assert end("Europe/Berlin", 0, 150, "2026-03-29T01:00:00+00:00") is None


def test_an_end_that_the_clock_shows_twice_is_the_second() -> None:
    for now in ("2026-10-25T00:15:00+00:00", "2026-10-25T00:45:00+00:00", "2026-10-25T01:15:00+00:00"):
        assert end("Europe/Berlin", 0, 150, now) == "2026-10-25T01:30:00+00:00"


def test_the_day_that_samoa_left_out_holds_nothing_back_for_long() -> None:
    """At ten the clock went from the end of one day to the beginning of the day after the next."""
    for now, until in (("09:30", "10:00"), ("10:00", "17:00")):
        found = end("Pacific/Apia", 22 * 60, 7 * 60, f"2011-12-30T{now}:00+00:00")
        assert found == f"2011-12-30T{until}:00+00:00"


@pytest.mark.parametrize(
    ("kind", "data", "lets_exceeded_pass", "passes"),
    [
        ("security.new_login", {}, False, True),
        ("security.password_changed", {}, False, True),
        ("budget.threshold", {"threshold": 100}, True, True),
        ("budget.threshold", {"threshold": 150}, True, True),
        ("budget.threshold", {"threshold": 99}, True, False),
        ("budget.threshold", {"threshold": 100}, False, False),
        ("budget.threshold", {}, True, False),
        ("budget.threshold", {"threshold": "100"}, True, False),
        ("budget.projected", {"threshold": 100}, True, False),
        ("debt.reminder", {}, True, False),
    ],
)
def test_what_is_urgent_passes(
    kind: str, data: dict[str, object], lets_exceeded_pass: bool, passes: bool
) -> None:
    assert QuietHours("UTC", 0, 60, lets_exceeded_pass).lets_pass(kind, data) is passes
