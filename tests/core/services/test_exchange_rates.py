"""Rates are kept with day and source; budgets count other currencies by them, also when they come late."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import func, select

from core.database import Database
from core.models import ExchangeRate, OutboxRow
from core.queries.exchange_rates import Converted, newest_day, open_rates, rates_of_day
from core.rate_files import DailyRate
from core.rules.conversion import format_rate, parse_rate
from core.services.exchange_rates import store_rates
from tests.core.services.spender import Spender, at

FRIDAY, MONDAY = date(2026, 3, 13), date(2026, 3, 16)


@pytest.fixture
def me(database: Database) -> Iterator[Spender]:
    with at("2026-03-17T12:00:00"):
        yield Spender(database)


def store(database: Database, day: date, **rates: str) -> int:
    found = [DailyRate(day, currency, parse_rate(text)) for currency, text in rates.items()]
    with database.transaction() as session:
        return store_rates(session, rates=found, source="test")


def test_what_is_known_stays_and_what_is_corrected_changes(database: Database) -> None:
    assert store(database, FRIDAY, USD="1.25", JPY="160") == 2
    assert store(database, FRIDAY, USD="1.25", JPY="161") == 1
    assert store(database, FRIDAY, USD="1.25") == 0
    with database.reading() as session:
        rates = {one.currency: (one.rate, one.day, one.source) for one in rates_of_day(session, day=FRIDAY)}
        assert newest_day(session) == FRIDAY
        assert session.scalar(select(func.count()).select_from(ExchangeRate)) == 2
    assert rates == {
        "JPY": (parse_rate("161"), FRIDAY, "test"),
        "USD": (parse_rate("1.25"), FRIDAY, "test"),
    }


def test_the_last_rate_serves_for_a_week_and_it_is_said_which(database: Database) -> None:
    store(database, FRIDAY, USD="1.25", GBP="0.8")
    store(database, MONDAY, USD="1.5")
    days = {"first_day": date(2026, 3, 12), "last_day": date(2026, 3, 24)}
    with database.reading() as session:
        book = open_rates(session, currencies={"USD", "GBP", "EUR"}, **days)
        cross = {
            one.currency: (format_rate(one.rate), one.day)
            for one in rates_of_day(session, day=MONDAY, base="USD")
        }
        assert rates_of_day(session, day=MONDAY, base="CHF") == []
        assert rates_of_day(session, day=date.min) == []
    shown = {
        day: None if found is None else (found.amount_minor, found.rate_day.day)
        for day in (12, 13, 15, 16, 20, 21)
        for found in [book.convert(15_000, "USD", "GBP", date(2026, 3, day))]
    }
    assert shown == {12: None, 13: (9600, 13), 15: (9600, 13), 16: (8000, 13), 20: (8000, 13), 21: None}
    assert book.convert(1, "USD", "USD", date(1999, 1, 1)) is not None
    assert cross == {"EUR": ("0.66666667", MONDAY), "GBP": ("0.53333333", FRIDAY)}


def test_a_budget_counts_other_currencies_at_the_rate_of_each_day(database: Database, me: Spender) -> None:
    store(database, FRIDAY, USD="1.25")
    store(database, MONDAY, USD="2")
    budget = me.budget("100.00")
    me.spend("10.00", "2026-03-02")
    me.spend("25.00", "2026-03-14", currency="USD", category="food")
    me.spend("50.00", "2026-03-16", currency="USD")
    me.spend("7.00", "2026-03-03", currency="USD")
    me.spend("700", "2026-03-16", currency="JPY")
    figures = me.current(budget)
    assert figures.spent_minor == 1000 + 2000 + 2500
    assert figures.converted == (Converted("USD", 7500, 4500, MONDAY),)
    assert figures.unconverted == (("JPY", 700), ("USD", 700))
    assert me.current(me.budget("100.00", categories=["food"])).spent_minor == 2000
    in_dollars = me.current(me.budget("100.00", currency="USD"))
    assert (in_dollars.spent_minor, in_dollars.unconverted) == (8200, (("EUR", 1000), ("JPY", 700)))


def test_rates_that_come_late_open_the_alert_that_was_due(database: Database, me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("150.00", "2026-03-16", currency="USD")
    me.settle()
    assert me.told() == []
    store(database, MONDAY, USD="1.5")
    me.settle()
    assert me.open(budget) == {(date(2026, 3, 1), 80), (date(2026, 3, 1), 100)}
    store(database, MONDAY, USD="1.6")
    me.settle()
    assert me.told() == ["threshold 80", "threshold 100", "recovered 100"]


def test_rates_ask_for_no_evaluation_where_nothing_converts(database: Database, me: Spender) -> None:
    me.budget("100.00")
    me.spend("150.00", "2026-03-16")
    me.settle()
    store(database, MONDAY, USD="1.5")
    with database.reading() as session:
        assert (
            session.scalar(
                select(func.count()).select_from(OutboxRow).where(OutboxRow.job == "evaluate_budgets")
            )
            == 0
        )
