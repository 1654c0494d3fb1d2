"""A member's share of a group's expense among their own expenses, where their budgets see it."""

from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from core.database import Database
from core.errors import Conflict, NotFound
from core.models import Expense, GroupShare
from core.queries.expenses import load_expense
from core.queries.invariants import spending_differences
from core.services.accounts import delete_account
from core.services.expense_drafts import LineInput
from core.services.expenses import purge_trash
from tests.core.services.household import DAY, Household
from tests.core.services.spender import Spender, at


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


def test_each_members_share_is_an_expense_of_their_own(flat: Household) -> None:
    flat.add("30.01", spent_on=date(2026, 2, 28), description="Sushi", note="for the group", currency="USD")
    flat.settle()
    shares = []
    for name, person in flat.people.items():
        found = flat.mirror(name)
        assert (found.user_id, found.source, found.currency) == (person.id, "group", "USD")
        assert (found.payee, found.note, found.spent_on) == ("Sushi", None, date(2026, 2, 28))
        assert (found.version, found.tags, found.lines) == (1, (), ())
        shares.append(found.amount_minor)
    assert sorted(shares) == [1000, 1000, 1001]


def test_who_paid_has_spent_their_share_and_not_what_they_have_lent(flat: Household) -> None:
    flat.add("30.00", split=flat.equal("ben", "cleo"))
    flat.settle()
    assert [flat.mirrored(name) for name in flat.people] == [[], ["15.00"], ["15.00"]]


def test_a_refund_is_mirrored_as_a_refund(flat: Household) -> None:
    flat.add("-30.00")
    flat.settle()
    assert flat.mirrored("ben") == ["-10.00"]


def test_who_has_switched_it_off_gets_no_new_mirrors_and_keeps_the_old_ones_true(flat: Household) -> None:
    old = flat.add("30.00")
    flat.settle()
    flat.set_member("ben", mirrors_expenses=False)
    flat.add("90.00")
    flat.revise(old, amount="33.00")
    flat.settle()
    assert flat.mirrored("ben") == ["11.00"]
    assert flat.mirrored("cleo") == ["11.00", "30.00"]
    flat.set_member("ben", mirrors_expenses=True)
    flat.add("3.00")
    flat.settle()
    assert flat.mirrored("ben") == ["11.00", "1.00"]


def test_an_edit_is_followed_in_amount_currency_day_and_payee(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    before = flat.mirror("ben")
    changes = {"amount": "6000", "currency": "JPY", "spent_on": date(2026, 6, 1), "description": "Supper"}
    flat.revise(dinner, **changes)
    flat.settle()
    after = flat.mirror("ben")
    assert after.id == before.id
    assert (after.amount_minor, after.currency) == (2000, "JPY")
    assert (after.spent_on, after.payee, after.version) == (date(2026, 6, 1), "Supper", before.version + 1)
    with flat.database.reading() as session:
        (text,) = session.scalars(select(Expense.search_text).where(Expense.id == after.id))
    assert text == "supper"


def test_a_mirror_that_its_owner_has_deleted_stays_deleted_and_comes_back_as_it_should_be(
    flat: Household,
) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    ben, own = flat.people["ben"], flat.mirror("ben").id
    ben.delete(own)
    flat.revise(dinner, amount="33.00", spent_on=date(2026, 6, 1), currency="USD")
    flat.settle()
    assert flat.mirrored("ben") == []
    ben.restore(own)
    found = flat.mirror("ben")
    assert (found.id, found.amount_minor, found.currency) == (own, 1100, "USD")
    assert found.spent_on == date(2026, 6, 1)
    flat.revise(dinner, amount="36.00")
    flat.settle()
    assert flat.mirrored("ben") == ["12.00"]


def test_a_mirror_that_was_purged_from_the_trash_never_comes_back(
    flat: Household, database: Database
) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    with at("2026-01-01T12:00:00"):
        flat.people["ben"].delete(flat.mirror("ben").id)
    with database.transaction() as session:
        assert purge_trash(session) == 1
    flat.revise(dinner, amount="33.00")
    flat.settle()
    assert flat.mirrors("ben") == []
    flat.delete(dinner)
    flat.settle()
    assert flat.mirrors("cleo") == []


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "1.00"},
        {"currency": "USD"},
        {"spent_on": "2026-05-05"},
        {"payee": "Somebody else"},
        {"payee": None},
        {"lines": (LineInput(None, "4.00"), LineInput(None, "6.00"))},
        {"note": "mine", "amount": "10.01"},
    ],
)
def test_what_is_the_groups_its_owner_cannot_change(flat: Household, changes: dict[str, Any]) -> None:
    flat.add("30.00")
    flat.settle()
    before = flat.mirror("ben")
    with pytest.raises(Conflict, match="share of a group's expense"):
        flat.people["ben"].revise(before.id, **changes)
    assert flat.mirror("ben") == before


def test_what_stays_the_same_may_be_said_again(flat: Household) -> None:
    flat.add("30.00", description=" Fish & chips ")
    flat.settle()
    found = flat.mirror("ben")
    same = {"amount": "10.0", "currency": "EUR", "spent_on": DAY, "payee": found.payee, "lines": ()}
    flat.people["ben"].revise(found.id, **same, note="mine")
    assert flat.mirror("ben").note == "mine"


def test_a_share_that_becomes_zero_takes_its_mirror_away_and_comes_back_with_a_new_one(
    flat: Household,
) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.revise(dinner, split=flat.by_value("exact", ann="10.00", cleo="20.00", ben="0"))
    flat.settle()
    assert [flat.mirrored(name) for name in flat.people] == [["10.00"], [], ["20.00"]]
    assert flat.mirrors("ben") == []
    flat.revise(dinner, split=flat.equal("ben"))
    flat.settle()
    assert [flat.mirrored(name) for name in flat.people] == [[], ["30.00"], []]


def test_a_deleted_expense_takes_its_mirrors_away_wherever_they_are(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    ann, ben = flat.people["ann"], flat.people["ben"]
    ann.revise(flat.mirror("ann").id, tags=("kept",), note="kept")
    in_trash = flat.mirror("ben").id
    ben.delete(in_trash)
    flat.delete(dinner)
    flat.settle()
    assert [flat.mirrors(name) for name in flat.people] == [[], [], []]
    with pytest.raises(NotFound):
        ben.restore(in_trash)


def test_nobodys_other_expenses_are_touched(flat: Household) -> None:
    ben = flat.people["ben"]
    own = ben.spend("10.00", DAY, category="dining", payee="Dinner")
    dinner = flat.add("30.00", category="dining")
    flat.settle()
    flat.delete(dinner)
    flat.settle()
    with flat.database.reading() as session:
        kept = load_expense(session, user_id=ben.id, expense_id=own)
    assert (kept.amount_minor, kept.source, kept.version) == (1000, "manual", 1)


def test_who_leaves_keeps_what_they_have_spent(flat: Household) -> None:
    dinner = flat.add("30.00", paid={"ben": "15.00", "ann": "15.00"}, split=flat.equal("ann", "ben"))
    flat.settle()
    flat.leave("ben")
    flat.revise(dinner, description="Supper", spent_on=date(2026, 1, 1))
    flat.settle()
    assert (flat.mirrored("ben"), flat.mirror("ben").payee) == (["15.00"], "Dinner")
    with pytest.raises(Conflict, match="would change their part"):
        flat.revise(dinner, amount="60.00", paid={"ben": "30.00", "ann": "30.00"})
    with pytest.raises(Conflict, match="would change their part"):
        flat.delete(dinner)
    assert flat.told("ben") == ["added paid 15.00 share 15.00 balance 0.00"], "and hears no more of it"


def test_a_claimed_name_gets_mirrors_of_new_shares_only(flat: Household, database: Database) -> None:
    flat.join("dot", has_account=False)
    dinner = flat.add("40.00")
    flat.settle()
    flat.people["dot"] = Spender(database)
    flat.set_member("dot", user_id=flat.people["dot"].id)
    flat.revise(dinner, amount="44.00")
    flat.settle()
    assert flat.mirrors("dot") == []
    flat.add("48.00")
    flat.settle()
    assert flat.mirrored("dot") == ["12.00"]


def test_a_members_budget_alerts_because_another_one_wrote_an_expense(flat: Household) -> None:
    ben, cleo = flat.people["ben"], flat.people["cleo"]
    with at("2026-05-04T12:00:00"):
        dining = ben.budget("10.00", categories=["dining"], thresholds=[80, 100])
        other = ben.budget("10.00", categories=["travel"], thresholds=[80])
        cleo.budget("100.00", thresholds=[80])
        dinner = flat.add("27.00", category="Dining")
        flat.settle_all()
        assert ben.open(dining) == {(date(2026, 5, 1), 80)}
        assert (ben.open(other), cleo.open()) == (set(), set())
        flat.revise(dinner, amount="30.00")
        flat.settle_all()
        assert ben.open(dining) == {(date(2026, 5, 1), 80), (date(2026, 5, 1), 100)}
        flat.delete(dinner)
        flat.settle_all()
        assert ben.open(dining) == set()
    kinds = [kind for kind, _data in ben.messages()]
    assert kinds.count("budget.threshold") == kinds.count("budget.recovered") == 2


def test_a_mirror_in_the_trash_counts_for_no_budget(flat: Household) -> None:
    ben = flat.people["ben"]
    with at("2026-05-04T12:00:00"):
        budget = ben.budget("10.00", thresholds=[100])
        dinner = flat.add("30.00")
        flat.settle_all()
        ben.delete(flat.mirror("ben").id)
        ben.settle()
        assert ben.open(budget) == set()
        flat.revise(dinner, amount="300.00")
        flat.settle_all()
        assert ben.open(budget) == set()
        assert ben.current(budget).spent_minor == 0


def test_a_deleted_account_takes_its_mirrors_with_it_and_leaves_the_group_whole(
    flat: Household, database: Database
) -> None:
    dinner, rent = flat.add("30.00"), flat.add("300.00", by="ben")
    flat.settle()
    ben = flat.people["ben"]
    with database.transaction() as session:
        delete_account(session, user_id=ben.id, expected_versions=None)
    flat.revise(dinner, amount="33.00")
    flat.delete(rent)
    flat.settle()
    with database.reading() as session:
        assert session.scalars(select(Expense).where(Expense.user_id == ben.id)).all() == []
        kept = session.scalars(select(GroupShare).where(GroupShare.member_id == flat.ids["ben"])).all()
    assert [(one.expense_id, one.share_minor, one.mirror_expense_id) for one in kept] == [
        (dinner, 1100, None)
    ]
    assert flat.balances() == {"ann": "22.00", "ben": "-11.00", "cleo": "-11.00"}
    assert (flat.mirrored("ann"), flat.mirrored("cleo")) == (["11.00"], ["11.00"])


def test_an_account_that_goes_before_the_job_runs_gets_nothing(flat: Household, database: Database) -> None:
    flat.add("30.00")
    with database.transaction() as session:
        delete_account(session, user_id=flat.people["ben"].id, expected_versions=None)
    flat.settle()
    assert flat.balances() == {"ann": "20.00", "ben": "-10.00", "cleo": "-10.00"}
    assert (flat.mirrors("ben"), flat.mirrored("cleo")) == ([], ["10.00"])
