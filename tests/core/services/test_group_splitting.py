"""The job that brings the ledger to what the expenses of a group are wanted to be, and tells of it."""

import pytest
from sqlalchemy import delete, func, select, update

from core.config import Settings
from core.database import Database
from core.job_names import SPLIT_GROUP_EXPENSE
from core.models import Expense, Group, GroupShare, OutboxRow, PairBalance, Posting
from core.models.ledger import MAX_PAIR_BALANCE_MINOR
from core.queries.invariants import spending_differences
from core.services.groups import delete_group
from core.services.outbox import claim_rows
from tests.core.services.household import Household, settle_splits
from tests.core.services.test_evaluation_concurrency import at_once
from tests.workers.outbox import runtime
from workers.app import JOBS

WORKERS = 4


@pytest.fixture
def flat(database: Database) -> Household:
    """Ann owns it; Ben and Cleo are members."""
    return Household(database, "ann", "ben", "cleo")


def waiting(database: Database) -> int:
    """Rows of the job in the outbox."""
    with database.reading() as session:
        query = select(func.count()).select_from(OutboxRow).where(OutboxRow.job == SPLIT_GROUP_EXPENSE)
        return session.scalar(query) or 0


def postings(database: Database) -> int:
    with database.reading() as session:
        return session.scalar(select(func.count()).select_from(Posting)) or 0


def test_an_expense_counts_only_once_it_is_split(flat: Household) -> None:
    dinner = flat.add("30.00")
    assert (flat.state(dinner), flat.shares(dinner), flat.balances()) == ("pending", {}, {})
    assert flat.settle() == 1
    assert flat.state(dinner) == "split"
    assert flat.shares(dinner) == {"ann": (3000, 1000), "ben": (0, 1000), "cleo": (0, 1000)}
    assert flat.balances() == {"ann": "20.00", "ben": "-10.00", "cleo": "-10.00"}
    assert flat.entries(dinner) == [(1, False, "EUR", flat.balances())]


def test_several_payers_and_odd_cents_are_posted_to_the_cent(flat: Household) -> None:
    split = flat.by_value("exact", ben="9.99", cleo="0.01")
    taxi = flat.add("10.00", paid={"ann": "2.50", "cleo": "7.50"}, split=split)
    flat.settle()
    assert flat.shares(taxi) == {"ann": (250, 0), "ben": (0, 999), "cleo": (750, 1)}
    assert flat.balances() == {"ann": "2.50", "ben": "-9.99", "cleo": "7.49"}
    odd = flat.add("0.01")
    flat.settle()
    parts = [share for _paid, share in flat.shares(odd).values()]
    assert sorted(parts) == [0, 0, 1]


def test_a_refund_is_the_mirror_image_of_its_expense(flat: Household) -> None:
    flat.add("90.00")
    refund = flat.add("-90.00")
    flat.settle()
    assert flat.shares(refund) == {"ann": (-9000, -3000), "ben": (0, -3000), "cleo": (0, -3000)}
    assert flat.balances() == {}


def test_an_edit_takes_the_old_entry_back_and_posts_a_new_one(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.revise(dinner, by="ben", amount="60.00", paid={"cleo": "60.00"})
    assert flat.state(dinner) == "pending"
    assert flat.balances() == {"ann": "20.00", "ben": "-10.00", "cleo": "-10.00"}, "until it is split again"
    flat.settle()
    assert flat.entries(dinner) == [
        (1, False, "EUR", {"ann": "20.00", "ben": "-10.00", "cleo": "-10.00"}),
        (2, True, "EUR", {"ann": "-20.00", "ben": "10.00", "cleo": "10.00"}),
        (3, False, "EUR", {"ann": "-20.00", "ben": "-20.00", "cleo": "40.00"}),
    ]
    assert flat.balances() == {"ann": "-20.00", "ben": "-20.00", "cleo": "40.00"}
    assert flat.shares(dinner) == {"ann": (0, 2000), "ben": (0, 2000), "cleo": (6000, 2000)}


def test_a_deleted_expense_is_taken_back(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.delete(dinner, by="cleo")
    flat.settle()
    assert [entry[:2] for entry in flat.entries(dinner)] == [(1, False), (2, True)]
    assert (flat.balances(), flat.shares(dinner), flat.state(dinner)) == ({}, {}, "split")


def test_several_edits_before_the_job_are_one_entry(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.revise(dinner, amount="31.00")
    flat.revise(dinner, by="ben", amount="33.00")
    assert flat.settle() == 3, "a row each, of one key"
    assert flat.entries(dinner) == [(1, False, "EUR", {"ann": "22.00", "ben": "-11.00", "cleo": "-11.00"})]
    assert flat.told("cleo") == ["added paid 0.00 share 11.00 balance -11.00"]
    flat.revise(dinner, amount="36.00")
    flat.revise(dinner, amount="33.00")
    flat.settle()
    assert len(flat.entries(dinner)) == 1, "there and back again"


def test_what_is_created_and_deleted_before_the_job_has_never_been(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.delete(dinner)
    assert flat.settle() == 2
    assert (flat.entries(dinner), flat.shares(dinner), flat.balances()) == ([], {}, {})
    assert [flat.told(name) for name in flat.people] == [[], [], []]
    assert [flat.mirrors(name) for name in flat.people] == [[], [], []]


def test_an_edit_that_moves_no_money_posts_nothing_and_is_told(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.revise(dinner, description="Supper", category="Eating out", note="with Dot")
    flat.settle()
    assert len(flat.entries(dinner)) == 1
    assert flat.state(dinner) == "split"
    kind, data = flat.people["ben"].messages()[-1]
    assert kind == "group.expense_changed"
    assert (data["description"], data["category"]) == ("Supper", "Eating out")


def test_who_pays_for_themselves_alone_moves_nothing(flat: Household) -> None:
    own = flat.add("12.00", split=flat.equal("ann"))
    flat.settle()
    assert (flat.entries(own), flat.state(own)) == ([], "split")
    assert flat.shares(own) == {"ann": (1200, 1200)}
    flat.revise(own, split=flat.equal("ben"))
    flat.settle()
    assert flat.entries(own) == [(1, False, "EUR", {"ann": "12.00", "ben": "-12.00"})]
    flat.revise(own, split=flat.equal("ann"))
    flat.settle()
    assert [entry[:2] for entry in flat.entries(own)] == [(1, False), (2, True)]
    flat.revise(own, split=flat.equal("cleo"))
    flat.settle()
    assert flat.entries(own)[2:] == [(3, False, "EUR", {"ann": "12.00", "cleo": "-12.00"})]


def test_another_currency_moves_the_whole_expense_there(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.revise(dinner, currency="JPY", amount="3000")
    flat.settle()
    assert flat.balances("EUR") == {}
    assert flat.balances("JPY") == {"ann": "2000", "ben": "-1000", "cleo": "-1000"}
    assert [(number, is_reversal, currency) for number, is_reversal, currency, _ in flat.entries(dinner)] == [
        (1, False, "EUR"), (2, True, "EUR"), (3, False, "JPY"),
    ]  # fmt: skip
    assert flat.told("ben")[-1] == "changed paid 0 share 1000 balance -1000"


def test_the_same_number_in_another_currency_is_posted_anew(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.revise(dinner, currency="USD")
    flat.settle()
    assert flat.balances("EUR") == {}
    assert flat.balances("USD") == {"ann": "20.00", "ben": "-10.00", "cleo": "-10.00"}


def test_a_job_that_runs_twice_posts_and_tells_nothing_twice(flat: Household, database: Database) -> None:
    dinner = flat.add("30.00")
    with database.reading() as session:
        (row,) = claim_rows(session, job=SPLIT_GROUP_EXPENSE)
    assert row.key == f"{flat.id}:{dinner}"
    for _ in range(2):
        flat.settle()
        with database.transaction() as session:
            session.add(
                OutboxRow(
                    job=SPLIT_GROUP_EXPENSE, key=row.key, payload={}, attempts=0,
                    created_at=row.created_at, available_at=row.created_at,
                )
            )  # fmt: skip
    flat.settle()
    assert len(flat.entries(dinner)) == 1
    assert flat.told("ben") == ["added paid 0.00 share 10.00 balance -10.00"]
    assert flat.mirrored("ben") == ["10.00"]


def test_a_worker_that_dies_leaves_everything_to_the_next_one(flat: Household, database: Database) -> None:
    dinner = flat.add("30.00")

    def die() -> None:
        with database.transaction() as session:
            assert settle_splits(session) == 1
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        die()
    assert (flat.state(dinner), flat.balances(), flat.told("ben")) == ("pending", {}, [])
    assert (flat.settle(), flat.settle()) == (1, 0)
    assert len(flat.entries(dinner)) == 1
    assert flat.told("ben") == ["added paid 0.00 share 10.00 balance -10.00"]


def test_workers_at_once_post_every_expense_once(settings: Settings, database: Database) -> None:
    """Several groups that share nobody, one with many expenses; each worker is a runtime of its own."""
    flats = [Household(database, "ann", "ben", "cleo") for _ in range(3)]
    expenses = [(flat, flat.add("9.00")) for flat in flats for _ in range(6)]

    def work() -> None:
        with runtime(settings, **JOBS) as worker:
            worker.drain(SPLIT_GROUP_EXPENSE)

    at_once(*[work] * WORKERS)
    with runtime(settings, **JOBS) as worker:
        worker.drain(SPLIT_GROUP_EXPENSE)
    assert waiting(database) == 0
    assert all(flat.state(one) == "split" and len(flat.entries(one)) == 1 for flat, one in expenses)
    assert postings(database) == len(expenses) * 4
    for flat in flats:
        assert flat.balances() == {"ann": "36.00", "ben": "-18.00", "cleo": "-18.00"}
        balances = [told.rpartition(" ")[2] for told in flat.told("ben")]
        assert sorted(balances, key=float) == [f"-{n * 3}.00" for n in range(6, 0, -1)]
        assert flat.mirrored("ben") == ["3.00"] * 6


def test_writers_and_workers_at_once_end_with_what_was_written_last(
    flat: Household, settings: Settings, database: Database
) -> None:
    rounds = 8
    shared = flat.add("3.00")

    def write(name: str) -> None:
        for number in range(1, rounds + 1):
            own = flat.add("6.00", by=name)
            flat.revise(shared, by=name, amount=f"{number}.00", paid={name: f"{number}.00"})
            flat.delete(own, by=name)
            flat.add("3.00", by=name)

    def work() -> None:
        for _ in range(rounds):
            with runtime(settings, **JOBS) as worker:
                worker.drain(SPLIT_GROUP_EXPENSE)

    at_once(*(lambda name=name: write(name) for name in ("ann", "ben", "cleo")), work, work)
    flat.delete(shared)
    with runtime(settings, **JOBS) as worker:
        worker.drain(SPLIT_GROUP_EXPENSE)
    assert waiting(database) == 0
    assert flat.balances() == {}, "each has paid as much as the others"
    entries = flat.entries(shared)
    assert [number for number, *_ in entries] == list(range(1, len(entries) + 1))
    assert [is_reversal for _, is_reversal, *_ in entries] == [False, True] * (len(entries) // 2)
    with database.reading() as session:
        assert spending_differences(session) == []
    assert [sum(map(float, flat.mirrored(name))) for name in flat.people] == [rounds * 3.0] * 3


def test_everybody_but_the_author_is_told_what_they_paid_owe_and_are_owed(flat: Household) -> None:
    flat.add("30.00", paid={"ann": "10.00", "ben": "20.00"}, category="Eating out", note="private")
    flat.settle()
    assert flat.told("ann") == []
    assert flat.told("ben") == ["added paid 20.00 share 10.00 balance 10.00"]
    assert flat.told("cleo") == ["added paid 0.00 share 10.00 balance -10.00"]
    (kind, data) = flat.people["ben"].messages()[0]
    assert kind == "group.expense_added"
    assert data["group_id"] == str(flat.id)
    about = {name: data[name] for name in ("group_name", "description", "category", "spent_on", "by")}
    assert about == {
        "group_name": "Flat", "description": "Dinner", "category": "Eating out", "spent_on": "2026-05-04",
        "by": "ann",
    }  # fmt: skip
    assert (data["amount"], data["currency"]) == ("30.00", "EUR")


def test_who_changes_or_deletes_is_its_author_then(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.revise(dinner, by="ben", amount="33.00")
    flat.settle()
    flat.delete(dinner, by="cleo")
    flat.settle()
    assert flat.told("ann") == [
        "changed paid 33.00 share 11.00 balance 22.00",
        "deleted paid 33.00 share 11.00 balance 0.00",
    ]
    assert flat.told("ben") == [
        "added paid 0.00 share 10.00 balance -10.00",
        "deleted paid 0.00 share 11.00 balance 0.00",
    ]
    assert flat.told("cleo") == [
        "added paid 0.00 share 10.00 balance -10.00",
        "changed paid 0.00 share 11.00 balance -11.00",
    ]
    assert [data["by"] for _kind, data in flat.people["ann"].messages()] == ["ben", "cleo"]


def test_the_balance_that_is_told_is_the_one_after_that_very_expense(flat: Household) -> None:
    flat.add("30.00")
    flat.add("3.00", by="ben")
    flat.add("6.00", currency="USD")
    flat.settle()
    assert flat.told("cleo") == [
        "added paid 0.00 share 10.00 balance -10.00",
        "added paid 0.00 share 1.00 balance -11.00",
        "added paid 0.00 share 2.00 balance -2.00",
    ]


def test_viewers_are_told_and_names_without_an_account_and_former_members_are_not(flat: Household) -> None:
    flat.join("dot", role="viewer")
    flat.join("eve", has_account=False)
    flat.join("finn")
    flat.leave("finn")
    flat.add("40.00")
    flat.settle()
    assert flat.balances() == {"ann": "30.00", "ben": "-10.00", "cleo": "-10.00", "eve": "-10.00"}
    assert flat.told("dot") == ["added paid 0.00 share 0.00 balance 0.00"]
    assert flat.told("finn") == []
    assert (flat.mirrored("dot"), flat.mirrored("finn")) == ([], [])


def test_who_joins_later_is_told_of_later_changes_only(flat: Household) -> None:
    dinner = flat.add("30.00")
    flat.settle()
    flat.join("dot")
    assert flat.told("dot") == []
    flat.revise(dinner, amount="33.00")
    flat.settle()
    assert flat.told("dot") == ["changed paid 0.00 share 0.00 balance 0.00"]
    assert flat.balances() == {"ann": "22.00", "ben": "-11.00", "cleo": "-11.00"}


def test_an_expense_of_a_group_that_is_gone_is_left_alone(flat: Household, database: Database) -> None:
    dinner = flat.add("30.00")
    flat.delete(dinner)
    flat.settle()
    with database.transaction() as session:
        delete_group(session, user_id=flat.people["ann"].id, group_id=flat.id)
    lost = Household(database, "ann", "ben")
    lost.add("1.00")
    with database.transaction() as session:
        session.execute(delete(Group).where(Group.id == lost.id))
    assert lost.settle() == 1, "the row goes, as there is nothing to be done"
    assert postings(database) == 0


def test_an_expense_that_cannot_be_posted_holds_up_no_other_one_and_can_be_deleted(
    flat: Household, settings: Settings, database: Database
) -> None:
    """Two members can owe each other no more than a balance holds."""
    flat.add("1.00", split=flat.equal("ben"))
    flat.settle()
    with database.transaction() as session:
        full = PairBalance.amount_minor * (MAX_PAIR_BALANCE_MINOR // 100)
        session.execute(update(PairBalance).values(amount_minor=full))
    stuck = flat.add("0.01", split=flat.equal("ben"))
    small = flat.add("30.00", split=flat.equal("cleo"))
    with runtime(settings, **JOBS) as worker:
        worker.drain(SPLIT_GROUP_EXPENSE)
        assert (flat.state(stuck), flat.entries(stuck), flat.mirrored("ben")) == ("pending", [], ["1.00"])
        assert flat.entries(small) == [(1, False, "EUR", {"ann": "30.00", "cleo": "-30.00"})]
        assert waiting(database) == 1
        flat.delete(stuck)
        worker.drain(SPLIT_GROUP_EXPENSE)
    assert (flat.state(stuck), flat.entries(stuck)) == ("split", [])
    assert len(flat.told("cleo")) == 2, "of the one that could not be posted nobody has heard"


def test_nothing_is_kept_for_one_group_by_the_job_of_another(flat: Household, database: Database) -> None:
    other = Household(database, "ann", "ben")
    dinner, rent = flat.add("30.00"), other.add("500.00")
    assert flat.settle() == 2, "both in one transaction"
    assert (flat.entries(rent), other.entries(dinner)) == ([], [])
    assert other.balances() == {"ann": "250.00", "ben": "-250.00"}
    assert other.told("ben") == ["added paid 0.00 share 250.00 balance -250.00"]
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(GroupShare)) == 5
        assert session.scalar(select(func.count()).select_from(Expense)) == 5
