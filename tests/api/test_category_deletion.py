"""Deleting a category: what is in it blocks that, or goes to another one."""

from datetime import date
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import delete, insert, select

from core.database import Database
from core.models import BudgetCategory, DailySpending, OutboxRow
from core.models.spending import MAX_DAILY_TOTAL_MINOR
from tests.api.accounts import add_budget
from tests.api.calls import assert_totals_are_right, new_category, new_expense, problem, read, wrong_fields
from tests.cast import Cast

MISSING = "018f0000-0000-7000-8000-000000000000"


@pytest.fixture
def me(cast: Cast) -> httpx.Client:
    return cast.owner.client


def remove(me: httpx.Client, category: dict[str, Any], **query: str) -> httpx.Response:
    return me.delete(f"/v1/categories/{category['id']}", params=query)


def test_an_unused_category_goes_at_once(me: httpx.Client) -> None:
    category = new_category(me, "Unused")
    assert remove(me, category).status_code == 204
    assert problem(remove(me, category), 404)


def test_an_unused_category_may_name_where_nothing_goes(me: httpx.Client) -> None:
    category, target = new_category(me, "Unused"), new_category(me, "Target")
    assert remove(me, category, move_to=target["id"]).status_code == 204


def test_a_used_category_says_what_uses_it(me: httpx.Client, cast: Cast, database: Database) -> None:
    category = new_category(me, "Used")
    new_category(me, "Child", parent_id=category["id"])
    new_expense(me, category_id=category["id"])
    new_expense(me, lines=[{"amount": "10.00", "category_id": category["id"]}])
    put_in_budget(database, cast, category)
    detail = problem(remove(me, category), 409)["detail"]
    assert "expenses, lines of expenses, budgets, sub-categories" in detail
    assert "move_to" in detail


def test_an_expense_in_the_trash_counts_as_use(me: httpx.Client) -> None:
    category = new_category(me, "Used")
    expense = new_expense(me, category_id=category["id"])
    assert me.delete(f"/v1/expenses/{expense['id']}").status_code == 204
    assert "expenses" in problem(remove(me, category), 409)["detail"]


def test_the_target_must_be_another_category_outside(me: httpx.Client, cast: Cast) -> None:
    category = new_category(me, "Used")
    child = new_category(me, "Child", parent_id=category["id"])
    foreign = new_category(cast.stranger.client, "Foreign")
    for target in (category["id"], child["id"], MISSING, foreign["id"], "no-id"):
        assert wrong_fields(remove(me, category, move_to=target)) == ["move_to"]
    assert read(me, f"/v1/categories/{child['id']}")["parent_id"] == category["id"]


def test_expenses_lines_and_totals_move_to_the_target(
    me: httpx.Client, cast: Cast, database: Database
) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    whole = new_expense(me, "10.00", category_id=source["id"])
    met = new_expense(me, "1.00", category_id=target["id"])
    yen = new_expense(me, "500", currency="JPY", category_id=source["id"], spent_on="2026-05-05")
    parts = [{"amount": "4.00", "category_id": source["id"]}, {"amount": "5.00", "category_id": target["id"]}]
    split = new_expense(me, "9.00", lines=parts)
    trashed = new_expense(me, "7.00", category_id=source["id"])
    me.delete(f"/v1/expenses/{trashed['id']}")

    assert remove(me, source, move_to=target["id"]).status_code == 204

    for expense in (whole, yen):
        answer = me.get(f"/v1/expenses/{expense['id']}")
        assert (answer.json()["category_id"], answer.headers["ETag"]) == (target["id"], '"2"')
        assert answer.json()["updated_at"] > expense["updated_at"]
    lines = me.get(f"/v1/expenses/{split['id']}")
    assert {line["category_id"] for line in lines.json()["lines"]} == {target["id"]}
    assert lines.headers["ETag"] == '"2"'
    assert me.get(f"/v1/expenses/{met['id']}").headers["ETag"] == '"1"'
    restored = me.post(f"/v1/expenses/{trashed['id']}/restore")
    assert restored.json()["category_id"] == target["id"]
    assert_totals_are_right(database)
    assert totals(database, UUID(source["id"])) == {}
    assert totals(database, UUID(target["id"])) == {
        (date(2026, 5, 4), "EUR"): (2_700, 5),
        (date(2026, 5, 5), "JPY"): (500, 1),
    }


def test_budgets_count_the_target_once(me: httpx.Client, cast: Cast, database: Database) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    only_source = put_in_budget(database, cast, source)
    both = put_in_budget(database, cast, source, target)
    with database.transaction() as session:
        session.execute(delete(OutboxRow))
    assert remove(me, source, move_to=target["id"]).status_code == 204
    with database.reading() as session:
        counted = session.execute(select(BudgetCategory.budget_id, BudgetCategory.category_id)).all()
        staged = session.execute(select(OutboxRow.job, OutboxRow.payload)).all()
    assert {tuple(row) for row in counted} == {(budget, UUID(target["id"])) for budget in (only_source, both)}
    assert [tuple(row) for row in staged] == [("evaluate_budgets", {"from": None})]


def test_sub_categories_move_below_a_target_on_the_top_level(me: httpx.Client) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    child = new_category(me, "Child", parent_id=source["id"])
    assert remove(me, source, move_to=target["id"]).status_code == 204
    answer = me.get(f"/v1/categories/{child['id']}")
    assert (answer.json()["parent_id"], answer.headers["ETag"]) == (target["id"], '"2"')


def test_sub_categories_cannot_move_to_a_third_level_or_onto_a_namesake(me: httpx.Client) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    child = new_category(me, "Twin", parent_id=source["id"])
    namesake = new_category(me, "TWIN", parent_id=target["id"])
    assert "levels" in problem(remove(me, source, move_to=namesake["id"]), 409)["detail"]
    assert "'Twin'" in problem(remove(me, source, move_to=target["id"]), 409)["detail"]
    assert read(me, f"/v1/categories/{child['id']}")["parent_id"] == source["id"]


def test_a_sum_that_is_too_large_moves_nothing(me: httpx.Client, cast: Cast, database: Database) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    new_expense(me, "1.00", category_id=source["id"])
    full = {
        "user_id": cast.owner.id,
        "day": date(2026, 5, 4),
        "category_id": UUID(target["id"]),
        "currency": "EUR",
        "amount_minor": MAX_DAILY_TOTAL_MINOR,
        "count": 1,
    }
    with database.transaction() as session:
        session.execute(insert(DailySpending).values(full))
    assert "total" in problem(remove(me, source, move_to=target["id"]), 409)["detail"]
    assert read(me, f"/v1/categories/{source['id']}") == source


def test_another_users_expenses_stay_as_they_are(me: httpx.Client, cast: Cast, database: Database) -> None:
    source, target = new_category(me, "Source"), new_category(me, "Target")
    new_expense(me, category_id=source["id"])
    theirs = new_category(cast.member.client, "Source")
    expense = new_expense(cast.member.client, category_id=theirs["id"])
    assert remove(me, source, move_to=target["id"]).status_code == 204
    assert read(cast.member.client, f"/v1/expenses/{expense['id']}") == expense
    assert_totals_are_right(database)


def put_in_budget(database: Database, cast: Cast, *categories: dict[str, Any]) -> UUID:
    budget_id = add_budget(database, cast.owner.id)
    rows = [
        {"user_id": cast.owner.id, "budget_id": budget_id, "category_id": UUID(category["id"])}
        for category in categories
    ]
    with database.transaction() as session:
        session.execute(insert(BudgetCategory), rows)
    return budget_id


def totals(database: Database, category_id: UUID) -> dict[tuple[date, str], tuple[int, int]]:
    query = select(DailySpending).where(DailySpending.category_id == category_id)
    with database.reading() as session:
        return {(row.day, row.currency): (row.amount_minor, row.count) for row in session.scalars(query)}
