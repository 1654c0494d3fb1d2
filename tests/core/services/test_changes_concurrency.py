"""Whatever the order in which transactions begin, write and commit: no reader of changes misses one."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from datetime import date
from uuid import UUID

import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from core.database import Database
from core.errors import NotFound
from core.ids import new_id
from core.services import expenses
from core.services.changes import number_changes
from core.services.expense_drafts import ExpenseInput
from tests.core.services.replica import Replica, assert_numbered_once
from tests.core.services.spender import Spender

WRITERS = 5
ROUNDS = 40
LIMITS = (1, 7, 500)


@pytest.fixture
def me(database: Database) -> Spender:
    return Spender(database)


@pytest.fixture
def rows_lock(database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("SQLite has one writer at a time: nobody can commit before who began earlier")


def held(stack: ExitStack, database: Database) -> Session:
    """A transaction that stays open until the stack is closed, which commits it."""
    return stack.enter_context(database.transaction())


def record(session: Session, user_id: UUID, *, day: date | None = None) -> UUID:
    item = ExpenseInput(user_id=user_id, amount="1.00", spent_on=day)
    return expenses.record_expenses(session, items=[item])[0].id


def has(replica: Replica, expense_id: UUID) -> bool:
    return ("expense", expense_id) in replica.things


@pytest.mark.usefixtures("rows_lock")
def test_who_began_first_and_commits_last_is_not_skipped(me: Spender, database: Database) -> None:
    replica = Replica(database, me.id)
    with ExitStack() as stack:
        early = record(held(stack, database), me.id)
        # On another day, as the totals of a day make their writers wait for each other.
        late = me.spend("2.00", "2026-01-01")
        replica.sync()
        assert has(replica, late)
        assert not has(replica, early)
    replica.sync()
    assert has(replica, early)
    replica.assert_complete()


@pytest.mark.usefixtures("rows_lock")
@pytest.mark.parametrize("is_numbered", [True, False])
@pytest.mark.parametrize("is_kept", [True, False])
def test_a_change_under_way_makes_nobody_wait_and_comes_when_it_is_done(
    me: Spender, database: Database, is_numbered: bool, is_kept: bool
) -> None:
    """The version before is there meanwhile, numbered or not; it stays when the change is taken back."""
    expense_id = me.spend("1.00")
    replica = Replica(database, me.id)
    if is_numbered:
        replica.sync()
    with ExitStack() as stack:
        session = held(stack, database)
        expenses.revise_expense(session, user_id=me.id, expense_id=expense_id, changes={"note": "new"})
        replica.sync()
        assert replica.things["expense", expense_id].note is None
        if not is_kept:
            session.rollback()
    replica.sync()
    assert replica.things["expense", expense_id].note == ("new" if is_kept else None)
    replica.assert_complete()


@pytest.mark.usefixtures("rows_lock")
@pytest.mark.parametrize("seed", range(5))
def test_transactions_that_commit_in_any_order_with_readers_in_between(
    me: Spender, database: Database, seed: int
) -> None:
    chance = random.Random(seed)
    # Each on a day of its own: the writers must not wait for each other.
    old = [me.spend("1.00", f"2026-02-{day:02}") for day in range(1, 9)]
    replicas = [Replica(database, me.id, limit=limit) for limit in (1, 3, 500)]
    stacks = []
    for number, expense_id in enumerate(old):
        stacks.append(ExitStack())
        session = held(stacks[-1], database)
        action = chance.choice(["delete", "revise", "record"])
        if action == "delete":
            expenses.delete_expense(session, user_id=me.id, expense_id=expense_id)
        elif action == "revise":
            changes = {"note": "new", "tags": ("a",)}
            expenses.revise_expense(session, user_id=me.id, expense_id=expense_id, changes=changes)
        else:
            record(session, me.id, day=date(2026, 3, 1 + number))
        chance.choice(replicas).step()
    chance.shuffle(stacks)
    for stack in stacks:
        stack.close()
        chance.choice(replicas).step()
    for replica in replicas:
        replica.sync()
        replica.assert_complete()
    assert_numbered_once(database, me.id)


def test_numbers_given_while_somebody_reads_are_left_for_the_next_time(
    me: Spender, database: Database
) -> None:
    """Between the two statements of a reader somebody writes, and somebody else numbers it."""
    old = me.spend("1.00")
    replica = Replica(database, me.id)
    replica.sync()
    written: list[UUID] = []

    def interfere(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if "FROM change_feeds" in statement and not written:
            written.append(new_id())  # so that what is asked for here is let alone
            written[0] = me.spend("2.00")
            me.delete(old)
            with database.transaction() as session:
                number_changes(session, user_id=me.id)
            written.append(me.spend("3.00"))

    event.listen(database.engine, "after_cursor_execute", interfere)
    try:
        replica.step()
    finally:
        event.remove(database.engine, "after_cursor_execute", interfere)
    assert len(written) == 2
    replica.sync()
    assert all(has(replica, expense_id) for expense_id in written)
    assert not has(replica, old)
    replica.assert_complete()


class Writer:
    """Does something random again and again, the same in every run but for what others do."""

    def __init__(self, me: Spender, known: list[UUID], number: int) -> None:
        self._me = me
        self._known = known
        self._chance = random.Random(number)

    def run(self) -> None:
        calls = [self._spend, self._bulk, self._revise, self._move, self._delete, self._restore]
        for _ in range(ROUNDS):
            # NotFound: somebody else has put it into the trash, or taken it out.
            with suppress(NotFound):
                self._chance.choice(calls)()

    def _any(self) -> UUID:
        return self._chance.choice(self._known)

    def _spend(self) -> None:
        day = f"2026-05-{self._chance.randint(1, 28):02}"
        self._known.append(self._me.spend("1.00", day, tags=("a", "b"), lines=[("food", "1.00")]))

    def _bulk(self) -> None:
        with self._me.database.transaction() as session:
            item = ExpenseInput(user_id=self._me.id, amount="1.00", tags=("a",))
            expenses.record_expenses(session, items=[item] * 10)

    def _revise(self) -> None:
        self._me.revise(self._any(), note=str(self._chance.random()), tags=(str(self._chance.random()),))

    def _move(self) -> None:
        self._me.revise(self._any(), category=self._chance.choice(list(self._me.categories)))

    def _delete(self) -> None:
        self._me.delete(self._any())

    def _restore(self) -> None:
        self._me.restore(self._any())


def test_readers_and_writers_all_at_once(me: Spender, database: Database) -> None:
    is_done = threading.Event()
    known = [me.spend("1.00") for _ in range(10)]

    def read(limit: int) -> Replica:
        replica = Replica(database, me.id, limit=limit)
        while not is_done.is_set():
            replica.step()
        return replica

    with ThreadPoolExecutor(WRITERS + len(LIMITS)) as pool:
        readers = [pool.submit(read, limit) for limit in LIMITS]
        writers = [pool.submit(Writer(me, known, number).run) for number in range(WRITERS)]
        try:
            for writer in writers:
                writer.result()
        finally:
            is_done.set()
        replicas = [reader.result() for reader in readers]
    for replica in replicas:
        replica.sync()
        replica.assert_complete()
    assert_numbered_once(database, me.id)
