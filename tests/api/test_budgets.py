"""Budgets over HTTP: set, read with exact figures, changed, archived, deleted."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from core.database import Database
from core.models import Budget
from core.rules.periods import default_anchor
from core.services.budgets import MAX_BUDGETS
from tests.api.accounts import add_budget
from tests.api.calls import jobs_asked_for, new_category, new_expense, problem, read, wrong_fields
from tests.cast import Cast

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def today() -> date:
    """The day on the calendar of the cast, who live in UTC."""
    return datetime.now(UTC).date()


def new_budget(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    answer = client.post("/v1/budgets", json={"name": "Food", "amount": "100.00", **fields})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def current(client: httpx.Client, budget: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = read(client, f"/v1/budgets/{budget['id']}")["current"]
    return found


def test_a_budget_has_defaults_for_all_but_name_and_amount(me: httpx.Client) -> None:
    answer = me.post("/v1/budgets", json={"name": "Food", "amount": "100.00"})
    budget = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/v1/budgets/{budget['id']}"
    assert answer.headers["ETag"] == '"1"'
    month = today().replace(day=1)
    shown = budget.pop("current")
    assert (
        budget.items()
        >= {
            "name": "Food",
            "amount": "100.00",
            "currency": "EUR",
            "period": {"kind": "monthly", "every": 1, "anchor": month.isoformat(), "ends_on": None},
            "category_ids": [],
            "thresholds": [80, 100],
            "rollover": "none",
            "pace_alert": False,
            "archived_at": None,
        }.items()
    )
    assert shown == {
        "start": month.isoformat(),
        "end": (month + timedelta(days=31)).replace(day=1).isoformat(),
        "limit": "100.00",
        "spent": "0.00",
        "remaining": "100.00",
        "percent": 0.0,
        "projected": "0.00",
        "status": "ok",
        "converted": [],
        "unconverted": [],
    }
    assert read(me, answer.headers["Location"]) == answer.json()


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly", "quarterly", "yearly"])
def test_every_kind_begins_with_the_calendar_or_at_its_anchor(me: httpx.Client, kind: Any) -> None:
    plain = new_budget(me, period={"kind": kind})
    assert plain["period"]["anchor"] == default_anchor(kind, today()).isoformat()
    anchored = new_budget(me, period={"kind": kind, "every": 2, "anchor": "2025-12-25"})
    assert anchored["period"] == {"kind": kind, "every": 2, "anchor": "2025-12-25", "ends_on": None}
    assert anchored["current"]["start"] <= today().isoformat() < anchored["current"]["end"]


def test_a_one_off_budget_has_a_beginning_and_an_end(me: httpx.Client) -> None:
    first, last = today() + timedelta(days=3), today() + timedelta(days=5)
    budget = new_budget(me, period={"kind": "once", "anchor": first.isoformat(), "ends_on": last.isoformat()})
    assert budget["current"]["start"] == first.isoformat()
    assert budget["current"]["end"] == (last + timedelta(days=1)).isoformat()
    assert read(me, f"/v1/budgets/{budget['id']}/history")["items"] == []
    from_today = new_budget(me, period={"kind": "once", "ends_on": last.isoformat()})
    assert from_today["period"]["anchor"] == today().isoformat()


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": "x" * 101}, "/name"),
        ({"name": None}, "/name"),
        ({"amount": "-0.01"}, "/amount"),
        ({"amount": "0.001"}, "/amount"),
        ({"amount": "1e3"}, "/amount"),
        ({"amount": None}, "/amount"),
        ({"amount": [1]}, "/amount"),
        ({"period": {"kind": "hourly"}}, "/period/kind"),
        ({"period": {"kind": "daily", "every": 0}}, "/period/every"),
        ({"period": {"kind": "daily", "every": 367}}, "/period/every"),
        ({"period": {"kind": "daily", "anchor": "1899-12-31"}}, "/period/anchor"),
        ({"period": {"kind": "daily", "anchor": "2026-02-30"}}, "/period/anchor"),
        ({"period": {"kind": "daily", "ends_on": "2201-01-01"}}, "/period/ends_on"),
        ({"period": {"kind": "once"}}, "/period/ends_on"),
        ({"period": {"kind": "once", "anchor": "2026-05-02", "ends_on": "2026-05-01"}}, "/period/ends_on"),
        ({"period": {"kind": "once", "every": 2, "ends_on": "2100-01-01"}}, "/period/every"),
        ({"period": {"begins": "2026-05-02"}}, "/period/begins"),
        ({"category_ids": [MISSING]}, "/category_ids/0"),
        ({"category_ids": [MISSING] * 101}, "/category_ids"),
        ({"thresholds": [50, 0]}, "/thresholds/1"),
        ({"thresholds": [1001]}, "/thresholds/0"),
        ({"thresholds": [79.5]}, "/thresholds/0"),
        ({"thresholds": list(range(1, 22))}, "/thresholds"),
        ({"rollover": "some"}, "/rollover"),
        ({"pace_alert": "yes"}, "/pace_alert"),
        ({"limit": "1.00"}, "/limit"),
    ],
)
def test_what_is_wrong_is_named_when_a_budget_is_set_or_changed(
    me: httpx.Client, fields: dict[str, Any], pointer: str
) -> None:
    assert wrong_fields(me.post("/v1/budgets", json={"name": "A", "amount": "1", **fields})) == [pointer]
    budget = new_budget(me)
    assert wrong_fields(me.patch(f"/v1/budgets/{budget['id']}", json=fields)) == [pointer]
    assert read(me, f"/v1/budgets/{budget['id']}") == budget


@pytest.mark.parametrize("currency", ["XXX", "eur", "EURO", "", None, 978])
def test_a_currency_must_be_one(me: httpx.Client, currency: Any) -> None:
    body = {"name": "A", "amount": "1", "currency": currency}
    if currency is None:
        assert me.post("/v1/budgets", json=body).json()["currency"] == "EUR"
    else:
        assert wrong_fields(me.post("/v1/budgets", json=body)) == ["/currency"]


def test_the_currency_cannot_be_changed(me: httpx.Client) -> None:
    budget = new_budget(me)
    assert wrong_fields(me.patch(f"/v1/budgets/{budget['id']}", json={"currency": "USD"})) == ["/currency"]


def test_somebody_elses_category_is_no_category(cast: Cast) -> None:
    foreign = new_category(cast.stranger.client, "Theirs")["id"]
    own = new_category(cast.owner.client, "Mine")["id"]
    body = {"name": "A", "amount": "1", "category_ids": [own, foreign]}
    assert wrong_fields(cast.owner.client.post("/v1/budgets", json=body)) == ["/category_ids/1"]


def test_the_figures_are_exact_in_the_very_next_request_after_a_write(me: httpx.Client) -> None:
    food, fun = new_category(me, "F1"), new_category(me, "F2")
    budget = new_budget(me, category_ids=[food["id"]])
    day = today().isoformat()
    expense = new_expense(me, "79.99", category_id=food["id"], spent_on=day)
    new_expense(me, "50.00", category_id=fun["id"], spent_on=day)
    new_expense(me, "5.00", currency="USD", category_id=food["id"], spent_on=day)
    shown = current(me, budget)
    assert (shown["spent"], shown["remaining"], shown["percent"]) == ("79.99", "20.01", 79.9)
    assert (shown["status"], shown["unconverted"]) == ("ok", [{"currency": "USD", "amount": "5.00"}])
    for change, spent, status in [("80.00", "80.00", "warning"), ("100.01", "100.01", "exceeded")]:
        me.patch(f"/v1/expenses/{expense['id']}", json={"amount": change})
        shown = current(me, budget)
        assert (shown["spent"], shown["status"]) == (spent, status)
    me.delete(f"/v1/expenses/{expense['id']}")
    assert current(me, budget)["spent"] == "0.00"
    me.post(f"/v1/expenses/{expense['id']}/restore")
    shown = current(me, budget)
    assert (shown["spent"], shown["remaining"]) == ("100.01", "-0.01")


def test_a_limit_of_zero_has_no_percentage(me: httpx.Client) -> None:
    budget = new_budget(me, amount="0", currency="JPY", thresholds=[])
    assert (budget["current"]["limit"], budget["current"]["percent"]) == ("0", None)
    assert budget["thresholds"] == []


def test_thresholds_come_back_in_order_each_once(me: httpx.Client) -> None:
    assert new_budget(me, thresholds=[100, 1, 1000, 1])["thresholds"] == [1, 100, 1000]


def test_a_number_is_read_exactly_as_it_is_written(me: httpx.Client) -> None:
    answer = me.post("/v1/budgets", content=b'{"name": "A", "amount": 1234567890.10}')
    assert answer.json()["amount"] == "1234567890.10"


def test_a_change_is_answered_kept_and_evaluated(me: httpx.Client, database: Database) -> None:
    category = new_category(me, "F1")
    budget = new_budget(me)
    changes = {
        "name": "Fun",
        "amount": "55.50",
        "category_ids": [category["id"]],
        "thresholds": [70],
        "rollover": "both",
        "pace_alert": True,
    }
    changed = me.patch(f"/v1/budgets/{budget['id']}", json=changes, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.text
    assert changed.json().items() >= changes.items()
    assert changed.headers["ETag"] == '"2"'
    assert changed.json()["current"]["limit"] == "55.50"
    assert read(me, f"/v1/budgets/{budget['id']}") == changed.json()
    assert len(jobs_asked_for(database)) == 2


def test_a_changed_period_keeps_what_is_not_mentioned_unless_its_kind_is_another(me: httpx.Client) -> None:
    given = {"kind": "weekly", "every": 2, "anchor": "2026-01-02", "ends_on": "2100-01-01"}
    path = f"/v1/budgets/{new_budget(me, period=given)['id']}"
    for change, expected in [
        ({"every": 3}, {**given, "every": 3}),
        ({"ends_on": None}, {**given, "every": 3, "ends_on": None}),
        ({"kind": "weekly", "anchor": "2026-01-03"},
         {**given, "every": 3, "anchor": "2026-01-03", "ends_on": None}),
        ({"kind": "daily"},
         {"kind": "daily", "every": 1, "anchor": today().isoformat(), "ends_on": None}),
    ]:  # fmt: skip
        assert me.patch(path, json={"period": change}).json()["period"] == expected


def test_what_changes_nothing_leaves_the_version_as_it_is(me: httpx.Client, database: Database) -> None:
    budget = new_budget(me)
    same = {
        "name": "Food", "amount": "100.00", "period": {"kind": "monthly"}, "category_ids": [],
        "thresholds": [100, 80], "rollover": "none", "pace_alert": False,
    }  # fmt: skip
    for body in ({}, same):
        answer = me.patch(f"/v1/budgets/{budget['id']}", json=body)
        assert (answer.status_code, answer.headers["ETag"], answer.json()) == (200, '"1"', budget)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_based_on_an_older_version_is_refused(me: httpx.Client, method: str) -> None:
    path = f"/v1/budgets/{new_budget(me)['id']}"
    me.patch(path, json={"name": "Newer"})
    body = {"json": {"name": "Older"}} if method == "PATCH" else {}
    problem(me.request(method, path, headers={"If-Match": '"1"'}, **body), 412)
    assert read(me, path)["name"] == "Newer"
    assert me.request(method, path, headers={"If-Match": '"2"'}, **body).is_success


def test_a_deleted_budget_is_gone(me: httpx.Client) -> None:
    path = f"/v1/budgets/{new_budget(me)['id']}"
    assert me.delete(path).status_code == 204
    problem(me.get(path), 404)
    problem(me.delete(path), 404)
    assert read(me, "/v1/budgets")["items"] == []


def test_an_archived_budget_is_listed_apart_with_its_history(me: httpx.Client) -> None:
    kept, put_away = new_budget(me), new_budget(me)
    path = f"/v1/budgets/{put_away['id']}"
    archived = me.post(f"{path}/archive")
    assert (archived.status_code, archived.headers["ETag"]) == (200, '"2"')
    assert archived.json()["archived_at"] is not None
    assert me.post(f"{path}/archive").headers["ETag"] == '"2"'
    assert [one["id"] for one in read(me, "/v1/budgets")["items"]] == [kept["id"]]
    assert read(me, "/v1/budgets", archived=True)["items"] == [read(me, path)]
    assert len(read(me, f"{path}/history")["items"]) == 12
    back = me.post(f"{path}/unarchive")
    assert (back.headers["ETag"], back.json()["archived_at"]) == ('"3"', None)
    assert len(read(me, "/v1/budgets")["items"]) == 2


def test_history_lists_past_periods_the_newest_first(me: httpx.Client) -> None:
    budget = new_budget(me, period={"kind": "daily"})
    yesterday, before = today() - timedelta(days=1), today() - timedelta(days=2)
    new_expense(me, "7.00", spent_on=before.isoformat())
    new_expense(me, "9.00", spent_on=today().isoformat())
    path = f"/v1/budgets/{budget['id']}/history"
    items = read(me, path, periods=2)["items"]
    assert [(one["start"], one["end"], one["spent"]) for one in items] == [
        (yesterday.isoformat(), today().isoformat(), "0.00"),
        (before.isoformat(), yesterday.isoformat(), "7.00"),
    ]
    assert len(read(me, path)["items"]) == 12
    for wrong in ("0", "121", "x"):
        assert wrong_fields(me.get(path, params={"periods": wrong})) == ["periods"]


def test_pages_show_every_budget_once_the_oldest_first(me: httpx.Client) -> None:
    ids = [new_budget(me)["id"] for _ in range(5)]
    first = read(me, "/v1/budgets", limit=2)
    second = read(me, "/v1/budgets", limit=2, cursor=first["next_cursor"])
    third = read(me, "/v1/budgets", limit=2, cursor=second["next_cursor"])
    assert [one["id"] for page in (first, second, third) for one in page["items"]] == ids
    assert third["next_cursor"] is None
    assert wrong_fields(me.get("/v1/budgets", params={"cursor": "abc"})) == ["cursor"]
    assert wrong_fields(me.get("/v1/budgets", params={"colour": "red"})) == ["colour"]


def test_there_is_a_most_that_a_user_may_have(cast: Cast, database: Database) -> None:
    for _ in range(MAX_BUDGETS - 1):
        add_budget(database, cast.owner.id)
    new_budget(cast.owner.client)
    problem(cast.owner.client.post("/v1/budgets", json={"name": "A", "amount": "1"}), 409)
    new_budget(cast.stranger.client)


def test_the_same_key_sets_one_budget(me: httpx.Client, database: Database) -> None:
    body, headers = {"name": "A", "amount": "1.00"}, {"Idempotency-Key": "once"}
    answers = [me.post("/v1/budgets", json=body, headers=headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    problem(me.post("/v1/budgets", json={**body, "name": "B"}, headers=headers), 409)
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(Budget)) == 1


def test_a_stranger_sees_and_changes_nothing(cast: Cast) -> None:
    budget = new_budget(cast.owner.client)
    path = f"/v1/budgets/{budget['id']}"
    stranger = cast.stranger.client
    for answer in (
        stranger.get(path),
        stranger.patch(path, json={"name": "Mine"}),
        stranger.delete(path),
        stranger.post(f"{path}/archive"),
        stranger.post(f"{path}/unarchive"),
        stranger.get(f"{path}/history"),
    ):
        problem(answer, 404)
    assert read(stranger, "/v1/budgets")["items"] == []
    assert read(cast.owner.client, path) == budget


def test_without_a_token_there_is_nothing(client: httpx.Client) -> None:
    for method, path in [
        ("GET", "/v1/budgets"),
        ("POST", "/v1/budgets"),
        ("GET", f"/v1/budgets/{MISSING}"),
        ("POST", f"/v1/budgets/{MISSING}/archive"),
        ("GET", "/v1/alerts"),
        ("GET", "/v1/notifications"),
        ("PATCH", "/v1/notifications/1"),
        ("POST", "/v1/notifications/read-all"),
    ]:
        problem(client.request(method, path), 401)
