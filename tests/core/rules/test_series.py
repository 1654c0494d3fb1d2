from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.periods import MAX_DAY, MIN_DAY
from core.rules.series import (
    INTERVALS,
    Interval,
    moving_averages,
    range_before,
    share_tenths,
    shifted,
    start_of,
    starts_between,
)

DAYS = st.dates(MIN_DAY, MAX_DAY)


@given(day=DAYS, interval=st.sampled_from(INTERVALS))
def test_a_day_is_within_its_interval(day: date, interval: Interval) -> None:
    start = start_of(day, interval)
    assert start <= day < shifted(start, interval, 1)
    assert start_of(start, interval) == start
    assert shifted(shifted(start, interval, 5), interval, -5) == start


@given(first=DAYS, days=st.integers(0, 500), interval=st.sampled_from(INTERVALS))
def test_intervals_follow_each_other_without_gap(first: date, days: int, interval: Interval) -> None:
    last = first + timedelta(days=days)
    starts = list(starts_between(first, last, interval))
    assert starts == sorted({start_of(first + timedelta(days=n), interval) for n in range(days + 1)})


@pytest.mark.parametrize(
    ("first", "last", "before"),
    [
        ("2026-03-01", "2026-03-31", ("2026-02-01", "2026-02-28")),
        ("2026-01-01", "2026-12-31", ("2025-01-01", "2025-12-31")),
        ("2026-03-01", "2026-03-30", ("2026-02-01", "2026-02-28")),
        ("2026-03-01", "2026-03-01", ("2026-02-01", "2026-02-01")),
        ("2026-03-02", "2026-03-08", ("2026-02-23", "2026-03-01")),
        ("2026-03-31", "2026-03-31", ("2026-03-30", "2026-03-30")),
        ("1900-01-01", "1900-01-31", None),
        ("1900-01-02", "1900-01-03", None),
        ("0001-01-01", "9999-12-31", None),
        ("1950-01-01", "9999-12-31", None),
    ],
)
def test_a_range_compares_with_the_one_before(first: str, last: str, before: tuple[str, str] | None) -> None:
    expected = None if before is None else tuple(date.fromisoformat(day) for day in before)
    assert range_before(date.fromisoformat(first), date.fromisoformat(last)) == expected


@given(st.dates(), st.dates())
def test_the_range_before_ends_before_the_range_begins(first: date, last: date) -> None:
    first, last = sorted((first, last))
    before = range_before(first, last)
    if before is not None:
        assert MIN_DAY <= before[0] <= before[1] < first


@given(st.lists(st.integers(-(10**14), 10**14), max_size=40), st.integers(1, 12))
def test_a_moving_average_lies_within_its_window(values: list[int], window: int) -> None:
    averages = moving_averages(values, window)
    assert len(averages) == len(values)
    for end, average in enumerate(averages, start=1):
        if end < window:
            assert average is None
        else:
            seen = values[end - window : end]
            assert average is not None
            assert min(seen) <= average <= max(seen)


def test_shares_are_tenths_of_a_per_cent_of_what_is_positive() -> None:
    assert [share_tenths(1, 3), share_tenths(-1, 4), share_tenths(5, 5)] == [333, -250, 1000]
    assert share_tenths(1, 0) is share_tenths(1, -1) is None
