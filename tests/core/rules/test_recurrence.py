"""Recurring days against a walk day by day, against dateutil, and as people mean them."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby, islice
from time import thread_time
from typing import Any

import pytest
from dateutil.rrule import rrulestr
from hypothesis import example, given
from hypothesis import strategies as st

from core.rules.periods import MAX_DAY, MIN_DAY
from core.rules.recurrence import (
    FREQUENCIES,
    MAX_COUNT,
    SHORTEST_MONTH,
    Pattern,
    RecurrenceError,
    RecurrenceRule,
    day_of_count,
    later_start,
    next_occurrence,
    occurrences_between,
    occurrences_from,
)
from core.rules.recurrence_texts import (
    UNITS,
    complete_rule,
    every_so_often,
    format_rule,
    occurs,
    read_rule,
    unit_of,
)
from tests.core.rules.strategies import month_ends, patient

DAY = timedelta(days=1)

BOUND_S = 1.0
"""Of processor time for whatever a rule makes us look for: several times what the worst one takes."""

starts = st.one_of(st.dates(date(1999, 12, 1), date(2030, 12, 31)), month_ends)


def _some(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.one_of(st.just(()), st.lists(values, min_size=1, max_size=3, unique=True).map(tuple))


@st.composite
def patterns(draw: Any) -> Pattern:
    frequency = draw(st.sampled_from(FREQUENCIES))
    by_month = draw(_some(st.integers(1, 12)))
    most = {"daily": 0, "weekly": 0, "monthly": 5, "yearly": 5 if by_month else 53}[frequency]
    nths = st.one_of(st.just(0), st.integers(-most, most))
    by_day = draw(_some(st.tuples(st.integers(0, 6), nths)))
    month_days = st.one_of(st.integers(1, 31), st.integers(-31, -1), st.sampled_from((29, 30, 31)))
    by_month_day = () if frequency == "weekly" else draw(_some(month_days))
    places = st.one_of(st.integers(1, 4), st.integers(-4, -1))
    by_set_pos = draw(_some(places)) if by_day or by_month_day or by_month else ()
    return Pattern(
        frequency=frequency,
        interval=draw(st.one_of(st.integers(1, 3), st.integers(1, 366))),
        by_day=by_day,
        by_month_day=by_month_day,
        by_month=by_month,
        by_set_pos=by_set_pos,
        week_start=draw(st.sampled_from((0, 6, 3))),
    )


class Walk:
    """The definition, for one day after the other: the table in section 3.3.10 of the RFC, and the clamp."""

    def __init__(self, pattern: Pattern, starts_on: date) -> None:
        self.pattern, self.start = pattern, starts_on

    def days(self, last: date) -> list[date]:
        """All up to that day. Whole periods are looked at, as BYSETPOS counts within them."""
        year = date(self.start.year - 1, 12, 1)
        walked = (year + n * DAY for n in range((last - year).days + 400))
        found: list[date] = []
        for number, period in groupby(walked, key=self._period):
            if number >= 0 and number % self.pattern.interval == 0:
                found += self._chosen([day for day in period if self._matches(day)])
        return [day for day in found if self.start <= day <= last]

    def _period(self, day: date) -> int:
        match self.pattern.frequency:
            case "daily":
                return (day - self.start).days
            case "weekly":
                return (self._week(day) - self._week(self.start)) // 7
            case "monthly":
                return (day.year - self.start.year) * 12 + day.month - self.start.month
            case _:
                return day.year - self.start.year

    def _week(self, day: date) -> int:
        return day.toordinal() - (day.weekday() - self.pattern.week_start) % 7

    def _chosen(self, days: list[date]) -> list[date]:
        if not self.pattern.by_set_pos:
            return days
        return [
            day
            for place, day in enumerate(days)
            if {place + 1, place - len(days)} & set(self.pattern.by_set_pos)
        ]

    def _matches(self, day: date) -> bool:
        pattern, start = self.pattern, self.start
        if pattern.by_month and day.month not in pattern.by_month:
            return False
        if pattern.by_month_day and not any(self._is_number(day, one) for one in pattern.by_month_day):
            return False
        if pattern.by_day:
            return any(day.weekday() == weekday and self._is_nth(day, n) for weekday, n in pattern.by_day)
        if pattern.frequency == "weekly":
            return day.weekday() == start.weekday()
        if pattern.frequency == "daily" or pattern.by_month_day:
            return True
        if pattern.frequency == "yearly" and not pattern.by_month and day.month != start.month:
            return False
        return self._is_number(day, start.day)

    def _is_number(self, day: date, number: int) -> bool:
        last = (day.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        is_clamped = self.pattern.frequency in ("monthly", "yearly") and not self.pattern.by_day
        if is_clamped and number > last.day:
            return day == last
        return day.day == (number if number > 0 else last.day + 1 + number)

    def _is_nth(self, day: date, nth: int) -> bool:
        is_of_year = self.pattern.frequency == "yearly" and not self.pattern.by_month

        def is_inside(other: date) -> bool:
            return other.year == day.year and (is_of_year or other.month == day.month)

        if nth == 0:
            return True
        step = -7 * DAY if nth > 0 else 7 * DAY
        nearer, at = abs(nth) - 1, abs(nth)
        return is_inside(day + nearer * step) and not is_inside(day + at * step)


@patient
@given(pattern=patterns(), starts_on=starts, years=st.integers(1, 6))
@example(pattern=Pattern(frequency="yearly"), starts_on=date(2024, 2, 29), years=6)
@example(pattern=Pattern(frequency="monthly", by_month_day=(31,)), starts_on=date(2024, 2, 29), years=2)
@example(pattern=Pattern(frequency="monthly", by_month_day=(15, 30, 31)), starts_on=date(2023, 2, 1), years=2)
def test_occurrences_are_those_of_a_walk_day_by_day(pattern: Pattern, starts_on: date, years: int) -> None:
    last = starts_on + years * 366 * DAY
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on)
    expected = Walk(pattern, starts_on).days(last)
    assert occurrences_between(rule, MIN_DAY, last) == expected
    for day in (starts_on, starts_on + 100 * DAY, last - 50 * DAY):
        following = [one for one in expected if one > day]
        found = next_occurrence(rule, after=day)
        assert found == following[0] if following else found is None or found > last


@patient
@given(pattern=patterns(), starts_on=starts)
def test_what_is_not_clamped_is_what_dateutil_says(pattern: Pattern, starts_on: date) -> None:
    if not is_right_in_dateutil(pattern, starts_on) or not occurs(pattern, starts_on):
        return
    last = starts_on + 5 * 366 * DAY
    # Without an end it would look for more until the year 9999.
    text = f"{format_rule(pattern)};UNTIL={last:%Y%m%d}"
    start = datetime(starts_on.year, starts_on.month, starts_on.day)  # noqa: DTZ001 - dates, for dateutil
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on, last_on=last)
    assert [day.date() for day in rrulestr(text, dtstart=start)] == list(occurrences_from(rule, starts_on))


def is_right_in_dateutil(pattern: Pattern, starts_on: date) -> bool:
    """It does not clamp; of the first week it sees what comes after the start; "each Friday and the second
    Monday" is nothing to it."""
    if pattern.frequency == "weekly" and pattern.by_set_pos:
        return False
    if pattern.by_day:
        return len({nth == 0 for _, nth in pattern.by_day}) == 1
    numbers = pattern.by_month_day or (starts_on.day,)
    return pattern.frequency in ("daily", "weekly") or max(numbers) <= SHORTEST_MONTH


@patient
@given(pattern=patterns(), starts_on=starts, offset=st.integers(0, 80_000))
def test_the_days_around_any_day_are_those_of_a_run_from_the_start(
    pattern: Pattern, starts_on: date, offset: int
) -> None:
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on)
    day = min(starts_on + offset * DAY, MAX_DAY - 400 * DAY)
    near = occurrences_between(rule, day, day + 400 * DAY)
    assert near == [one for one in occurrences_from(rule, starts_on, day + 400 * DAY) if one >= day]


@patient
@given(pattern=patterns(), starts_on=starts, offset=st.integers(-40, 2_000))
@example(pattern=Pattern(frequency="monthly"), starts_on=date(2024, 1, 31), offset=20)
@example(pattern=Pattern(frequency="yearly"), starts_on=date(2024, 2, 29), offset=400)
def test_a_later_start_changes_nothing_from_then_on(pattern: Pattern, starts_on: date, offset: int) -> None:
    rule, first = RecurrenceRule(pattern=pattern, starts_on=starts_on), starts_on + offset * DAY
    expected = list(islice(occurrences_from(rule, first), 40))
    later = later_start(rule, first)
    if later is None:
        assert expected == []
        return
    assert starts_on <= later <= expected[0]
    moved = RecurrenceRule(pattern=pattern, starts_on=later)
    assert list(islice(occurrences_from(moved, first), 40)) == expected


@patient
@given(pattern=patterns())
def test_a_text_gives_its_pattern_back(pattern: Pattern) -> None:
    found = read_rule(format_rule(pattern))
    assert (found.pattern, found.count, found.until) == (pattern, None, None)


@patient
@given(text=st.text(st.sampled_from("FREQ=DAILYWKMONTHBYSETPOSUNTIL;,-+0123456789"), max_size=60))
def test_any_text_is_read_or_refused_with_its_field(text: str) -> None:
    field = "rrule"
    try:
        read_rule(text)
    except RecurrenceError as error:
        field = error.field
    assert field == "rrule"


def days_of(text: str, start: str, count: int = 6) -> list[str]:
    rule = complete_rule(
        read_rule(text).pattern, starts_on=date.fromisoformat(start), ends_on=None, count=None
    )
    return [str(day) for day in islice(occurrences_from(rule, rule.starts_on), count)]


@pytest.mark.parametrize(
    ("text", "start", "expected"),
    [
        ("FREQ=MONTHLY", "2023-12-31", "2023-12-31 2024-01-31 2024-02-29 2024-03-31 2024-04-30"),
        ("FREQ=MONTHLY", "2025-01-30", "2025-01-30 2025-02-28 2025-03-30 2025-04-30"),
        ("FREQ=MONTHLY;BYMONTHDAY=31", "2026-02-10", "2026-02-28 2026-03-31 2026-04-30"),
        ("FREQ=MONTHLY;INTERVAL=3", "2025-11-30", "2025-11-30 2026-02-28 2026-05-30"),
        ("FREQ=YEARLY", "2024-02-29", "2024-02-29 2025-02-28 2026-02-28 2027-02-28 2028-02-29"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "2026-01-01", "2026-02-28 2027-02-28 2028-02-29"),
        # In February both are one and the same day.
        ("FREQ=MONTHLY;BYMONTHDAY=30,31", "2026-01-01", "2026-01-30 2026-01-31 2026-02-28 2026-03-30"),
        ("FREQ=MONTHLY;BYMONTHDAY=15,31", "2026-02-01", "2026-02-15 2026-02-28 2026-03-15 2026-03-31"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=1,29", "2026-02-02", "2026-02-28 2027-02-01 2027-02-28"),
        # Whoever wrote the last day that there is in this way has it still.
        ("FREQ=MONTHLY;BYMONTHDAY=28,29,30,31;BYSETPOS=-1", "2026-01-01", "2026-01-31 2026-02-28 2026-03-31"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "2026-01-01", "2026-01-31 2026-02-28 2026-03-31"),
        # The last working day of the month.
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "2026-01-01", "2026-01-30 2026-02-27 2026-03-31"),
        # Every second Friday: each other one, and the second one of the month.
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=FR", "2026-01-02", "2026-01-02 2026-01-16 2026-01-30 2026-02-13"),
        ("FREQ=MONTHLY;BYDAY=2FR", "2026-01-02", "2026-01-09 2026-02-13 2026-03-13"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "2026-01-02", "2026-01-30 2026-02-27 2026-03-27"),
        ("FREQ=YEARLY;BYDAY=-1MO", "2026-01-02", "2026-12-28 2027-12-27 2028-12-25"),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "2026-01-01", "2026-11-26 2027-11-25"),
        ("FREQ=DAILY;INTERVAL=10;BYMONTH=1", "2026-01-05", "2026-01-05 2026-01-15 2026-01-25 2027-01-10"),
        # Which weeks are the second ones hangs on the day that a week begins with.
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=MO", "1997-08-05", "1997-08-05 1997-08-10 1997-08-19"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,SU;WKST=SU", "1997-08-05", "1997-08-05 1997-08-17 1997-08-19"),
        ("rrule:freq=weekly", "2026-01-02", "2026-01-02 2026-01-09"),
    ],
)
def test_rules_mean_what_people_mean_by_them(text: str, start: str, expected: str) -> None:
    assert days_of(text, start, len(expected.split())) == expected.split()


def test_so_many_units_are_the_same_as_a_rule() -> None:
    for unit, frequency in zip(UNITS, FREQUENCIES, strict=True):
        pattern = every_so_often(2, unit)
        assert pattern == read_rule(f"FREQ={frequency};INTERVAL=2").pattern
        assert unit_of(pattern) == unit
    assert unit_of(read_rule("FREQ=DAILY;BYDAY=MO").pattern) is None


def test_a_count_counts_from_the_start() -> None:
    rule = complete_rule(
        read_rule("FREQ=MONTHLY").pattern, starts_on=date(2026, 1, 31), ends_on=None, count=3
    )
    assert rule.last_on == date(2026, 3, 31)
    assert next_occurrence(rule, after=date(2026, 2, 28)) == date(2026, 3, 31)
    assert next_occurrence(rule, after=date(2026, 3, 31)) is None
    text = read_rule("FREQ=DAILY;COUNT=4")
    assert text.count == 4
    for time in ("", "T235959Z", "T000000Z", "T120000"):
        assert read_rule(f"FREQ=DAILY;UNTIL=20260131{time}").until == date(2026, 1, 31)


def test_nothing_is_beyond_the_supported_days() -> None:
    rule = RecurrenceRule(pattern=Pattern(frequency="daily"), starts_on=MAX_DAY)
    assert list(occurrences_from(rule, MIN_DAY)) == [MAX_DAY]
    assert next_occurrence(rule, after=MAX_DAY) is None
    for day in (MIN_DAY - DAY, MAX_DAY + DAY):
        with pytest.raises(RecurrenceError):
            RecurrenceRule(pattern=Pattern(frequency="daily"), starts_on=day)


@pytest.mark.parametrize(
    "text",
    [
        "", ";", "FREQ=HOURLY", "FREQ=", "INTERVAL=2", "FREQ=DAILY;", "FREQ=DAILY;FREQ=DAILY", "FREQ",
        "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=367", "FREQ=DAILY;INTERVAL=1.5", "FREQ=DAILY;BYHOUR=1",
        "FREQ=DAILY;BYWEEKNO=1", "FREQ=WEEKLY;BYDAY=2FR", "FREQ=DAILY;BYDAY=-1FR", "FREQ=MONTHLY;BYDAY=6FR",
        "FREQ=MONTHLY;BYDAY=0FR", "FREQ=YEARLY;BYDAY=54MO", "FREQ=YEARLY;BYMONTH=1;BYDAY=6MO",
        "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=MONTHLY;BYMONTHDAY=32",
        "FREQ=MONTHLY;BYMONTHDAY=1,,2", "FREQ=MONTHLY;BYMONTH=13", "FREQ=MONTHLY;BYMONTH=-1",
        "FREQ=MONTHLY;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0", "FREQ=DAILY;WKST=1",
        "FREQ=DAILY;UNTIL=2026", "FREQ=DAILY;UNTIL=20260230", "FREQ=DAILY;UNTIL=20260230T000000Z",
        "FREQ=DAILY;UNTIL=20260101T240000Z", "FREQ=DAILY;UNTIL=20260101T", "FREQ=DAILY;UNTIL=20260101Z",
        "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=-1", "FREQ=DAILY;COUNT=1;UNTIL=20260101",
        "FREQ=MONTHLY;BYMONTHDAY=" + "1," * 500 + "1", "FREQ=DAILY;X-NAME=1", "FREQ=DAILY\0",
        "FREQ=\N{FULLWIDTH LATIN CAPITAL LETTER D}AILY",
        "FREQ=MONTHLY;BYMONTHDAY=\N{ARABIC-INDIC DIGIT ONE}",
    ],
)  # fmt: skip
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(RecurrenceError) as caught:
        read_rule(text)
    assert caught.value.field == "rrule"


def _ends() -> Iterator[tuple[str, str | None, int | None, str]]:
    yield "FREQ=DAILY", "2025-12-31", None, "ends_on"
    yield "FREQ=MONTHLY;BYMONTHDAY=15", "2026-01-14", None, "ends_on"
    yield "FREQ=DAILY", "2026-01-10", 3, "count"
    yield "FREQ=DAILY", None, 0, "count"
    yield "FREQ=DAILY", None, MAX_COUNT + 1, "count"
    yield "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", None, None, "rrule"
    yield "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=-30,-31", "2030-01-01", None, "rrule"
    yield "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2", None, None, "rrule"
    yield "FREQ=DAILY;INTERVAL=7;BYDAY=MO", None, None, "rrule"
    yield "FREQ=YEARLY;INTERVAL=366;BYMONTH=2;BYMONTHDAY=28,29;BYDAY=1MO", None, None, "rrule"


@pytest.mark.parametrize(("text", "end", "count", "field"), list(_ends()))
def test_a_rule_that_never_occurs_or_ends_in_two_ways_is_refused(
    text: str, end: str | None, count: int | None, field: str
) -> None:
    with pytest.raises(RecurrenceError) as caught:
        complete_rule(
            read_rule(text).pattern,
            starts_on=date(2026, 1, 1),
            ends_on=None if end is None else date.fromisoformat(end),
            count=count,
        )
    assert caught.value.field == field


@patient
@given(pattern=patterns(), starts_on=st.dates(MIN_DAY, MAX_DAY), after=st.dates(MIN_DAY, MAX_DAY))
@example(
    pattern=Pattern(frequency="daily", by_month=(2,), by_month_day=(30,)), starts_on=MIN_DAY, after=MIN_DAY
)
def test_no_rule_makes_us_look_for_long(pattern: Pattern, starts_on: date, after: date) -> None:
    rule = RecurrenceRule(pattern=pattern, starts_on=starts_on)
    begun = thread_time()
    next_occurrence(rule, after=after)
    assert thread_time() - begun < BOUND_S


def test_counting_as_far_as_one_may_takes_no_time_either() -> None:
    rule = RecurrenceRule(pattern=Pattern(frequency="daily"), starts_on=date(2026, 1, 1))
    begun = thread_time()
    assert day_of_count(rule, MAX_COUNT) == date(2026, 1, 1) + (MAX_COUNT - 1) * DAY
    assert thread_time() - begun < BOUND_S
