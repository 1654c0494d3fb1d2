"""Members are reminded by schedule of what they have owed for long enough, as seldom as their group wants."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.errors import Conflict
from core.models import DebtReminder, Group, PairBalance
from core.services.reminders import REST, remind, remind_debtors
from core.services.settlements import NewSettlement, record_settlement
from tests.core.services.household import Household
from tests.core.services.spender import at
from workers.tasks import reminders as task
from workers.tasks.reminders import remind_all

BEGIN = "2026-05-01T12:00:00"


@pytest.fixture
def home(database: Database) -> Household:
    with at(BEGIN):
        return Household(database, "Ada", "Bob", "Cleo", debt_reminder_days=7)


def spend(home: Household, amount: str, time: str, *, by: str = "Ada", **fields: Any) -> None:
    with at(time):
        home.add(amount, by=by, paid={by: amount}, **fields)
        home.settle()


def tick(home: Household, time: str) -> int:
    with at(time):
        return remind_all(home.database)


def reminded(home: Household, name: str) -> list[dict[str, Any]]:
    return [data for kind, data in home.people[name].messages() if kind == "debt.reminder"]


def owed(home: Household, name: str) -> list[str]:
    """What somebody was reminded of, in short: `Ada 10.00 EUR`."""
    return [
        " ".join([data["to_name"], *(f"{debt['amount']} {debt['currency']}" for debt in data["debts"])])
        for data in reminded(home, name)
    ]


def test_who_owes_is_reminded_after_the_groups_days_and_again_after_as_many(home: Household) -> None:
    spend(home, "30.00", BEGIN)
    times = ["2026-05-08T11:59:59", "2026-05-08T12:00:00", "2026-05-08T13:00:00", "2026-05-15T11:59:59"]
    assert [tick(home, time) for time in [*times, "2026-05-15T12:00:00"]] == [0, 2, 0, 0, 2]
    assert reminded(home, "Bob")[0] == {
        "group_id": str(home.id),
        "group_name": "Flat",
        "to_member_id": str(home.ids["Ada"]),
        "to_name": "Ada",
        "debts": [{"currency": "EUR", "amount": "10.00"}],
        "is_scheduled": True,
    }
    assert owed(home, "Bob") == owed(home, "Cleo") == ["Ada 10.00 EUR"] * 2
    assert owed(home, "Ada") == []


@pytest.mark.parametrize("is_simplified", [True, False])
def test_a_debt_that_grows_is_the_same_and_one_that_was_paid_is_a_new_one(
    home: Household, is_simplified: bool
) -> None:
    home.change(simplify_debts=is_simplified)
    spend(home, "20.00", BEGIN, split=home.equal("Ada", "Bob"))
    spend(home, "20.00", BEGIN, split=home.equal("Ada", "Cleo"))
    spend(home, "2.00", "2026-05-07T12:00:00", split=home.equal("Ada", "Bob"))
    spend(home, "10.00", "2026-05-07T12:00:00", by="Cleo", split=home.equal("Ada"))
    spend(home, "10.00", "2026-05-07T13:00:00", split=home.equal("Cleo"))
    assert tick(home, "2026-05-08T12:00:00") == 1
    assert owed(home, "Bob") == ["Ada 11.00 EUR"]
    assert tick(home, "2026-05-14T12:59:59") == 0
    assert tick(home, "2026-05-14T13:00:00") == 1
    assert owed(home, "Cleo") == ["Ada 10.00 EUR"]


def test_an_expense_that_is_split_anew_leaves_the_debt_as_old_as_it_was(home: Household) -> None:
    with at(BEGIN):
        expense_id = home.add("30.00")
        home.settle()
    with at("2026-05-05T12:00:00"):
        home.revise(expense_id, amount="60.00")
        home.settle()
    assert tick(home, "2026-05-08T12:00:00") == 2
    assert owed(home, "Bob") == ["Ada 20.00 EUR"]


def test_a_confirmed_payment_ends_it(home: Household) -> None:
    spend(home, "20.00", BEGIN, split=home.equal("Ada", "Bob"))
    payment = NewSettlement(to_member_id=home.ids["Ada"], from_member_id=home.ids["Bob"], amount="10.00")
    with at("2026-05-04T12:00:00"), home.database.transaction() as session:
        record_settlement(session, user_id=home.people["Ada"].id, group_id=home.id, settlement=payment)
    assert tick(home, "2026-06-08T12:00:00") == 0


def test_the_groups_way_to_see_debts_says_who_owes_whom(home: Household, database: Database) -> None:
    with at(BEGIN):
        other = Household(database, "Ada", "Bob", "Cleo", debt_reminder_days=7, simplify_debts=False)
    for group in (home, other):
        spend(group, "20.00", BEGIN, split=group.equal("Ada", "Bob"))
        spend(group, "20.00", BEGIN, by="Bob", split=group.equal("Bob", "Cleo"))
    assert tick(home, "2026-05-08T12:00:00") == 3
    assert (owed(home, "Bob"), owed(home, "Cleo")) == ([], ["Ada 10.00 EUR"])
    assert (owed(other, "Bob"), owed(other, "Cleo")) == (["Ada 10.00 EUR"], ["Bob 10.00 EUR"])


def test_a_plan_that_changes_is_no_reason_to_be_reminded_again(home: Household) -> None:
    spend(home, "20.00", BEGIN, split=home.equal("Ada", "Bob"))
    assert tick(home, "2026-05-08T12:00:00") == 1
    # Now Ada is even, and Bob owes the same to Cleo instead.
    spend(home, "10.00", "2026-05-09T12:00:00", by="Cleo", split=home.equal("Ada"))
    assert tick(home, "2026-05-15T11:59:59") == 0
    assert tick(home, "2026-05-15T12:00:00") == 1
    assert owed(home, "Bob") == ["Ada 10.00 EUR", "Cleo 10.00 EUR"]


def test_all_currencies_are_in_one_reminder_once_any_has_stood(home: Household) -> None:
    spend(home, "20.00", BEGIN, split=home.equal("Ada", "Bob"))
    spend(home, "500", "2026-05-07T12:00:00", currency="JPY", split=home.equal("Ada", "Bob"))
    assert tick(home, "2026-05-08T12:00:00") == 1
    assert owed(home, "Bob") == ["Ada 10.00 EUR 250 JPY"]


def test_a_reminder_by_hand_counts_and_one_by_schedule_counts_by_hand(home: Household) -> None:
    home.change(debt_reminder_days=1)
    spend(home, "20.00", BEGIN, split=home.equal("Ada", "Bob"))

    def by_hand(time: str) -> bool:
        with at(time), home.database.transaction() as session:
            ids = {"user_id": home.people["Ada"].id, "group_id": home.id, "member_id": home.ids["Bob"]}
            try:
                remind(session, **ids)
            except Conflict:
                return False
            return True

    assert by_hand("2026-05-02T11:00:00")
    assert tick(home, "2026-05-02T12:00:00") == 0
    assert tick(home, "2026-05-03T10:59:59") == 0
    assert tick(home, "2026-05-03T11:00:00") == 1
    assert not by_hand("2026-05-04T10:59:59")
    assert by_hand("2026-05-04T11:00:00")
    assert timedelta(days=1) == REST
    assert [data.get("is_scheduled") for data in reminded(home, "Bob")] == [None, True, None]


def test_who_cannot_be_told_and_what_is_not_there_is_passed_over(home: Household, database: Database) -> None:
    with at(BEGIN):
        never = Household(database, "Ada", "Bob")
        gone = Household(database, "Ada", "Bob", debt_reminder_days=1)
        home.join("Dora", has_account=False)
    for group in (never, gone, home):
        spend(group, "40.00", BEGIN)
    home.set_member("Cleo", left_at=clock.now())
    with database.transaction() as session:
        session.execute(update(Group).where(Group.id == gone.id).values(deleted_at=clock.now()))
    assert tick(home, "2026-08-08T12:00:00") == 1
    assert owed(home, "Bob") == ["Ada 10.00 EUR"]
    assert (owed(home, "Cleo"), owed(never, "Bob"), owed(gone, "Bob")) == ([], [], [])
    with database.reading() as session:
        assert session.scalars(select(DebtReminder.from_member_id)).all() == [home.ids["Bob"]]


def test_all_groups_have_their_turn_and_a_bad_one_stops_no_other(
    home: Household, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(task, "GROUP_BATCH", 2)
    with at(BEGIN):
        others = [Household(database, "Ada", "Bob", debt_reminder_days=7) for _ in range(4)]
    bad = others[1]
    for group in (home, *others):
        spend(group, "20.00", BEGIN, split=group.equal("Ada", "Bob"))
    with database.transaction() as session:
        # No currency that ever was: what it amounts to cannot be told.
        session.execute(update(PairBalance).where(PairBalance.group_id == bad.id).values(currency="QQQ"))
    assert tick(home, "2026-05-08T12:00:00") == 4
    assert str(bad.id) in caplog.text
    assert [len(owed(group, "Bob")) for group in (home, *others)] == [1, 1, 0, 1, 1]


def test_of_two_ticks_at_once_one_reminds(home: Household) -> None:
    spend(home, "30.00", BEGIN)
    start = Barrier(2)

    def remind_again(_: int) -> int:
        start.wait()
        with home.database.transaction() as session:
            return remind_debtors(session, group_id=home.id)

    with at("2026-05-08T12:00:00"), ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(remind_again, range(2))) == [0, 2]
    assert (len(reminded(home, "Bob")), len(reminded(home, "Cleo"))) == (1, 1)
