"""A year of bank statements: spending and what came back, in no order, from two accounts."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import httpx
import pytest
import time_machine

from core.config import Settings
from core.database import Database
from tests.api.calls import assert_totals_are_right, new_expense, read
from tests.cast import register
from tests.real_data.comparing import (
    assert_categories_are_the_files,
    assert_months_of_budgets_are_the_files,
    assert_only_the_running_month_alerted,
    kept_totals,
    listed_totals,
)
from tests.real_data.files import firefly_movements, totals
from tests.real_data.loading import Loaded, load

LIMITS = {"EUR": 125_00}
"""A month. February comes to exactly this, and two months come to less than nothing."""

TODAY = date(2016, 12, 31)


@pytest.fixture
def loaded(client: httpx.Client, settings: Settings) -> Iterator[Loaded]:
    movements = firefly_movements()
    with (
        time_machine.travel(f"{TODAY}T18:00:00Z"),
        register(client, "demo", timezone="Europe/Amsterdam", currency="EUR") as demo,
    ):
        yield load(demo, settings, movements, LIMITS)


def test_months_come_to_what_the_file_comes_to(loaded: Loaded, database: Database) -> None:
    expected = totals(loaded.costs, lambda cost: (cost.month, cost.currency))
    assert listed_totals(loaded) == expected
    assert kept_totals(database, loaded) == (expected, 23)
    assert_totals_are_right(database)
    assert sum(one.minor for one in loaded.costs if one.minor > 0) == 1_088_27
    assert sum(one.minor for one in loaded.costs if one.minor < 0) == -500_00


def test_each_month_of_the_budget_is_the_files(loaded: Loaded) -> None:
    assert_months_of_budgets_are_the_files(loaded)
    months = totals(loaded.costs, lambda cost: cost.month)
    assert months["2016-02"] == LIMITS["EUR"]
    assert sorted(month for month, spent in months.items() if spent < 0) == ["2016-10", "2016-11", "2016-12"]


def test_names_that_differ_by_case_are_one_category(loaded: Loaded) -> None:
    assert_categories_are_the_files(loaded)
    assert loaded.categories["Daily groceries"] == loaded.categories["Daily Groceries"]
    names = Counter(item["name"] for item in read(loaded.client, "/v1/categories")["items"])
    assert names["Daily Groceries"] == 1


def test_refunds_keep_a_month_silent_that_spending_alone_would_not(loaded: Loaded) -> None:
    assert_only_the_running_month_alerted(loaded, TODAY)
    assert read(loaded.client, "/v1/notifications")["items"] == []
    december = read(loaded.client, f"/v1/budgets/{loaded.budgets['EUR']}")["current"]
    assert (december["spent"], december["status"]) == ("-146.99", "ok")
    assert (december["percent"], december["projected"]) == (-117.6, "-146.99")


def test_a_note_and_a_payee_are_both_found(loaded: Loaded) -> None:
    new_expense(loaded.client, "1.00", payee="Shell shop", spent_on="2016-12-31")
    assert [one["note"] for one in loaded.expenses(q="gas for the CAR")] == ["Got gas for the car"] * 2
    assert len(list(loaded.expenses(payee="shell"))) == 2
    assert len(list(loaded.expenses(q="shell"))) == 3
