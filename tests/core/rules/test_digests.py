"""When digests are due, and of which days they tell."""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from hypothesis import given
from hypothesis import strategies as st

from core.rules.digests import (
    JITTER_S,
    DigestPlan,
    due_days,
    due_instant,
    next_due_day,
    period_before,
    told_period,
)
from core.rules.periods import Period, first_instant
from tests.core.rules.strategies import patient

DAY = timedelta(days=1)
ZONES = sorted(available_timezones())
AT_ONCE = UUID(int=0)
"""A user without any delay."""

EARLIEST, LATEST = datetime(1971, 1, 1), datetime(2100, 1, 1)  # noqa: DTZ001 - made aware where they are used

plans = st.builds(
    DigestPlan,
    frequency=st.sampled_from(["daily", "weekly", "monthly"]),
    hour=st.integers(0, 23),
    weekday=st.integers(1, 7),
    day=st.integers(1, 31),
)
days = st.dates(date(1970, 1, 1), date(2100, 1, 1))


@patient
@given(plan=plans, first=days)
def test_the_periods_of_consecutive_digests_follow_upon_each_other(plan: DigestPlan, first: date) -> None:
    due = list(islice(due_days(plan, first), 14))
    for one, following in pairwise(due):
        period = told_period(plan, following)
        assert period.start == one
        assert period.end == following


@patient
@given(plan=plans, first=days)
def test_digests_are_due_on_the_days_of_the_plan_and_on_no_others(plan: DigestPlan, first: date) -> None:
    due = set(islice(due_days(plan, first), 5))
    for offset in range((max(due) - first).days + 1):
        day = first + offset * DAY
        expected = (
            plan.frequency == "daily"
            or (plan.frequency == "weekly" and day.isoweekday() == plan.weekday)
            or (plan.frequency == "monthly" and day.day == min(plan.day, monthrange(day.year, day.month)[1]))
        )
        assert (day in due) == expected


@patient
@given(plan=plans, day=days, zone=st.sampled_from(ZONES), user=st.uuids())
def test_a_digest_goes_out_at_its_hour_on_the_users_clock(
    plan: DigestPlan, day: date, zone: str, user: UUID
) -> None:
    due_at = due_instant(plan, day, zone, user_id=user)
    start = due_at - timedelta(seconds=user.int % JITTER_S)
    wanted = datetime.combine(day, time(plan.hour))
    shown = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    before = (start - timedelta(seconds=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert before < wanted <= shown


@patient
@given(plan=plans, now=st.datetimes(EARLIEST, LATEST), zone=st.sampled_from(ZONES))
def test_the_next_digest_is_the_first_that_goes_out_later(plan: DigestPlan, now: datetime, zone: str) -> None:
    after = now.replace(tzinfo=UTC)
    today = after.astimezone(ZoneInfo(zone)).date()
    found = next_due_day(plan, after, zone, user_id=AT_ONCE, today=today)
    assert due_instant(plan, found, zone, user_id=AT_ONCE) > after
    earlier = [day for day in islice(due_days(plan, today - 40 * DAY), 50) if day < found]
    assert all(due_instant(plan, day, zone, user_id=AT_ONCE) <= after for day in earlier)


def test_every_zone_has_each_hour_of_a_day_on_which_its_clock_changes() -> None:
    for zone in ZONES:
        for day in (date(2026, 3, 29), date(2026, 10, 25), date(2026, 4, 5), date(2011, 12, 30)):
            instants = [first_instant(datetime.combine(day, time(hour)), zone) for hour in range(24)]
            assert instants == sorted(instants)


def test_a_day_that_apia_left_out_has_its_digest_when_the_next_one_begins() -> None:
    plan = DigestPlan("daily", 8, 1, 1)
    due_at = due_instant(plan, date(2011, 12, 30), "Pacific/Apia", user_id=AT_ONCE)
    assert due_at == datetime(2011, 12, 30, 10, tzinfo=UTC)
    assert f"{due_at.astimezone(ZoneInfo('Pacific/Apia')):%Y-%m-%d %H:%M}" == "2011-12-31 00:00"


def test_what_a_digest_compares_with() -> None:
    week = told_period(DigestPlan("weekly", 8, 1, 1), date(2026, 6, 8))
    assert period_before("weekly", week).start == date(2026, 5, 25)
    month = told_period(DigestPlan("monthly", 8, 1, 31), date(2026, 3, 31))
    assert (month.start, month.end) == (date(2026, 2, 28), date(2026, 3, 31))
    assert period_before("monthly", month).start == date(2026, 1, 28)


def test_between_two_digests_of_months_the_days_since_the_last_are_told() -> None:
    plan = DigestPlan("monthly", 8, 1, 1)
    assert told_period(plan, date(2026, 5, 28)) == Period(date(2026, 5, 1), date(2026, 5, 28))
    assert told_period(plan, date(2026, 6, 1)) == Period(date(2026, 5, 1), date(2026, 6, 1))
