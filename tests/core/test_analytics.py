"""Analytics equal an independent computation with pandas on random expenses, in three currencies."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.queries.analytics import Cut, break_down, summarise
from core.queries.spending_totals import Scope
from core.queries.trends import trend, trend_start
from core.rate_files import DailyRate
from core.rules.conversion import parse_rate
from core.rules.series import Interval, range_before
from core.services.exchange_rates import store_rates
from tests.core.services.spender import Spender, at

FIRST, LAST = date(2025, 11, 20), date(2026, 3, 20)
RATES = {"EUR": Decimal(1), "USD": Decimal("1.25"), "JPY": Decimal("160.5")}
DECIMALS = {"EUR": 2, "USD": 2, "JPY": 0, "CHF": 2}
CATEGORIES = [None, "food", "groceries", "travel"]

EXPENSES = st.lists(
    st.fixed_dictionaries(
        {
            "day": st.dates(FIRST, LAST),
            "minor": st.integers(-5_000, 20_000).filter(bool),
            "currency": st.sampled_from(["EUR", "EUR", "USD", "JPY", "CHF"]),
            "category": st.sampled_from(CATEGORIES),
            "payee": st.sampled_from([None, "Bakery", "Kiosk"]),
            "tags": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "lines": st.booleans(),
        }
    ),
    max_size=25,
)
RANGES = st.tuples(st.dates(FIRST, LAST), st.dates(FIRST, LAST)).map(lambda days: tuple(sorted(days)))


@pytest.fixture
def rated(database: Database) -> Database:
    """Rates for each day, but none for francs."""
    days = [FIRST - timedelta(days=200) + timedelta(days=number) for number in range(400)]
    with database.transaction() as session:
        store_rates(
            session,
            rates=[
                DailyRate(day, currency, parse_rate(str(RATES[currency])))
                for day in days
                for currency in ("USD", "JPY")
            ],
            source="test",
        )
    return database


def converted(minor: int, currency: str) -> int:
    """Cents, computed in decimals."""
    major = Decimal(int(minor)) / 10 ** DECIMALS[currency]
    return int((major / RATES[currency] * 100).quantize(Decimal(1), ROUND_HALF_UP))


def frame_of(expenses: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each expense or line."""
    rows = []
    for number, one in enumerate(expenses):
        parts = [(one["category"], one["minor"])]
        if one["lines"]:
            parts = [("food", one["minor"] - 100), ("travel", 100)]
        rows += [{**one, "expense": number, "category": name, "minor": minor} for name, minor in parts]
    columns = ["expense", "day", "minor", "currency", "category", "payee", "tags"]
    return pd.DataFrame(rows, columns=columns)


def cells_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The totals of a day, category and currency in cents; francs, without a rate, are left out."""
    known = frame[frame.currency != "CHF"]
    cells = known.groupby(["day", "category", "currency"], dropna=False).agg(
        minor=("minor", "sum"), count=("minor", "count")
    )
    cells = cells.reset_index()
    cells["cents"] = [converted(row.minor, row.currency) for row in cells.itertuples()]
    return cells


def record(me: Spender, expenses: list[dict[str, Any]]) -> None:
    for one in expenses:
        decimals = DECIMALS[one["currency"]]

        def text(minor: int, decimals: int = decimals) -> str:
            return str(Decimal(minor).scaleb(-decimals))

        fields: dict[str, Any] = {
            "currency": one["currency"],
            "payee": one["payee"],
            "tags": tuple(one["tags"]),
        }
        if one["lines"]:
            fields["lines"] = (("food", text(one["minor"] - 100)), ("travel", text(100)))
        elif one["category"]:
            fields["category"] = one["category"]
        me.spend(text(one["minor"]), one["day"], **fields)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(expenses=EXPENSES, days=RANGES)
def test_summary_and_breakdowns_equal_pandas(
    rated: Database, expenses: list[dict[str, Any]], days: tuple[date, date]
) -> None:
    me = Spender(rated)
    record(me, expenses)
    everything = frame_of(expenses)
    frame = everything[(everything.day >= days[0]) & (everything.day <= days[1])]
    cells = cells_of(frame)
    scope = Scope(user_id=me.id, first_day=days[0], last_day=days[1], currency="EUR")
    with rated.reading_rows() as rows:
        summary = summarise(rows, scope)
        shown = {by: break_down(rows, scope, by) for by in Cut.__args__}
    known = frame[frame.currency != "CHF"]
    assert summary.whole.minor == cells.cents.sum()
    assert summary.whole.count == known.expense.nunique()
    francs = frame[frame.currency == "CHF"]
    assert {code: (one.minor, one.count) for code, one in summary.unconverted.items()} == (
        {"CHF": (francs.minor.sum(), francs.expense.nunique())} if len(francs) else {}
    )
    labels = {None: "Uncategorised", "food": "food", "groceries": "food / groceries", "travel": "travel"}
    cells["label"] = [labels[name if isinstance(name, str) else None] for name in cells.category]
    assert_groups(shown["category"], cells.groupby("label"))
    assert_groups(shown["currency"], cells.groupby("currency"))
    moments = pd.to_datetime(cells.day)
    assert_groups(shown["day"], cells.groupby(moments.dt.strftime("%Y-%m-%d")))
    assert_groups(shown["month"], cells.groupby(moments.dt.strftime("%Y-%m")))
    assert_groups(shown["week"], cells.groupby(moments.dt.strftime("%G-W%V")))
    assert_groups(shown["weekday"], cells.groupby(moments.dt.day_name()))
    wholes = known.groupby(["expense", "day", "currency", "payee"], dropna=False).agg(
        minor=("minor", "sum"), tags=("tags", "first")
    )
    assert_expense_groups(
        shown["payee"],
        wholes.reset_index().assign(
            key=lambda one: one.payee.astype(object).where(one.payee.notna(), "No payee")
        ),
    )
    tagged = wholes.reset_index().explode("tags")
    assert_expense_groups(
        shown["tag"], tagged.assign(key=tagged.tags.astype(object).where(tagged.tags.notna(), "No tag"))
    )
    assert_largest(summary, known)
    before = range_before(*days)
    assert before is not None
    earlier = everything[(everything.day >= before[0]) & (everything.day <= before[1])]
    assert summary.before is not None
    assert summary.before.whole.minor == cells_of(earlier).cents.sum()


def assert_groups(shown: Any, grouped: Any) -> None:
    expected = {label: (group.cents.sum(), group["count"].sum()) for label, group in grouped}
    assert {one.label: (one.minor, one.count) for one in shown.groups} == expected
    assert shown.whole_minor == sum(one.minor for one in shown.groups)


def assert_expense_groups(shown: Any, expenses: pd.DataFrame) -> None:
    """Payees and tags are summed by day, and then converted."""
    cells = expenses.groupby(["key", "currency", "day"]).agg(minor=("minor", "sum"), count=("minor", "count"))
    expected: dict[str, tuple[int, int]] = {}
    for (key, currency, _), row in cells.iterrows():
        minor, count = expected.get(key, (0, 0))
        expected[key] = (minor + converted(row.minor, currency), count + row["count"])
    assert {one.label: (one.minor, one.count) for one in shown.groups} == expected


def assert_largest(summary: Any, known: pd.DataFrame) -> None:
    wholes = known.groupby(["expense", "currency"]).minor.sum().reset_index()
    cents = [converted(row.minor, row.currency) for row in wholes.itertuples() if row.minor > 0]
    assert (summary.largest.converted_minor if summary.largest else None) == max(cents, default=None)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    expenses=EXPENSES,
    interval=st.sampled_from(["day", "week", "month", "quarter", "year"]),
    periods=st.integers(1, 20),
)
def test_trends_equal_pandas(
    rated: Database, expenses: list[dict[str, Any]], interval: Interval, periods: int
) -> None:
    with at("2026-03-20T12:00:00"):
        me = Spender(rated)
        record(me, expenses)
    first = trend_start(LAST, interval, periods)
    scope = Scope(user_id=me.id, first_day=first, last_day=LAST, currency="EUR")
    with rated.reading_rows() as rows:
        found = trend(rows, scope, interval=interval, periods=periods)
    rule = {"day": "D", "week": "W-SUN", "month": "M", "quarter": "Q", "year": "Y"}[interval]
    cells = cells_of(frame_of(expenses))
    sums = cells.groupby(pd.PeriodIndex(pd.to_datetime(cells.day), freq=rule)).cents.sum()
    window = {"day": 7, "week": 4, "month": 3, "quarter": 4, "year": 3}[interval]
    index = pd.period_range(end=pd.Period(LAST, rule), periods=periods + window - 1, freq=rule)
    series = sums.reindex(index, fill_value=0)
    means = series.rolling(window).mean()
    assert [one.start for one in found.points] == [one.start_time.date() for one in index[window - 1 :]]
    assert [one.minor for one in found.points] == series.iloc[window - 1 :].tolist()
    for point, mean in zip(found.points, means.iloc[window - 1 :], strict=True):
        assert point.average_minor is not None
        assert abs(point.average_minor - mean) <= 0.5
