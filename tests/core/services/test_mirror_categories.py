"""In which of the owner's categories a mirror is."""

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, select

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import Category, Expense
from core.queries.invariants import spending_differences
from core.rules.texts import search_key
from core.services.categories import delete_category
from tests.core.services.household import Household
from tests.core.services.spender import Spender


@pytest.fixture
def flat(database: Database) -> Household:
    """Ann owns it; Ben and Cleo are members. Everybody has the categories of `Spender`."""
    return Household(database, "ann", "ben", "cleo")


@pytest.fixture(autouse=True)
def _totals_are_right(database: Database) -> Any:
    """Whatever a test does, the daily totals are the sums of the expenses."""
    yield
    with database.reading() as session:
        assert spending_differences(session) == []


def category(person: Spender, name: str, parent: str | None = None) -> UUID:
    """A new category of the person's."""
    category_id, now = new_id(), clock.now()
    with person.database.transaction() as session:
        session.execute(
            insert(Category),
            {
                "user_id": person.id, "id": category_id, "name": name, "name_key": search_key(name),
                "parent_id": None if parent is None else person.categories[parent], "version": 1,
                "created_at": now, "updated_at": now,
            },
        )  # fmt: skip
    return category_id


@pytest.mark.parametrize(
    "written", ["dining", "DINING", "\N{FULLWIDTH LATIN SMALL LETTER D}ining", " dining "]
)
def test_it_goes_into_the_members_category_of_that_name_however_it_is_written(
    flat: Household, written: str
) -> None:
    flat.add("30.00", category=written)
    flat.settle()
    assert flat.category_of("ben") == "dining"


def test_without_such_a_category_it_goes_into_the_groups_default_and_else_into_none(flat: Household) -> None:
    flat.change(default_category="Travel")
    unknown, nothing = (flat.add("30.00", category=name) for name in ("Alpacas", None))
    flat.settle()
    travel = flat.people["ben"].categories["travel"]
    assert {one.category_id for one in flat.mirrors("ben")} == {travel}
    for expense_id in (unknown, nothing):
        flat.delete(expense_id)
    flat.change(default_category="Llamas")
    flat.add("30.00", category="Alpacas")
    flat.settle()
    assert flat.category_of("ben") is None


def test_each_member_has_it_in_their_own_category(flat: Household) -> None:
    bens = category(flat.people["ben"], "Überraschung")
    flat.add("30.00", category="überraschung")
    flat.settle()
    assert flat.mirror("ben").category_id == bens
    assert flat.category_of("cleo") is None


def test_of_two_categories_of_the_name_the_upper_one_wins(flat: Household) -> None:
    ben = flat.people["ben"]
    category(ben, "Pets", parent="food")
    upper = category(ben, "Pets")
    category(ben, "Pets", parent="travel")
    flat.add("30.00", category="pets")
    flat.settle()
    assert flat.mirror("ben").category_id == upper


def test_another_category_in_the_group_moves_the_mirrors_too(flat: Household) -> None:
    dinner = flat.add("30.00", category="dining")
    flat.settle()
    ben = flat.people["ben"]
    ben.revise(flat.mirror("ben").id, category="groceries")
    flat.revise(dinner, category="travel")
    flat.settle()
    assert flat.category_of("ben") == "travel"
    flat.revise(dinner, category="dining")
    flat.revise(dinner, category="travel")
    ben.revise(flat.mirror("ben").id, category="food")
    flat.settle()
    assert flat.category_of("ben") == "food", "for the group it is where it was"
    flat.revise(dinner, category=None)
    flat.settle()
    assert flat.category_of("ben") is None


@pytest.mark.parametrize("written", ["Travel", " travel "])
def test_the_same_category_written_otherwise_is_no_other_one(flat: Household, written: str) -> None:
    dinner = flat.add("30.00", category="travel")
    flat.settle()
    flat.people["ben"].revise(flat.mirror("ben").id, category="groceries")
    flat.revise(dinner, category=written)
    flat.settle()
    assert flat.category_of("ben") == "groceries"


def test_a_mirror_moves_with_its_category_and_follows_from_there(flat: Household, database: Database) -> None:
    dinner = flat.add("30.00", category="travel")
    flat.settle()
    ben = flat.people["ben"]
    with database.transaction() as session:
        delete_category(
            session, user_id=ben.id, category_id=ben.categories["travel"], move_to=ben.categories["food"]
        )
    flat.revise(dinner, amount="33.00")
    flat.settle()
    assert flat.category_of("ben") == "food"
    flat.revise(dinner, category="dining")
    flat.revise(dinner, category="Travel", amount="36.00")
    flat.settle()
    assert flat.category_of("ben") == "food", "the group's is the same as before"
    assert flat.mirrored("ben") == ["12.00"]


def test_the_owners_category_note_and_tags_outlive_edits(flat: Household) -> None:
    dinner = flat.add("30.00", category="dining")
    flat.settle()
    ben = flat.people["ben"]
    ben.revise(flat.mirror("ben").id, category="groceries", note="mine", tags=("b", "a"))
    flat.revise(dinner, amount="33.00", description="Supper")
    flat.settle()
    found = flat.mirror("ben")
    assert (found.amount_minor, found.payee) == (1100, "Supper")
    assert (found.note, found.tags) == ("mine", ("b", "a"))
    assert flat.category_of("ben") == "groceries"
    with flat.database.reading() as session:
        (text,) = session.scalars(select(Expense.search_text).where(Expense.id == found.id))
    assert text == search_key("Supper", "mine", "b", "a")
