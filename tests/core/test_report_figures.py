"""The figures of reports equal sums that are computed otherwise, and each other."""

from collections import Counter
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.queries.report_documents import Named, ReportFigures, figures_document, read_figures
from core.queries.report_figures import bearing_until, report_figures
from core.rules.periods import Period
from core.rules.report_periods import ReportKind, parse_report_period
from tests.core.services.spender import Spender, at
from tests.core.test_analytics import EXPENSES, cells_of, converted, frame_of, rated, record

PERIODS: list[tuple[ReportKind, str]] = [
    ("monthly", "2025-11"),
    ("monthly", "2025-12"),
    ("monthly", "2026-02"),
    ("monthly", "2026-03"),
    ("yearly", "2025"),
    ("yearly", "2026"),
]
RUNNING_ON, LONG_AFTER = date(2026, 3, 12), date(2028, 1, 1)

__all__ = ["rated"]


def figures_of(
    me: Spender, kind: ReportKind, text: str, *, on: date = LONG_AFTER, currency: str = "EUR"
) -> ReportFigures:
    with at(f"{on}T12:00:00"), me.database.snapshot_rows() as rows:
        return report_figures(
            rows, user_id=me.id, kind=kind, period=parse_report_period(kind, text), currency=currency
        )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    expenses=EXPENSES,
    asked=st.sampled_from(PERIODS),
    today=st.sampled_from([RUNNING_ON, LONG_AFTER]),
)
def test_all_sums_equal_those_of_pandas(
    rated: Database,
    expenses: list[dict[str, Any]],
    asked: tuple[ReportKind, str],
    today: date,
) -> None:
    me = Spender(rated)
    record(me, expenses)
    found = figures_of(me, *asked, on=today)
    everything = frame_of(expenses)
    period = found.period
    frame = between(everything, period.start, period.last_day)
    cells = cells_of(frame)
    assert found.running_on == (today if today in period else None)
    assert found.whole.minor == cells.cents.sum()
    assert found.whole.count == frame[frame.currency != "CHF"].expense.nunique()
    francs = frame[frame.currency == "CHF"]
    assert [(code, one.minor) for code, one in found.unconverted.items()] == (
        [("CHF", francs.minor.sum())] if len(francs) else []
    )
    assert_parts(found, cells)
    assert_largest(found, frame)
    assert_named(found.by_payee, frame, "payee")
    assert_named(found.by_tag, frame.explode("tags"), "tags")
    for one in found.comparisons:
        then = between(everything, one.days.first_day, one.days.last_day)
        own = between(everything, period.start, one.days.own_last_day)
        assert (one.then.minor, one.own.minor) == (cells_of(then).cents.sum(), cells_of(own).cents.sum())
    passed = cells_of(between(frame, period.start, min(today, period.last_day))).cents.sum()
    days = (min(today, period.last_day) - period.start).days + 1
    assert found.daily_minor == (Decimal(int(passed)) / days).quantize(Decimal(1), ROUND_HALF_UP)
    assert read_figures(figures_document(found)) is not None
    assert figures_document(read_figures(figures_document(found)) or found) == figures_document(found)


def between(frame: pd.DataFrame, first: date, last: date) -> pd.DataFrame:
    return frame[(frame.day >= first) & (frame.day <= last)]


def assert_parts(found: ReportFigures, cells: pd.DataFrame) -> None:
    """Each way to cut it up comes to the whole, and leaves no day, week or month out."""
    moments = pd.to_datetime(cells.day)
    by_day = cells.groupby(moments.dt.date).cents.sum().to_dict()
    by_month = cells.groupby(moments.dt.to_period("M").dt.start_time.dt.date).cents.sum().to_dict()
    by_week = cells.groupby(moments.dt.to_period("W-SUN").dt.start_time.dt.date).cents.sum().to_dict()
    times = {one.start: one.minor for one in found.over_time}
    assert nonzero(times) == nonzero(by_day if found.kind == "monthly" else by_month)
    assert len(found.over_time) == (found.period.days if found.kind == "monthly" else 12)
    assert nonzero({one.start: one.minor for one in found.by_week}) == nonzero(by_week)
    starts = [one.start for one in found.by_week]
    assert all(later - one == timedelta(days=7) for one, later in pairwise(starts))
    assert starts[0] <= found.period.start <= starts[0] + timedelta(days=6)
    weekdays = cells.groupby(moments.dt.day_name()).cents.sum().to_dict()
    assert nonzero({one.label: one.minor for one in found.by_weekday}) == nonzero(weekdays)
    assert len(found.by_weekday) == 7
    for parts in (found.by_category, found.over_time, found.by_week, found.by_weekday):
        assert sum(one.minor for one in parts) == found.whole.minor  # type: ignore[attr-defined]


def nonzero(sums: dict[Any, int]) -> dict[Any, int]:
    return {key: minor for key, minor in sums.items() if minor}


def assert_largest(found: ReportFigures, frame: pd.DataFrame) -> None:
    known = frame[frame.currency != "CHF"]
    wholes = known.groupby(["expense", "currency"]).minor.sum().reset_index()
    cents = sorted(converted(row.minor, row.currency) for row in wholes.itertuples() if row.minor > 0)
    assert [one.converted_minor for one in found.largest] == cents[::-1][:10]


def assert_named(found: Named, frame: pd.DataFrame, name: str) -> None:
    """By payee or tag and day, and then converted."""
    known = frame[frame.currency != "CHF"].reset_index()
    known["key"] = known[name].astype(object).where(known[name].notna(), "")
    cells = known.groupby(["key", "currency", "day"]).minor.sum()
    expected: Counter[str] = Counter()
    for (key, currency, _), minor in cells.items():
        expected[key] += converted(minor, currency)
    assert nonzero({one.key or "": one.minor for one in found.groups}) == {
        key.casefold() if name == "payee" else key: minor for key, minor in nonzero(expected).items()
    }
    assert (found.rest.minor, found.rest.count) == (0, 0)


def test_a_month_without_anything_is_empty_and_no_error(database: Database) -> None:
    found = figures_of(Spender(database), "monthly", "2026-05")
    assert (found.whole.minor, found.whole.count, found.average_minor) == (0, 0, None)
    assert [one.minor for one in found.over_time] == [0] * 31
    assert (found.by_category, found.largest, found.budgets, found.groups) == ([], [], [], [])
    assert [(one.own.minor, one.then.minor) for one in found.comparisons] == [(0, 0), (0, 0)]


def test_on_its_first_day_a_month_is_that_day_alone(database: Database) -> None:
    me = Spender(database)
    me.spend("10.00", "2026-05-01")
    me.spend("7.00", "2026-04-01")
    me.spend("2.00", "2026-04-02")
    me.spend("3.00", "2026-05-20")
    found = figures_of(me, "monthly", "2026-05", on=date(2026, 5, 1))
    assert (found.whole.minor, found.daily_minor) == (1300, 1000)
    before = found.comparisons[0]
    assert (before.own.minor, before.then.minor, before.days.last_day) == (1000, 700, date(2026, 4, 1))


def test_refunds_may_outweigh_what_was_spent(database: Database) -> None:
    me = Spender(database)
    me.spend("-30.00", "2026-05-04", category="travel")
    me.spend("10.00", "2026-05-05", category="food")
    found = figures_of(me, "monthly", "2026-05")
    assert (found.whole.minor, found.average_minor, found.daily_minor) == (-2000, -1000, -65)
    assert [(one.label, one.minor) for one in found.by_category] == [("food", 1000), ("travel", -3000)]
    assert [one.converted_minor for one in found.largest] == [1000]


@pytest.mark.parametrize(
    ("timezone", "instant", "running_on"),
    [
        ("Europe/Berlin", "2026-03-31T21:59:59", date(2026, 3, 31)),  # 23:59:59 in summer time
        ("Europe/Berlin", "2026-03-31T22:00:00", None),
        ("Europe/Berlin", "2026-02-28T23:00:00", date(2026, 3, 1)),  # midnight in winter time
        ("Pacific/Kiritimati", "2026-03-31T09:59:59", date(2026, 3, 31)),
        ("Pacific/Kiritimati", "2026-03-31T10:00:00", None),
        ("Pacific/Pago_Pago", "2026-04-01T10:59:59", date(2026, 3, 31)),
        ("Pacific/Pago_Pago", "2026-04-01T11:00:00", None),
    ],
)
def test_a_month_ends_when_it_does_where_the_user_is(
    database: Database, timezone: str, instant: str, running_on: date | None
) -> None:
    me = Spender(database, timezone=timezone)
    with at(instant), database.snapshot_rows() as rows:
        period = parse_report_period("monthly", "2026-03")
        found = report_figures(rows, user_id=me.id, kind="monthly", period=period, currency="EUR")
    assert found.running_on == running_on


def test_budgets_are_told_of_with_all_their_periods_that_touch_the_month(database: Database) -> None:
    me = Spender(database)
    with at("2026-05-01T12:00:00"):
        me.budget("100.00", name="All")
        weekly = me.budget("20.00", kind="weekly", anchor=date(2026, 4, 27), categories=["food"], name="Food")
    me.spend("30.00", "2026-05-05", category="groceries")
    me.spend("15.00", "2026-05-12", category="travel")
    whole, food = figures_of(me, "monthly", "2026-05").budgets
    assert (whole.name, whole.kept, whole.exceeded) == ("All", 1, 0)
    assert [(one.spent_minor, one.limit_minor, one.status) for one in whole.periods] == [(4500, 10000, "ok")]
    assert (food.budget_id, food.kept, food.exceeded) == (weekly, 4, 1)
    assert [str(one.period.start) for one in food.periods] == [
        "2026-04-27", "2026-05-04", "2026-05-11", "2026-05-18", "2026-05-25",
    ]  # fmt: skip
    assert [one.status for one in food.periods] == ["ok", "exceeded", "ok", "ok", "ok"]


def test_of_a_daily_budget_the_last_periods_of_a_year_are_listed_and_all_are_counted(
    database: Database,
) -> None:
    me = Spender(database)
    me.budget("5.00", kind="daily")
    me.spend("6.00", "2026-01-01")
    (kept,) = figures_of(me, "yearly", "2026").budgets
    assert (kept.kept, kept.exceeded, len(kept.periods)) == (364, 1, 60)
    assert kept.periods[-1].period.start == date(2026, 12, 31)


def test_what_a_weekly_budget_counts_beyond_the_month_bears_on_the_report(database: Database) -> None:
    me = Spender(database)
    may = Period(date(2026, 5, 1), date(2026, 6, 1))
    with database.reading() as session:
        assert bearing_until(session, user_id=me.id, period=may) == date(2026, 6, 1)
    # 25 May is a Monday, and 29 June the end of its five weeks.
    me.budget("20.00", kind="weekly", every=5, anchor=date(2026, 5, 25))
    with database.reading() as session:
        assert bearing_until(session, user_id=me.id, period=may) == date(2026, 6, 29)


def test_what_comes_back_and_what_is_unusual_is_told_as_of_the_end_of_the_month(database: Database) -> None:
    me = Spender(database)
    for month in range(1, 7):
        me.spend("9.99", date(2026, month, 3), payee="Streams")
    for day in range(1, 13):
        me.spend("20.00", date(2026, 5, day), payee="Kiosk", category="food")
    me.spend("240.00", "2026-05-20", payee="Grand Hotel", category="food")
    found = figures_of(me, "monthly", "2026-05")
    assert [one.words for one in found.anomalies] == [
        "food: 240.00 EUR at Grand Hotel is 12.0 times the usual 20.00 EUR."
    ]
    (stream,) = found.subscriptions
    assert (stream.payee, stream.cadence, stream.count) == ("Streams", "monthly", 5)
    assert (stream.last_on, stream.next_on, stream.is_ended) == (date(2026, 5, 3), date(2026, 6, 3), False)
    assert figures_of(me, "monthly", "2026-12").subscriptions == []


def test_another_currency_than_the_users_may_be_asked_for(rated: Database) -> None:
    me = Spender(rated)
    me.spend("10.00", "2026-01-05", currency="USD")
    me.spend("10.00", "2026-01-05")
    found = figures_of(me, "monthly", "2026-01", currency="USD")
    assert (found.currency, found.whole.minor) == ("USD", 2250)
    assert [(one.currency, one.amount_minor, one.converted_minor) for one in found.converted] == [
        ("EUR", 1000, 1250)
    ]
