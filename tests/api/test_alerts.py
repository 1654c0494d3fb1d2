"""The alerts over HTTP: what crossed, what is open, what was resolved."""

import httpx
import pytest

from core.database import Database
from tests.api.calls import new_expense, problem, read, wrong_fields
from tests.api.test_budgets import MISSING, new_budget, today
from tests.cast import Cast
from tests.core.services.spender import settle_evaluations


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def settle(database: Database) -> None:
    with database.transaction() as session:
        settle_evaluations(session)


def test_an_alert_tells_budget_period_and_the_figures_of_its_moment(
    me: httpx.Client, database: Database
) -> None:
    assert read(me, "/v1/alerts") == {"items": [], "next_cursor": None}
    budget = new_budget(me, thresholds=[80])
    expense = new_expense(me, "90.00", spent_on=today().isoformat())
    settle(database)
    (alert,) = read(me, "/v1/alerts")["items"]
    assert (
        alert.items()
        >= {
            "budget_id": budget["id"],
            "period_start": budget["current"]["start"],
            "period_end": budget["current"]["end"],
            "threshold": 80,
            "spent": "90.00",
            "limit": "100.00",
            "currency": "EUR",
            "state": "open",
            "resolved_at": None,
        }.items()
    )
    me.delete(f"/v1/expenses/{expense['id']}")
    settle(database)
    (resolved,) = read(me, "/v1/alerts")["items"]
    assert resolved["resolved_at"] > resolved["created_at"]
    assert resolved == {**alert, "state": "resolved", "resolved_at": resolved["resolved_at"]}


def test_alerts_are_filtered_by_budget_and_state(me: httpx.Client, database: Database) -> None:
    small, large = new_budget(me, thresholds=[100]), new_budget(me, amount="200.00", thresholds=[100])
    expense = new_expense(me, "200.00", spent_on=today().isoformat())
    settle(database)
    me.patch(f"/v1/expenses/{expense['id']}", json={"amount": "100.00"})
    settle(database)

    def found(**query: str) -> set[str]:
        return {one["budget_id"] for one in read(me, "/v1/alerts", **query)["items"]}

    assert found() == {small["id"], large["id"]}
    assert found(state="open") == found(budget_id=small["id"]) == {small["id"]}
    assert found(state="resolved") == found(budget_id=large["id"]) == {large["id"]}
    assert found(state="open", budget_id=large["id"]) == found(budget_id=MISSING) == set()


def test_pages_show_every_alert_once_the_newest_first(me: httpx.Client, database: Database) -> None:
    thresholds = [10, 20, 30, 40, 50]
    new_budget(me, thresholds=thresholds)
    new_expense(me, "50.00", spent_on=today().isoformat())
    settle(database)
    seen, query = [], {"limit": "2"}
    while True:
        page = read(me, "/v1/alerts", **query)
        seen += [one["threshold"] for one in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == thresholds[::-1]


def test_what_is_wrong_in_the_query_is_named(me: httpx.Client) -> None:
    for name, value in [
        ("state", "closed"), ("budget_id", "1"), ("limit", "0"), ("limit", "201"), ("cursor", "WzFd"),
        ("sort", "created_at"),
    ]:  # fmt: skip
        assert wrong_fields(me.get("/v1/alerts", params={name: value})) == [name]


def test_a_stranger_sees_no_alerts_even_of_a_budget_they_can_name(cast: Cast, database: Database) -> None:
    budget = new_budget(cast.owner.client)
    new_expense(cast.owner.client, "100.00", spent_on=today().isoformat())
    settle(database)
    for query in ({}, {"budget_id": budget["id"]}):
        assert read(cast.stranger.client, "/v1/alerts", **query)["items"] == []


def test_alerts_are_not_written_by_clients(me: httpx.Client) -> None:
    problem(me.post("/v1/alerts", json={}), 405)
