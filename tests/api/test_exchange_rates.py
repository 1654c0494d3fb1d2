"""Exchange rates over HTTP, and budgets that count by them."""

from datetime import date
from typing import Any

import httpx
import pytest

from core.database import Database
from core.rate_files import DailyRate
from core.rules.conversion import parse_rate
from core.services.exchange_rates import store_rates
from tests.api.calls import new_expense, read, wrong_fields
from tests.api.test_budgets import current, new_budget, today
from tests.cast import Cast

FRIDAY = date(2026, 3, 13)


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def store(database: Database, day: date, **rates: str) -> None:
    found = [DailyRate(day, currency, parse_rate(text)) for currency, text in rates.items()]
    with database.transaction() as session:
        store_rates(session, rates=found, source="test")


def rates(client: httpx.Client, **query: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(client, "/v1/exchange-rates", **query)["items"]
    return found


def test_rates_of_a_day_come_with_their_own_day_and_source(me: httpx.Client, database: Database) -> None:
    store(database, FRIDAY, USD="1.25", GBP="0.8")
    (pound, dollar) = rates(me, day="2026-03-15")
    assert (pound["currency"], pound["rate"]) == ("GBP", "0.8")
    assert dollar.pop("fetched_at").endswith("Z")
    assert dollar == {"currency": "USD", "rate": "1.25", "day": "2026-03-13", "source": "test"}
    crossed = rates(me, day="2026-03-20", base="GBP")
    assert [(one["currency"], one["rate"]) for one in crossed] == [("EUR", "1.25"), ("USD", "1.5625")]
    assert rates(me, day="2026-03-21") == []
    assert rates(me, day="0001-01-01") == []
    assert rates(me, base="XXX") == []


def test_a_budget_says_what_it_converted_and_by_which_rate(me: httpx.Client, database: Database) -> None:
    store(database, today(), USD="1.25")
    budget = new_budget(me)
    new_expense(me, amount="10.00", currency="USD", spent_on=today().isoformat())
    new_expense(me, amount="700", currency="JPY", spent_on=today().isoformat())
    figures = current(me, budget)
    assert figures["spent"] == "8.00"
    assert figures["converted"] == [
        {"currency": "USD", "amount": "10.00", "converted": "8.00", "rate_day": today().isoformat()}
    ]
    assert figures["unconverted"] == [{"currency": "JPY", "amount": "700"}]


def test_an_expense_may_have_a_rate_of_its_own(me: httpx.Client) -> None:
    budget = new_budget(me)
    own = {"currency": "EUR", "rate": "0.90"}
    expense = new_expense(me, amount="10.00", currency="USD", spent_on=today().isoformat(), exchange_rate=own)
    assert expense["exchange_rate"] == {"currency": "EUR", "rate": "0.9"}
    assert current(me, budget)["spent"] == "9.00"
    path = f"/v1/expenses/{expense['id']}"
    assert me.patch(path, json={"exchange_rate": {"currency": "EUR", "rate": "0.8"}}).status_code == 200
    assert current(me, budget)["spent"] == "8.00"
    assert me.patch(path, json={"exchange_rate": None}).json()["exchange_rate"] is None
    assert current(me, budget)["unconverted"] == [{"currency": "USD", "amount": "10.00"}]
    wrong = me.patch(path, json={"exchange_rate": {"currency": "USD", "rate": "1"}})
    assert wrong_fields(wrong) == ["/exchange_rate/currency"]
