"""Analytics over HTTP: sensible answers also for nothing, for a day, for refunds and for other currencies."""

from datetime import date, timedelta
from typing import Any

import httpx
import pytest
from dateutil.relativedelta import relativedelta

from core.database import Database
from tests.api.calls import new_category, new_expense, read, wrong_fields
from tests.api.test_budgets import new_budget, today
from tests.api.test_exchange_rates import store
from tests.cast import Cast

MAY = {"from": "2026-05-01", "to": "2026-05-31"}


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def summary(client: httpx.Client, **query: str) -> dict[str, Any]:
    return read(client, "/v1/analytics/summary", **query)


def breakdown(client: httpx.Client, by: str, **query: str) -> list[tuple[str | None, str, int, float | None]]:
    items = read(client, "/v1/analytics/breakdown", by=by, **query)["items"]
    return [(one["label"], one["amount"], one["count"], one["percent"]) for one in items]


def test_a_summary_shows_the_range_beside_the_one_before(me: httpx.Client) -> None:
    food = new_category(me, name="Eating")
    for amount, day, category_id in [
        ("30.00", "2026-05-01", food["id"]),
        ("-5.00", "2026-05-31", food["id"]),
        ("75.00", "2026-05-10", None),
        ("50.00", "2026-04-30", None),
        ("1000.00", "2026-06-01", None),
    ]:
        new_expense(me, amount=amount, spent_on=day, category_id=category_id, payee="Shop")
    found = summary(me, **MAY)
    largest = found.pop("largest")
    assert (largest["amount"], largest["spent_on"], largest["payee"]) == ("75.00", "2026-05-10", "Shop")
    assert found == {
        "from": "2026-05-01",
        "to": "2026-05-31",
        "currency": "EUR",
        "total": "100.00",
        "count": 3,
        "average": "33.33",
        "by_category": [
            {"key": None, "label": "Uncategorised", "amount": "75.00", "count": 1, "percent": 75.0},
            {"key": food["id"], "label": "Eating", "amount": "25.00", "count": 2, "percent": 25.0},
        ],
        "before": {
            "from": "2026-04-01",
            "to": "2026-04-30",
            "total": "50.00",
            "count": 1,
            "change": "50.00",
            "change_percent": 100.0,
        },
        "converted": [],
        "unconverted": [],
    }


def test_nothing_is_zero_and_divides_nothing(me: httpx.Client) -> None:
    found = summary(me)
    assert (found["total"], found["count"], found["average"], found["largest"]) == ("0.00", 0, None, None)
    assert (found["by_category"], found["before"]["change_percent"]) == ([], None)
    assert (found["from"], found["to"]) == (today().replace(day=1).isoformat(), today().isoformat())
    for by in ("category", "day", "week", "month", "payee", "tag", "weekday", "currency"):
        assert breakdown(me, by) == []
    trends = read(me, "/v1/analytics/trends", periods=3)
    assert [one["amount"] for one in trends["items"]] == ["0.00"] * 3
    forecast = read(me, "/v1/analytics/forecast")
    assert (forecast["expected"], forecast["low"], forecast["high"]) == ("0.00", "0.00", "0.00")
    for path in ("anomalies", "subscriptions", "budget-adherence"):
        assert read(me, f"/v1/analytics/{path}") == {"items": [], "next_cursor": None}
    assert summary(me, **{"from": "0001-01-01", "to": "9999-12-31"})["before"] is None


def test_refunds_alone_give_a_negative_total_and_no_percentages(me: httpx.Client) -> None:
    new_expense(me, amount="-5.00", spent_on="2026-05-01")
    found = summary(me, **MAY)
    assert (found["total"], found["average"], found["largest"]) == ("-5.00", "-5.00", None)
    assert breakdown(me, "category", **MAY) == [("Uncategorised", "-5.00", 1, None)]


def test_every_cut_names_its_parts(me: httpx.Client) -> None:
    food = new_category(me, name="Eating")
    dining = new_category(me, name="Dining", parent_id=food["id"])
    new_expense(
        me,
        amount="60.00",
        spent_on="2026-05-04",
        payee="Bistro",
        tags=["fun", "work"],
        category_id=dining["id"],
    )
    new_expense(me, amount="40.00", spent_on="2026-05-10", payee="bistro", tags=["fun"])
    assert breakdown(me, "category", **MAY) == [
        ("Eating / Dining", "60.00", 1, 60.0),
        ("Uncategorised", "40.00", 1, 40.0),
    ]
    assert breakdown(me, "payee", **MAY) == [("bistro", "100.00", 2, 100.0)]
    assert breakdown(me, "tag", **MAY) == [("fun", "100.00", 2, 100.0), ("work", "60.00", 1, 60.0)]
    assert breakdown(me, "weekday", **MAY) == [("Monday", "60.00", 1, 60.0), ("Sunday", "40.00", 1, 40.0)]
    assert breakdown(me, "week", **MAY) == [("2026-W19", "100.00", 2, 100.0)]
    assert breakdown(me, "month", **MAY) == [("2026-05", "100.00", 2, 100.0)]
    assert breakdown(me, "day", **MAY) == [("2026-05-04", "60.00", 1, 60.0), ("2026-05-10", "40.00", 1, 40.0)]
    assert breakdown(me, "currency", **MAY) == [("EUR", "100.00", 2, 100.0)]


def test_other_currencies_are_converted_or_stand_apart(me: httpx.Client, database: Database) -> None:
    store(database, date(2026, 5, 4), USD="1.25")
    new_expense(me, amount="10.00", spent_on="2026-05-05")
    new_expense(me, amount="10.00", currency="USD", spent_on="2026-05-05", payee="Diner")
    new_expense(me, amount="700", currency="JPY", spent_on="2026-05-05")
    found = summary(me, **MAY)
    assert (found["total"], found["count"]) == ("18.00", 2)
    assert found["converted"] == [
        {"currency": "USD", "amount": "10.00", "converted": "8.00", "rate_day": "2026-05-04"}
    ]
    assert found["unconverted"] == [{"currency": "JPY", "amount": "700", "count": 1}]
    assert breakdown(me, "currency", **MAY) == [("EUR", "10.00", 1, 55.6), ("USD", "8.00", 1, 44.4)]
    in_dollars = summary(me, currency="USD", **MAY)
    assert (in_dollars["currency"], in_dollars["total"]) == ("USD", "22.50")


def test_an_expense_with_lines_counts_once_in_the_summary(me: httpx.Client) -> None:
    new_expense(me, amount="9.00", spent_on="2026-05-05", lines=[{"amount": "4.00"}, {"amount": "5.00"}])
    found = summary(me, **MAY)
    assert (found["total"], found["count"], found["average"]) == ("9.00", 1, "9.00")
    assert found["by_category"][0]["count"] == 2


def test_trends_follow_a_category_with_its_sub_categories(me: httpx.Client) -> None:
    food = new_category(me, name="Eating")
    dining = new_category(me, name="Dining", parent_id=food["id"])
    month = today().replace(day=1)
    for months_ago, amount in enumerate(["10.00", "20.00", "60.00"]):
        day = (month - relativedelta(months=months_ago)).isoformat()
        new_expense(me, amount=amount, spent_on=day, category_id=dining["id"])
        new_expense(me, amount="1.00", spent_on=day)
    found = read(me, "/v1/analytics/trends", periods=2, category_id=food["id"])
    assert [(one["amount"], one["moving_average"]) for one in found["items"]] == [
        ("20.00", "26.67"),
        ("10.00", "30.00"),
    ]
    assert found["items"][-1]["start"] == month.isoformat()
    answer = me.get("/v1/analytics/trends", params={"category_id": "018f0000-0000-7000-8000-000000000000"})
    assert answer.status_code == 404


def test_adherence_shows_each_budget_period_by_period(me: httpx.Client) -> None:
    month = today().replace(day=1)
    last_month = month - relativedelta(months=1)
    budget = new_budget(me, amount="50.00", period={"kind": "monthly", "anchor": last_month.isoformat()})
    new_expense(me, amount="60.00", spent_on=last_month.isoformat())
    new_expense(me, amount="10.00", spent_on=month.isoformat())
    query = {"from": last_month.isoformat(), "to": today().isoformat()}
    (found,) = read(me, "/v1/analytics/budget-adherence", **query)["items"]
    assert (found["budget_id"], found["kept"], found["exceeded"]) == (budget["id"], 1, 1)
    assert [(one["spent"], one["status"]) for one in found["periods"]] == [
        ("60.00", "exceeded"),
        ("10.00", "ok"),
    ]


def test_subscriptions_and_anomalies_are_found_and_told_in_words(me: httpx.Client) -> None:
    days = [today() - relativedelta(months=number) for number in range(6)]
    for day in days:
        new_expense(me, amount="12.99", spent_on=day.isoformat(), payee="Streams")
    for number in range(12):
        day = today() - timedelta(days=number)
        new_expense(me, amount=f"{20 + number % 3}.00", spent_on=day.isoformat(), payee="Café")
    new_expense(me, amount="240.00", spent_on=today().isoformat(), payee="Grand Hotel")
    (found,) = read(me, "/v1/analytics/subscriptions")["items"]
    assert (found["payee"], found["cadence"], found["yearly"]) == ("Streams", "monthly", "155.88")
    assert (found["count"], found["is_ended"], found["last_on"]) == (6, False, today().isoformat())
    (odd,) = read(me, "/v1/analytics/anomalies")["items"]
    assert odd["words"] == "Uncategorised: 240.00 EUR at Grand Hotel is 12.0 times the usual 20.00 EUR."


def test_the_forecast_counts_what_is_due_again(me: httpx.Client) -> None:
    due_day = today() + timedelta(days=1)
    for months_ago in range(1, 5):
        day = due_day - relativedelta(months=months_ago)
        new_expense(me, amount="500.00", spent_on=day.isoformat(), payee="Landlord")
    found = read(me, "/v1/analytics/forecast")
    is_within_month = due_day.month == today().month
    assert [(one["payee"], one["day"]) for one in found["charges"]] == (
        [("Landlord", due_day.isoformat())] if is_within_month else []
    )
    assert found["due"] == ("500.00" if is_within_month else "0.00")


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("summary", {"from": "2026-05-02", "to": "2026-05-01"}, "to"),
        ("summary", {"from": "yesterday"}, "from"),
        ("summary", {"currency": "XXX"}, "currency"),
        ("breakdown", {"by": "planet"}, "by"),
        ("trends", {"periods": "0"}, "periods"),
        ("trends", {"periods": "367"}, "periods"),
        ("trends", {"interval": "decade"}, "interval"),
        ("budget-adherence", {"from": "2020-01-01"}, "from"),
        ("forecast", {"currency": "EURO"}, "currency"),
        ("subscriptions", {"from": "2026-01-01"}, "from"),
    ],
)
def test_what_is_wrong_is_named(me: httpx.Client, path: str, query: dict[str, str], field: str) -> None:
    assert wrong_fields(me.get(f"/v1/analytics/{path}", params=query)) == [field]


def test_a_stranger_sees_nothing_of_mine(cast: Cast) -> None:
    new_expense(cast.owner.client, amount="5.00", spent_on="2026-05-05", payee="Shop")
    for other in (cast.member.client, cast.stranger.client):
        assert summary(other, **MAY)["total"] == "0.00"
        assert breakdown(other, "payee", **MAY) == []
