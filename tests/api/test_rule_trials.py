"""Trying rules on old expenses: told exactly, and nothing is changed."""

from typing import Any

import httpx
import pytest

from api.schemas.expense_rules import MAX_TRIED
from core.database import Database
from core.queries import rule_trials
from core.queries.rule_trials import MAX_SHOWN
from tests.api.calls import new_category, new_expense, new_rule, problem, read, wrong_fields
from tests.cast import Cast
from tests.core.services.household import Household

BAKERY = {"payee": {"contains": "bakery"}}


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def attempt(me: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = me.post("/v1/rules/try", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def counts(trial: dict[str, Any]) -> tuple[int, int, int]:
    return trial["examined"], trial["matched"], trial["changed"]


def test_a_rule_is_tried_before_it_is_there(me: httpx.Client) -> None:
    bread, own = new_category(me, "Bread")["id"], new_category(me, "Own")["id"]
    old = new_expense(me, "2.50", payee="Bakery", tags=["x"], spent_on="2026-05-01")
    new_expense(me, payee="Bakery", category_id=own, tags=["bread"], spent_on="2026-05-02")
    new_expense(me, payee="Butcher", spent_on="2026-05-03")
    before = read(me, "/v1/expenses")
    rule = {"name": "Bakeries", "when": BAKERY, "then": {"category_id": bread, "add_tags": ["bread"]}}
    trial = attempt(me, **rule)
    assert counts(trial) == (3, 2, 1)
    assert trial["items"] == [
        {
            "expense_id": old["id"],
            "spent_on": "2026-05-01",
            "amount": "2.50",
            "currency": "EUR",
            "before": {"category_id": None, "payee": "Bakery", "tags": ["x"]},
            "after": {"category_id": bread, "payee": "Bakery", "tags": ["x", "bread"]},
        }
    ]
    assert read(me, "/v1/expenses") == before
    assert read(me, "/v1/rules")["items"] == []


def test_old_categories_can_be_ignored_to_see_what_else_a_rule_would_have_said(me: httpx.Client) -> None:
    bread, own = new_category(me, "Bread")["id"], new_category(me, "Own")["id"]
    for category in (own, bread, None):
        new_expense(me, payee="Bakery", category_id=category)
    kept = new_expense(me, payee="Butcher", category_id=own)
    rule = {"when": BAKERY, "then": {"category_id": bread}}
    assert counts(attempt(me, **rule)) == (4, 3, 1)
    trial = attempt(me, **rule, ignore_categories=True)
    assert counts(trial) == (4, 3, 2)
    assert {item["before"]["category_id"] for item in trial["items"]} == {own, None}
    assert kept["id"] not in [item["expense_id"] for item in trial["items"]]


def test_without_a_rule_all_active_ones_are_tried_in_their_order(me: httpx.Client) -> None:
    new_expense(me, payee="Bakery")
    new_rule(me, then={"payee": "Corner"})
    new_rule(me, when={"payee": {"equals": "corner"}}, then={"add_tags": ["seen"]}, position=1)
    off = new_rule(me, then={"add_tags": ["off"]}, is_active=False)
    # It came before the rules, so it would be renamed only.
    assert attempt(me)["items"][0]["after"] == {"category_id": None, "payee": "Corner", "tags": []}
    assert me.patch(f"/v1/rules/{off['id']}", json={"is_active": True, "position": 1}).status_code == 200
    assert me.post("/v1/rules/try").json()["items"][0]["after"]["tags"] == ["off"]


def test_a_trial_keeps_to_its_days_its_limit_and_its_owner(me: httpx.Client, cast: Cast) -> None:
    for day in range(1, 10):
        new_expense(me, payee="Bakery", spent_on=f"2026-05-0{day}")
    new_expense(cast.member.client, payee="Bakery")
    trashed = new_expense(me, payee="Bakery", spent_on="2026-05-09")
    me.delete(f"/v1/expenses/{trashed['id']}")
    rule = {"when": BAKERY, "then": {"add_tags": ["bread"]}}
    assert counts(attempt(me, **rule)) == (9, 9, 9)
    ranged = attempt(me, **rule, **{"from": "2026-05-03", "to": "2026-05-05"})
    assert [item["spent_on"] for item in ranged["items"]] == ["2026-05-05", "2026-05-04", "2026-05-03"]
    newest = attempt(me, **rule, limit=2)
    assert [item["spent_on"] for item in newest["items"]] == ["2026-05-09", "2026-05-08"]
    assert counts(attempt(cast.stranger.client, **rule)) == (0, 0, 0)


def test_the_first_changes_are_shown_and_all_are_counted(
    me: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_trials, "PAGE", 7)
    items = [{"amount": "1.00", "payee": "Bakery"} for _ in range(MAX_SHOWN + 13)]
    assert me.post("/v1/expenses/bulk", json={"items": items}).status_code == 201
    rule = {"when": BAKERY, "then": {"payee": "Corner"}}
    trial = attempt(me, **rule)
    assert counts(trial) == (MAX_SHOWN + 13,) * 3
    assert len({item["expense_id"] for item in trial["items"]}) == MAX_SHOWN
    assert counts(attempt(me, **rule, limit=15)) == (15, 15, 15)
    assert counts(attempt(me, **rule, limit=14)) == (14, 14, 14)


def test_half_a_rule_and_odd_parameters_are_refused(me: httpx.Client) -> None:
    for body, pointer in (
        ({"when": BAKERY}, "/then"),
        ({"then": {"payee": "x"}}, "/when"),
        ({"limit": 0}, "/limit"),
        ({"limit": MAX_TRIED + 1}, "/limit"),
        ({"from": "soon"}, "/from"),
        ({"since": "2026-05-01"}, "/since"),
    ):
        assert wrong_fields(me.post("/v1/rules/try", json=body)) == [pointer]
    assert problem(me.get("/v1/rules/try"), 405)


def test_mirrors_of_group_expenses_are_passed_over(database: Database) -> None:
    flat = Household(database, "ann", "ben")
    flat.add("30.00", description="Bakery")
    flat.settle()
    ben = flat.people["ben"]
    ben.spend("1.00", payee="Bakery")
    with database.reading() as session:
        trial = rule_trials.try_rules(
            session,
            user_id=ben.id,
            rules=[],
            filters=rule_trials.ExpenseFilter(),
            limit=10,
            ignores_categories=False,
        )
    assert (trial.examined, trial.matched, trial.changed) == (1, 0, 0)
