"""What rules do to new expenses, and what they leave alone."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import event, update

from core.database import Database
from core.models import ExpenseRule
from core.rules.expense_rules import MAX_TAGS, Action
from core.services.expense_drafts import ExpenseInput
from core.services.expense_rules import NewRule, create_rule
from core.services.expenses import record_expenses
from tests.api.calls import assert_totals_are_right, new_category, new_expense, new_rule, read
from tests.cast import Cast
from tests.core.services.household import Household
from tests.core.services.spender import Spender

BAKERY = "The Corner BÄKERY"
ALWAYS = {"amount": {"at_least": "-1000000"}}


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


@pytest.fixture
def bread(me: httpx.Client) -> str:
    """The category of what a bakery sells, by a rule that tags it, too."""
    category: str = new_category(me, "Bread")["id"]
    new_rule(me, then={"category_id": category, "add_tags": ["bread"]})
    return category


def test_a_rule_fills_in_what_the_client_left_open(
    me: httpx.Client, bread: str, database: Database, cast: Cast
) -> None:
    expense = new_expense(me, payee=BAKERY, tags=["mine"])
    assert (expense["category_id"], expense["tags"], expense["payee"]) == (bread, ["mine", "bread"], BAKERY)
    assert read(me, f"/v1/expenses/{expense['id']}") == expense
    assert [one["id"] for one in read(me, "/v1/expenses", category_id=bread)["items"]] == [expense["id"]]
    assert [one["id"] for one in read(me, "/v1/expenses", q="bread")["items"]] == [expense["id"]]
    other = new_expense(me, payee="Butcher")
    assert (other["category_id"], other["tags"]) == (None, [])
    assert_totals_are_right(database, cast.owner.id)


def test_a_category_that_the_client_gives_stays(me: httpx.Client, bread: str) -> None:
    own = new_category(me, "Own")["id"]
    expense = new_expense(me, payee=BAKERY, category_id=own)
    assert (expense["category_id"], expense["tags"]) == (own, ["bread"])


def test_an_expense_with_lines_gets_no_category(me: httpx.Client, bread: str) -> None:
    expense = new_expense(me, payee=BAKERY, lines=[{"amount": "4.00"}, {"amount": "6.00"}])
    assert (expense["category_id"], expense["tags"]) == (None, ["bread"])
    assert [line["category_id"] for line in expense["lines"]] == [None, None]


def test_rules_run_in_their_order_and_hand_on_the_payee(me: httpx.Client) -> None:
    first, second = new_category(me, "First")["id"], new_category(me, "Second")["id"]
    new_rule(me, when=ALWAYS, then={"category_id": second, "add_tags": ["all"]})
    new_rule(me, when={"payee": {"equals": "bakery"}}, then={"category_id": first}, position=1)
    new_rule(me, when={"payee": {"starts_with": "the corner"}}, then={"payee": "Bakery"}, position=1)
    expense = new_expense(me, payee=BAKERY)
    assert (expense["payee"], expense["category_id"], expense["tags"]) == ("Bakery", first, ["all"])
    assert [one["id"] for one in read(me, "/v1/expenses", payee="bakery")["items"]] == [expense["id"]]


def test_tags_are_added_up_to_what_an_expense_may_have(me: httpx.Client) -> None:
    new_rule(me, when=ALWAYS, then={"add_tags": ["0", "x", "y"]})
    tags = [str(number) for number in range(MAX_TAGS - 1)]
    assert new_expense(me, tags=tags)["tags"] == [*tags, "x"]
    full = [str(number) for number in range(MAX_TAGS)]
    assert new_expense(me, tags=full)["tags"] == full


def test_amount_currency_source_and_note_count(me: httpx.Client) -> None:
    new_rule(
        me,
        when={
            "all": [
                {"amount": {"at_least": 5, "at_most": "9.99"}},
                {"not": {"currency": {"equals": "CHF"}}},
                {"source": {"equals": "manual"}},
                {"note": {"contains": "roll"}},
            ]
        },
        then={"add_tags": ["hit"]},
    )
    given = [
        ("5.00", "EUR"),
        ("9.99", "USD"),
        ("7", "JPY"),
        ("4.99", "EUR"),
        ("6.00", "CHF"),
        ("-6.00", "EUR"),
    ]
    hits = [
        new_expense(me, amount, currency=currency, note="Two ROLLS")["tags"] == ["hit"]
        for amount, currency in given
    ]
    assert hits == [True, True, True, False, False, False]
    assert new_expense(me, "6.00", note="Two")["tags"] == []


def test_in_bulk_each_expense_goes_through_the_rules(
    me: httpx.Client, bread: str, cast: Cast, database: Database
) -> None:
    items = [{"amount": "1.00", "payee": BAKERY if number % 2 else "Butcher"} for number in range(1_000)]
    answer = me.post("/v1/expenses/bulk", json={"items": items})
    assert answer.status_code == 201, answer.text
    found = [item["category_id"] for item in answer.json()["items"]]
    assert found == [None, bread] * 500
    assert_totals_are_right(database, cast.owner.id)


def test_in_a_batch_everybody_has_their_own_rules(cast: Cast, me: httpx.Client, bread: str) -> None:
    new_rule(cast.member.client, then={"add_tags": ["theirs"]})
    assert new_expense(cast.member.client, payee=BAKERY)["tags"] == ["theirs"]
    assert new_expense(cast.stranger.client, payee=BAKERY)["tags"] == []
    assert new_expense(me, payee=BAKERY)["tags"] == ["bread"]


def test_a_change_does_not_run_the_rules_again(me: httpx.Client, bread: str) -> None:
    expense = new_expense(me, payee="Butcher")
    path = f"/v1/expenses/{expense['id']}"
    changed = me.patch(path, json={"payee": BAKERY}).json()
    assert (changed["category_id"], changed["tags"]) == (None, [])
    ruled = new_expense(me, payee=BAKERY)
    path = f"/v1/expenses/{ruled['id']}"
    assert me.patch(path, json={"category_id": None, "tags": []}).status_code == 200
    emptied = me.patch(path, json={"note": "mine"}).json()
    assert (emptied["category_id"], emptied["tags"]) == (None, [])
    me.delete(path)
    assert me.post(f"{path}/restore").json()["category_id"] is None


def test_a_rule_out_of_use_and_a_deleted_one_do_nothing(me: httpx.Client, bread: str) -> None:
    [rule] = read(me, "/v1/rules")["items"]
    path = f"/v1/rules/{rule['id']}"
    me.patch(path, json={"is_active": False})
    assert new_expense(me, payee=BAKERY)["tags"] == []
    me.patch(path, json={"is_active": True})
    assert new_expense(me, payee=BAKERY)["tags"] == ["bread"]
    assert me.delete(path).status_code == 204
    assert new_expense(me, payee=BAKERY)["tags"] == []


def test_a_rule_that_cannot_be_read_keeps_nobody_from_recording(
    me: httpx.Client, bread: str, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    new_rule(me, then={"add_tags": ["second"]})
    with database.transaction() as session:
        strange = {"moon": {"equals": "full"}}
        session.execute(update(ExpenseRule).where(ExpenseRule.position == 1).values(condition=strange))
    with caplog.at_level(logging.WARNING):
        assert new_expense(me, payee=BAKERY)["tags"] == ["second"]
    assert "rule.unreadable" in caplog.text


def test_mirrors_of_group_expenses_are_left_alone(database: Database) -> None:
    flat = Household(database, "ann", "ben")
    ben = flat.people["ben"]
    add_rule(ben, category_id=ben.categories["food"], add_tags=("ruled",), payee="Ruled")
    expense_id = flat.add("30.00", description="Bakery")
    flat.settle()
    assert (flat.category_of("ben"), flat.mirror("ben").tags, flat.mirror("ben").payee) == (
        None,
        (),
        "Bakery",
    )
    flat.revise(expense_id, amount="40.00")
    flat.settle()
    assert (flat.mirror("ben").tags, flat.mirror("ben").payee) == ((), "Bakery")
    ben.revise(flat.mirror("ben").id, note="mine")
    assert (flat.category_of("ben"), flat.mirror("ben").tags) == (None, ())


def test_who_has_no_rules_pays_no_statement_for_them(database: Database) -> None:
    ann, ben = Spender(database), Spender(database)
    before = count_statements(database, ann)
    rule_id = add_rule(ben, add_tags=("ruled",))
    assert count_statements(database, ann) == before
    # The rules, and the tag.
    assert count_statements(database, ben) == before + 2
    with database.transaction() as session:
        session.execute(update(ExpenseRule).where(ExpenseRule.id == rule_id).values(is_active=False))
    assert count_statements(database, ben) == before


def add_rule(person: Spender, **then: Any) -> Any:
    rule = NewRule(name="All", when=ALWAYS, then=Action(**then))
    with person.database.transaction() as session:
        return create_rule(session, user_id=person.id, rule=rule).id


def count_statements(database: Database, person: Spender) -> int:
    """How many it takes to record an expense."""
    with database.transaction() as session, counting(database) as statements:
        record_expenses(session, items=[ExpenseInput(user_id=person.id, amount="1.00")])
    return len(statements)


@contextmanager
def counting(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(database.engine, "before_cursor_execute", note)
