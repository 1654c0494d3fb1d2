"""Nine years of two people's expenses, as one of them would bring them along."""

from collections import Counter
from collections.abc import Iterator
from datetime import date

import httpx
import pytest
import time_machine

from core.config import Settings
from core.database import Database
from tests.api.calls import assert_totals_are_right
from tests.cast import register
from tests.real_data.comparing import (
    assert_categories_are_the_files,
    assert_months_of_budgets_are_the_files,
    assert_only_the_running_month_alerted,
    kept_totals,
    listed_totals,
)
from tests.real_data.files import splitwise_costs, totals
from tests.real_data.loading import Loaded, decimal_text, load

LIMITS = {"MKD": 16_000_00, "EUR": 150_00, "USD": 400_00}
"""A month. One month comes to exactly 16,000 denars; the last one crosses 80 % of the euros."""

TODAY = date(2026, 1, 31)
"""The last day of the file's last month, so that what is checked does not depend on when the tests run."""


@pytest.fixture
def loaded(client: httpx.Client, settings: Settings) -> Iterator[Loaded]:
    costs = splitwise_costs()
    with (
        time_machine.travel(f"{TODAY}T18:00:00Z"),
        register(client, "john", timezone="Europe/Skopje", currency="MKD") as john,
    ):
        yield load(john, settings, costs, LIMITS)


def test_every_cost_is_listed_once_and_as_it_was_written(loaded: Loaded) -> None:
    listed = Counter(
        (one["spent_on"], one["amount"], one["currency"], one["category_id"], one["payee"])
        for one in loaded.expenses()
    )
    assert listed == Counter(
        (
            cost.day.isoformat(),
            decimal_text(cost.minor),
            cost.currency,
            loaded.categories[cost.category],
            cost.payee,
        )
        for cost in loaded.costs
    )
    assert listed.total() == 400


def test_months_come_to_what_the_file_comes_to(loaded: Loaded, database: Database) -> None:
    expected = totals(loaded.costs, lambda cost: (cost.month, cost.currency))
    assert listed_totals(loaded) == expected
    assert kept_totals(database, loaded) == (expected, len(loaded.costs))
    assert totals(loaded.costs, lambda cost: cost.currency) == {
        "MKD": 1_262_780_50,
        "EUR": 6_306_80,
        "USD": 500_00,
    }
    assert_totals_are_right(database)


def test_categories_come_to_what_the_file_comes_to(loaded: Loaded) -> None:
    assert_categories_are_the_files(loaded)


def test_each_budget_shows_every_month_in_its_currency_and_the_others_beside_it(loaded: Loaded) -> None:
    assert_months_of_budgets_are_the_files(loaded)
    months = totals(loaded.costs, lambda cost: (cost.currency, cost.month))
    over = Counter(currency for (currency, _), spent in months.items() if spent > LIMITS[currency])
    assert over == {"MKD": 21, "EUR": 3, "USD": 1}, "limits that few months cross would prove little"
    assert LIMITS["MKD"] in months.values(), "a month that meets its limit is not above it"


def test_only_the_running_month_alerts_when_years_are_brought_along(loaded: Loaded) -> None:
    assert_only_the_running_month_alerted(loaded, TODAY)


def test_search_finds_cyrillic_words_in_any_case(loaded: Loaded) -> None:
    for word in ("пазарење", "КРЕДИТ", "данок", "kredit RATA"):
        found = sorted(one["payee"] for one in loaded.expenses(q=word))
        assert found == sorted(one.payee for one in loaded.costs if word.casefold() in one.payee.casefold())
        assert found, "the file has this word"
