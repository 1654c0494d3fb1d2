"""An expense with a rate of the user's own counts at it, in budgets and analytics, whatever becomes of it."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.errors import InvalidInput
from core.queries.analytics import break_down, summarise
from core.queries.exchange_rates import Converted
from core.queries.invariants import conversion_differences, spending_differences
from core.queries.spending_totals import Scope
from core.rate_files import DailyRate
from core.rules.conversion import parse_rate
from core.services.categories import delete_category
from core.services.exchange_rates import store_rates
from core.services.expense_drafts import RateInput
from tests.core.services.spender import Spender, at

DAY = date(2026, 3, 16)
OWN = RateInput("EUR", "0.9")


@pytest.fixture
def me(database: Database) -> Iterator[Spender]:
    with at("2026-03-17T12:00:00"):
        yield Spender(database)


def scope_of(me: Spender, currency: str = "EUR") -> Scope:
    return Scope(user_id=me.id, first_day=DAY, last_day=DAY, currency=currency)


def assert_kept(me: Spender) -> None:
    with me.database.reading() as session:
        assert conversion_differences(session, user_id=me.id) == []
        assert spending_differences(session, user_id=me.id) == []


def test_a_budget_counts_it_at_its_own_rate_and_the_rest_at_the_days(database: Database, me: Spender) -> None:
    with database.transaction() as session:
        store_rates(session, rates=[DailyRate(DAY, "USD", parse_rate("2"))], source="test")
    budget, dollars = me.budget("100.00"), me.budget("100.00", currency="USD")
    food = me.budget("100.00", categories=["food"])
    me.spend("10.00", DAY, currency="USD", exchange_rate=OWN, category="groceries")
    me.spend("10.00", DAY, currency="USD")
    figures = me.current(budget)
    assert (figures.spent_minor, figures.unconverted) == (900 + 500, ())
    assert figures.converted == (Converted("USD", 2000, 1400, DAY),)
    assert me.current(food).spent_minor == 900
    assert me.current(dollars).spent_minor == 2000


def test_without_a_rate_of_the_day_only_the_rest_is_unconverted(me: Spender) -> None:
    budget = me.budget("100.00")
    me.spend("10.00", DAY, currency="USD", exchange_rate=OWN, payee="Diner", tags=("lunch",))
    me.spend("3.00", DAY, currency="USD")
    figures = me.current(budget)
    assert (figures.spent_minor, figures.unconverted) == (900, (("USD", 300),))
    with me.database.reading_rows() as rows:
        summary = summarise(rows, scope_of(me))
        payees = break_down(rows, scope_of(me), "payee")
        tags = break_down(rows, scope_of(me), "tag")
        in_yen = summarise(rows, scope_of(me, "JPY"))
    assert (summary.whole.minor, summary.whole.count) == (900, 1)
    assert summary.converted == [Converted("USD", 1000, 900, DAY)]
    assert {code: (one.minor, one.count) for code, one in summary.unconverted.items()} == {"USD": (300, 1)}
    assert summary.largest is not None
    assert summary.largest.converted_minor == 900
    assert [(one.label, one.minor) for one in payees.groups] == [("Diner", 900)]
    assert [(one.label, one.minor) for one in tags.groups] == [("lunch", 900)]
    assert in_yen.whole.minor == 0


def test_lines_share_what_the_whole_becomes(me: Spender) -> None:
    me.spend(
        "1.00",
        DAY,
        currency="USD",
        exchange_rate=RateInput("EUR", "0.333"),
        lines=[("food", "0.50"), ("travel", "0.50")],
    )
    with me.database.reading_rows() as rows:
        summary = summarise(rows, scope_of(me))
    assert (summary.whole.minor, summary.whole.count) == (33, 1)
    assert sorted(group.minor for group in summary.by_category) == [16, 17]
    assert_kept(me)


@pytest.mark.parametrize(
    ("rate", "pointer"),
    [
        (RateInput("USD", "1"), "/exchange_rate/currency"),
        (RateInput("XXX", "1"), "/exchange_rate/currency"),
        (RateInput("EUR", "0"), "/exchange_rate/rate"),
        (RateInput("EUR", "1.123456789"), "/exchange_rate/rate"),
        (RateInput("EUR", "1000000000"), "/exchange_rate/rate"),
    ],
)
def test_what_is_no_rate_for_it_is_named(me: Spender, rate: RateInput, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        me.spend("10000000.00", DAY, currency="USD", exchange_rate=rate)
    assert [field.pointer.removeprefix("/0") for field in refused.value.fields] == [pointer]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["spend", "revise", "unrate", "delete", "restore", "move"]),
        st.integers(0, 3),
        st.integers(1, 10**6),
        st.sampled_from(["0.9", "1.2345678", "160"]),
        st.sampled_from(["EUR", "JPY"]),
        st.booleans(),
    ),
    max_size=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_the_totals_follow_whatever_becomes_of_the_expenses(database: Database, steps: list[Any]) -> None:
    me = Spender(database)
    alive, trash = [], []
    for step, which, minor, rate, currency, has_lines in steps:
        own = RateInput(currency, rate)
        amount = f"{minor // 100}.{minor % 100:02d}"
        fields: dict[str, Any] = {"category": "groceries"}
        if has_lines:
            fields = {"lines": [("groceries", amount), ("travel", "0.00")][:1]}
        if step == "spend":
            alive.append(me.spend(amount, DAY, currency="USD", exchange_rate=own, **fields))
        elif step == "restore" and trash:
            alive.append(trash.pop(which % len(trash)))
            me.restore(alive[-1])
        elif step == "move" and "groceries" in me.categories:
            category_id, target = me.categories["groceries"], me.categories["dining"]
            with database.transaction() as session:
                delete_category(
                    session, user_id=me.id, category_id=category_id, move_to=target, expected_versions=None
                )
            me.categories["groceries"] = target
            break
        elif alive and step == "delete":
            trash.append(alive.pop(which % len(alive)))
            me.delete(trash[-1])
        elif alive and step == "revise":
            me.revise(alive[which % len(alive)], exchange_rate=own, spent_on="2026-03-10")
        elif alive and step == "unrate":
            me.revise(alive[which % len(alive)], exchange_rate=None)
    assert_kept(me)
