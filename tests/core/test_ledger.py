"""The database holds every entry of a ledger to zero, and what gets past it is found at night."""

import logging
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.errors import Conflict
from core.ids import new_id
from core.models import Expense, GroupExpense, GroupShare, PairBalance, Posting, Settlement
from core.models.ledger import MAX_PAIR_BALANCE_MINOR
from core.queries import ledger_invariants
from core.queries.ledger import pair_balances
from core.queries.ledger_invariants import (
    MAX_PENDING,
    LedgerDifference,
    ledger_differences,
    list_group_ids,
)
from core.rules.debts import Transfer
from core.services.invariant_checks import CHECKS
from core.services.ledger import Entry, post_entries
from core.services.settlements import NewSettlement, record_settlement
from tests.core.services.household import Household
from workers import process
from workers.tasks.housekeeping import check_invariants, check_invariants_task


class Ledger:
    """A group of two, and an entry of 5.00 between them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.home = Household(database, "Ada", "Bob")
        self.ada, self.bob = self.home.ids.values()
        self.source = new_id()
        with database.transaction() as session:
            post_entries(session, [self.entry()])

    def entry(self, number: int = 1, amount: int = 500) -> Entry:
        return Entry(
            group_id=self.home.id,
            source_kind="expense",
            source_id=self.source,
            number=number,
            currency="EUR",
            debts=(Transfer(self.bob, self.ada, amount),),
        )

    def posting(self, amount: int, **fields: Any) -> dict[str, Any]:
        row = {
            "group_id": self.home.id, "source_id": self.source, "entry": 2, "position": 0,
            "source_kind": "expense", "is_reversal": False, "member_id": self.ada,
            "counterparty_id": self.bob, "currency": "EUR", "amount_minor": amount, "created_at": clock.now(),
        }  # fmt: skip
        return row | fields

    def refuses(self, *statements: Any) -> bool:
        """Whether the transaction of the statements fails, and leaves no trace."""
        before = self.rows()
        try:
            with self.database.transaction() as session:
                for statement in statements:
                    session.execute(statement)
        except IntegrityError:
            assert self.rows() == before
            return True
        return False

    def rows(self) -> list[Any]:
        with self.database.reading() as session:
            table = Posting.__table__
            return [tuple(row) for row in session.execute(select(table).order_by(*table.primary_key))]


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database)


@pytest.mark.parametrize(
    "amounts",
    [[("EUR", 500)], [("EUR", 500), ("EUR", -499)], [("EUR", 500), ("USD", -500)], [("EUR", 1), ("EUR", 1)]],
)
def test_an_entry_that_does_not_sum_to_zero_is_refused(
    ledger: Ledger, amounts: list[tuple[str, int]]
) -> None:
    rows = [
        ledger.posting(amount, position=n, currency=currency) for n, (currency, amount) in enumerate(amounts)
    ]
    assert ledger.refuses(insert(Posting).values(rows))
    assert ledger.refuses(*(insert(Posting).values(row) for row in rows))


def test_what_is_missing_may_come_later_in_the_transaction(ledger: Ledger) -> None:
    first, second = ledger.posting(500), ledger.posting(-500, position=1)
    assert not ledger.refuses(insert(Posting).values(first), insert(Posting).values(second))


def test_an_entry_that_was_whole_takes_nothing_more(ledger: Ledger) -> None:
    assert ledger.refuses(insert(Posting).values(ledger.posting(1, entry=1, position=2)))


def test_a_posting_is_never_changed_and_never_deleted(ledger: Ledger) -> None:
    is_its = Posting.source_id == ledger.source
    assert ledger.refuses(update(Posting).where(is_its).values(amount_minor=-Posting.amount_minor))
    assert ledger.refuses(update(Posting).where(is_its).values(created_at=clock.now()))
    assert ledger.refuses(delete(Posting).where(is_its))
    assert ledger.refuses(delete(Posting).where(is_its, Posting.position == 0))


def test_an_entry_number_is_given_once(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError), ledger.database.transaction() as session:
        post_entries(session, [ledger.entry()])
    with ledger.database.transaction() as session:
        post_entries(session, [ledger.entry(2)])
        pairs = pair_balances(session, [ledger.home.id])[ledger.home.id, "EUR"]
    assert pairs == {(ledger.ada, ledger.bob): 1_000, (ledger.bob, ledger.ada): -1_000}


def test_what_is_taken_back_leaves_nothing(ledger: Ledger) -> None:
    with ledger.database.transaction() as session:
        post_entries(session, [ledger.entry().reversed(2)])
        assert pair_balances(session, [ledger.home.id]) == {}


def test_a_balance_that_is_too_large_is_a_conflict(ledger: Ledger) -> None:
    with ledger.database.transaction() as session:
        session.execute(
            update(PairBalance)
            .where(PairBalance.member_id == ledger.bob)
            .values(amount_minor=MAX_PAIR_BALANCE_MINOR)
        )
    payment = NewSettlement(from_member_id=ledger.bob, to_member_id=ledger.ada, amount="0.01")
    with pytest.raises(Conflict), ledger.database.transaction() as session:
        record_settlement(
            session, user_id=ledger.home.people["Ada"].id, group_id=ledger.home.id, settlement=payment
        )


class Books:
    """A group with an expense and two settlements; `break_ledger` does what the database forbids."""

    def __init__(self, database: Database) -> None:
        self.home = Household(database, "Ada", "Bob", "Cleo")
        self.database = database
        self.expense = self.home.add("30.00")
        self.deleted = self.home.add("9.00")
        self.home.settle()
        self.home.delete(self.deleted)
        self.home.settle()
        self.confirmed = self.pay(
            "Ada", from_member_id=self.home.ids["Bob"], to_member_id=self.home.ids["Ada"]
        )
        self.pending = self.pay("Bob", to_member_id=self.home.ids["Ada"])

    def pay(self, by: str, **fields: UUID) -> UUID:
        payment = NewSettlement(amount="4.00", **fields)  # type: ignore[arg-type] # only ids
        with self.database.transaction() as session:
            return record_settlement(
                session, user_id=self.home.people[by].id, group_id=self.home.id, settlement=payment
            ).id

    def differences(self) -> list[LedgerDifference]:
        with self.database.reading() as session:
            return [
                one
                for group in list_group_ids(session)
                for one in ledger_differences(session, group_id=group)
            ]

    def unlock(self) -> None:
        """Let the postings be changed."""
        names = {
            "postgresql": ("postings_append_only", "postings_sum_to_zero"),
            "sqlite": ("postings_never_updated", "postings_never_deleted", "postings_sum_to_zero"),
        }[self.database.dialect]
        on = " ON postings" if self.database.dialect == "postgresql" else ""
        with self.database.transaction() as session:
            for name in names:
                session.execute(text(f"DROP TRIGGER {name}{on}"))


def lose_a_posting(session: Session, books: Books) -> None:
    is_one = (Posting.source_id == books.expense) & (Posting.position == 0)
    session.execute(delete(Posting).where(is_one))


def lose_a_settlements_postings(session: Session, books: Books) -> None:
    session.execute(delete(Posting).where(Posting.source_id == books.confirmed))


def shift_a_balance(session: Session, books: Books) -> None:
    session.execute(
        update(PairBalance)
        .where(
            PairBalance.member_id == books.home.ids["Bob"],
            PairBalance.counterparty_id == books.home.ids["Ada"],
        )
        .values(amount_minor=1)
    )


def shift_a_share(session: Session, books: Books) -> None:
    session.execute(
        update(GroupShare)
        .where(GroupShare.expense_id == books.expense, GroupShare.member_id == books.home.ids["Bob"])
        .values(share_minor=1_001)
    )


def shift_what_was_paid(session: Session, books: Books) -> None:
    session.execute(
        update(GroupShare)
        .where(GroupShare.expense_id == books.expense, GroupShare.member_id == books.home.ids["Ada"])
        .values(paid_minor=2_999)
    )


def confirm_without_posting(session: Session, books: Books) -> None:
    session.execute(update(Settlement).where(Settlement.id == books.pending).values(state="confirmed"))


def reverse_without_posting(session: Session, books: Books) -> None:
    session.execute(update(Settlement).where(Settlement.id == books.confirmed).values(state="reversed"))


def pass_on_too_much(session: Session, books: Books) -> None:
    ada, bob, cleo = books.home.ids.values()
    entry = Entry(
        group_id=books.home.id,
        source_kind="departure",
        source_id=cleo,
        number=1,
        currency="EUR",
        debts=(Transfer(ada, bob, 1),),
    )
    post_entries(session, [entry])


def forget_an_expense(session: Session, books: Books) -> None:
    session.execute(
        update(GroupExpense)
        .where(GroupExpense.id == books.expense)
        .values(version=GroupExpense.version + 1, updated_at=clock.now() - MAX_PENDING - timedelta(seconds=1))
    )


def post_a_version_to_come(session: Session, books: Books) -> None:
    is_it = GroupExpense.id == books.expense
    session.execute(update(GroupExpense).where(is_it).values(posted_version=GroupExpense.version + 1))


def shift_a_mirror(session: Session, books: Books) -> None:
    is_bobs = Expense.user_id == books.home.people["Bob"].id
    session.execute(update(Expense).where(is_bobs).values(amount_minor=999))


def mirror_in_another_currency(session: Session, books: Books) -> None:
    is_bobs = Expense.user_id == books.home.people["Bob"].id
    session.execute(update(Expense).where(is_bobs).values(currency="USD"))


def resolve_otherwise(session: Session, books: Books) -> None:
    ada, bob, _cleo = (str(one) for one in books.home.ids.values())
    resolved = {"paid": {ada: 3_000}, "shares": {ada: 1_500, bob: 1_500}}
    session.execute(update(GroupExpense).where(GroupExpense.id == books.expense).values(resolved=resolved))


def keep_a_deleted_expense(session: Session, books: Books) -> None:
    session.execute(delete(Posting).where(Posting.source_id == books.deleted, Posting.is_reversal))


def test_a_ledger_too_large_to_be_proved_in_time_is_told_and_stops_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(postgres_url, pool_size=2)
    books = Books(database)
    asked = []

    def differences(session: Session, *, group_id: UUID) -> list[LedgerDifference]:
        asked.append(group_id)
        if group_id == books.home.id:
            session.execute(text("SET statement_timeout = 10"))
            session.execute(text("SELECT pg_sleep(5)"))
        session.execute(text("SET statement_timeout = 30000"))
        return []

    other = Household(database, "Dora")
    monkeypatch.setattr(process, "_runtime", SimpleNamespace(database=database))
    monkeypatch.setattr("core.services.invariant_checks.ledger_differences", differences)
    check_invariants_task()
    assert asked == [books.home.id, other.id]
    assert f"invariant.not_proved check=group_ledger subject=group={books.home.id}" in caplog.text
    database.close()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lose_a_posting, {"entry", "pair_balance", "expense"}),
        (lose_a_settlements_postings, {"pair_balance", "settlement"}),
        (shift_a_balance, {"pair_balance", "pair_symmetry"}),
        (shift_a_share, {"shares", "expense", "mirror", "resolved"}),
        (shift_what_was_paid, {"paid", "expense", "resolved"}),
        (confirm_without_posting, {"settlement"}),
        (reverse_without_posting, {"settlement"}),
        (pass_on_too_much, {"departure"}),
        (forget_an_expense, {"pending"}),
        (post_a_version_to_come, {"version"}),
        (shift_a_mirror, {"mirror"}),
        (mirror_in_another_currency, {"mirror"}),
        (resolve_otherwise, {"resolved"}),
        (keep_a_deleted_expense, {"pair_balance", "expense"}),
    ],
)
def test_every_kind_of_damage_is_found(
    migrated_copy: Database, damage: Callable[[Session, Books], None], found: set[str]
) -> None:
    books = Books(migrated_copy)
    assert books.differences() == []
    books.unlock()
    with migrated_copy.transaction() as session:
        damage(session, books)
    differences = books.differences()
    assert {one.check for one in differences} == found
    assert {one.group_id for one in differences} == {books.home.id}


def test_what_waits_for_a_moment_and_mirrors_that_nobody_minds_are_no_damage(database: Database) -> None:
    books = Books(database)
    books.home.leave("Bob")
    (cleos,) = books.home.mirrors("Cleo")
    books.home.people["Cleo"].delete(cleos.id)
    with database.transaction() as session:
        shift_a_mirror(session, books)
        session.execute(update(Expense).where(Expense.id == cleos.id).values(amount_minor=999))
    books.home.add("5.00", split=books.home.equal("Ada"))
    assert books.differences() == []


def test_every_batch_of_expenses_is_compared(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_invariants, "RESOLVED", ledger_invariants.RESOLVED.limit(2))
    books = Books(database)
    last = [books.home.add("3.00") for _ in range(4)][-1]
    books.home.settle()
    assert books.differences() == []
    books.expense = last
    with database.transaction() as session:
        resolve_otherwise(session, books)
    assert {(one.check, one.subject_id) for one in books.differences()} == {("resolved", last)}


def test_the_nightly_job_tells_what_it_finds(own_database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(own_database_url, pool_size=2)
    books = Books(database)
    with caplog.at_level(logging.ERROR):
        check_invariants(database, CHECKS)
        assert "invariant" not in caplog.text
        with database.transaction() as session:
            confirm_without_posting(session, books)
        check_invariants(database, CHECKS)
    assert "invariant.broken check=group_ledger" in caplog.text
    assert str(books.pending) in caplog.text
    database.close()
