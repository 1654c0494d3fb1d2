from calendar import isleap, monthrange
from datetime import MAXYEAR, MINYEAR, date, timedelta
from itertools import islice, pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.rules.periods import (
    MAX_DAY,
    MAX_EVERY,
    MIN_DAY,
    Period,
    PeriodError,
    PeriodKind,
    PeriodRule,
    default_anchor,
    is_supported,
    next_period,
    period_of,
    periods_between,
    previous_period,
)
from tests.core.rules.strategies import (
    days,
    endless_rules,
    month_ends,
    near_days,
    patient,
    recurring_kinds,
    rules,
)

DAY = timedelta(days=1)
MONTHS = {"monthly": 1, "quarterly": 3, "yearly": 12}


def is_grid_date(rule: PeriodRule, day: date) -> bool:
    """The definition itself, for one day: the oracle of these tests."""
    if rule.kind in ("daily", "weekly"):
        return (day - rule.anchor).days % (rule.every * (7 if rule.kind == "weekly" else 1)) == 0
    months = (day.year - rule.anchor.year) * 12 + day.month - rule.anchor.month
    last = monthrange(day.year, day.month)[1]
    return months % (rule.every * MONTHS[rule.kind]) == 0 and day.day == min(rule.anchor.day, last)


@patient
@given(rule=rules, day=days)
def test_a_day_lies_in_the_period_that_is_found_for_it(rule: PeriodRule, day: date) -> None:
    period = period_of(rule, day)
    is_over = rule.ends_on is not None and day > rule.ends_on
    is_early = rule.kind == "once" and day < rule.anchor
    assert (period is None) == (is_over or is_early)
    assert period is None or day in period


@patient
@given(rule=rules, day=days)
def test_every_day_of_a_period_finds_that_same_period(rule: PeriodRule, day: date) -> None:
    period = period_of(rule, day)
    if period is not None:
        for other in (period.start, period.last_day, period.start + period.days // 2 * DAY):
            assert period_of(rule, other) == (period if is_supported(other) else None)


@patient
@given(rule=rules, day=days)
def test_periods_tile_the_line_without_gap_or_overlap(rule: PeriodRule, day: date) -> None:
    period = period_of(rule, day)
    if period is None:
        return
    following, preceding = next_period(rule, period), previous_period(rule, period)
    if following is not None:
        assert following.start == period.end
        assert previous_period(rule, following) == period
    if preceding is not None:
        assert preceding.end == period.start
        assert next_period(rule, preceding) == period


@patient
@given(
    kind=recurring_kinds, every=st.integers(1, 5), anchor=st.one_of(near_days, month_ends), first=near_days
)
def test_periods_are_those_of_a_walk_day_by_day(
    kind: PeriodKind, every: int, anchor: date, first: date
) -> None:
    rule = PeriodRule(kind, every, anchor)
    period = period_of(rule, first)
    for day in (first + n * DAY for n in range(800)):
        if is_grid_date(rule, day):
            period = period_of(rule, day)
            assert period is not None
            assert period.start == day
        assert period_of(rule, day) == period


@patient
@given(rule=endless_rules, day=days)
def test_a_period_begins_and_ends_on_the_grid_of_its_anchor(rule: PeriodRule, day: date) -> None:
    period = period_of(rule, day)
    assert period is not None
    assert is_grid_date(rule, period.start)
    assert is_grid_date(rule, period.end)


@patient
@given(kind=st.sampled_from(["monthly", "quarterly", "yearly"]), anchor=st.one_of(days, month_ends), day=days)
@example(kind="monthly", anchor=date(2024, 1, 31), day=date(2100, 2, 28))
@example(kind="yearly", anchor=date(2024, 2, 29), day=date(2096, 2, 29))
def test_the_anchor_day_is_clamped_to_the_month_and_never_forgotten(
    kind: PeriodKind, anchor: date, day: date
) -> None:
    for period in islice(periods_between(PeriodRule(kind, 1, anchor), day, MAX_DAY), 30):
        last = monthrange(period.start.year, period.start.month)[1]
        assert period.start.day == min(anchor.day, last)


@patient
@given(rule=rules, first=days, length=st.integers(-5, 400))
def test_periods_between_two_days_are_all_that_have_a_day_there(
    rule: PeriodRule, first: date, length: int
) -> None:
    last = first + length * DAY
    found = list(periods_between(rule, first, last))
    expected = (period_of(rule, first + n * DAY) for n in range(length + 1))
    assert found == list(dict.fromkeys(period for period in expected if period is not None))
    assert all(before.end == after.start for before, after in pairwise(found))


def starts(rule: PeriodRule, first: date, count: int) -> list[str]:
    return [str(period.start) for period in islice(periods_between(rule, first, MAX_DAY), count)]


def test_a_month_from_the_31st_clamps_and_comes_back_to_the_31st() -> None:
    rule = PeriodRule("monthly", 1, date(2023, 1, 31))
    expected = ["2023-12-31", "2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    assert starts(rule, date(2024, 1, 1), 6) == expected


def test_a_year_from_a_leap_day_clamps_and_comes_back_to_the_leap_day() -> None:
    rule = PeriodRule("yearly", 1, date(2024, 2, 29))
    assert starts(rule, date(2024, 3, 1), 5) == [
        "2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"
    ]  # fmt: skip
    for period in periods_between(rule, MIN_DAY, MAX_DAY):
        assert period.start.day == (29 if isleap(period.start.year) else 28)


def test_pay_cycles_follow_their_anchor_on_both_sides() -> None:
    fridays = PeriodRule("weekly", 2, date(2026, 1, 9))
    assert starts(fridays, date(2025, 12, 20), 3) == ["2025-12-12", "2025-12-26", "2026-01-09"]
    assert starts(PeriodRule("monthly", 1, date(2026, 1, 25)), date(2025, 12, 24), 2) == [
        "2025-11-25", "2025-12-25"
    ]  # fmt: skip


def test_the_last_period_is_cut_at_its_end() -> None:
    rule = PeriodRule("monthly", 1, date(2026, 1, 1), date(2026, 3, 10))
    last = period_of(rule, date(2026, 3, 10))
    assert last == Period(date(2026, 3, 1), date(2026, 3, 11))
    assert last.days == 10
    assert next_period(rule, last) is None
    assert period_of(rule, date(2026, 3, 11)) is None


def test_a_single_period_has_nothing_before_and_nothing_after() -> None:
    rule = PeriodRule("once", 1, date(2026, 7, 1), date(2026, 7, 14))
    holiday = Period(date(2026, 7, 1), date(2026, 7, 15))
    assert list(periods_between(rule, MIN_DAY, MAX_DAY)) == [holiday]
    assert period_of(rule, date(2026, 6, 30)) is None
    assert next_period(rule, holiday) is None
    assert previous_period(rule, holiday) is None


@patient
@given(rule=rules)
def test_no_day_of_the_calendar_overflows(rule: PeriodRule) -> None:
    for day in (date.min, MIN_DAY - DAY, MAX_DAY + DAY, date.max):
        assert period_of(rule, day) is None
    for day in (MIN_DAY, MAX_DAY):
        period = period_of(rule, day)
        if period is not None:
            next_period(rule, period)
            previous_period(rule, period)
    assert sum(1 for _ in islice(periods_between(rule, date.min, date.max), 3)) >= 1


def test_the_longest_period_stays_within_the_calendar() -> None:
    assert MIN_DAY.year - MAX_EVERY > MINYEAR
    assert MAX_DAY.year + MAX_EVERY < MAXYEAR


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("daily", date(2026, 8, 19)),
        ("weekly", date(2026, 8, 17)),
        ("monthly", date(2026, 8, 1)),
        ("quarterly", date(2026, 7, 1)),
        ("yearly", date(2026, 1, 1)),
        ("once", date(2026, 8, 19)),
    ],
)
def test_the_default_anchor_starts_the_calendar_s_own_period(kind: PeriodKind, expected: date) -> None:
    assert default_anchor(kind, date(2026, 8, 19)) == expected


@patient
@given(kind=recurring_kinds, today=days)
def test_a_period_from_the_default_anchor_covers_today(kind: PeriodKind, today: date) -> None:
    anchor = default_anchor(kind, today)
    period = period_of(PeriodRule(kind, 1, anchor), today)
    assert period is not None
    assert period.start == anchor
    assert is_supported(anchor)


@pytest.mark.parametrize(
    ("kind", "every", "anchor", "ends_on", "field"),
    [
        ("hourly", 1, date(2026, 1, 1), None, "kind"),
        ("daily", 0, date(2026, 1, 1), None, "every"),
        ("daily", MAX_EVERY + 1, date(2026, 1, 1), None, "every"),
        ("daily", 1, MIN_DAY - DAY, None, "anchor"),
        ("daily", 1, MAX_DAY + DAY, None, "anchor"),
        ("daily", 1, date(2026, 1, 1), date.max, "ends_on"),
        ("once", 1, date(2026, 1, 1), None, "ends_on"),
        ("once", 1, date(2026, 1, 2), date(2026, 1, 1), "ends_on"),
        ("once", 2, date(2026, 1, 1), date(2026, 1, 1), "every"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_by_the_name_of_its_field(
    kind: PeriodKind, every: int, anchor: date, ends_on: date | None, field: str
) -> None:
    with pytest.raises(PeriodError) as caught:
        PeriodRule(kind, every, anchor, ends_on)
    assert caught.value.field == field
    assert caught.value.detail


def test_a_period_without_a_day_is_refused() -> None:
    with pytest.raises(ValueError, match="no day"):
        Period(date(2026, 1, 1), date(2026, 1, 1))
