"""Random writes of two people who share a group, with readers in between: each copy ends up as the tables."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from core import clock
from core.database import Database
from core.errors import OutlayError
from core.models import Budget, Category, Deletion, Expense, RecurringExpense
from core.services import budgets, categories, expenses
from core.services.categories import NewCategory
from core.services.changes import DELETION_LIFETIME, begin_epochs, forget_deletions
from core.services.expense_drafts import ExpenseInput
from core.services.expenses import TRASH_LIFETIME, purge_trash
from core.services.recurring_expenses import (
    NewRecurring,
    change_recurring,
    delete_recurring,
    set_up_recurring,
)
from core.services.recurring_input import ScheduleInput
from core.services.recurring_occurrences import skip_occurrence
from tests.core.services.bookkeeper import tick
from tests.core.services.household import Household
from tests.core.services.replica import Replica, assert_numbered_once
from tests.core.services.spender import Spender

EXAMPLES = {"postgresql": 25, "sqlite": 50}

NAMES = ("Ada", "Bob")
LIMITS = (1, 3, 500)

Operation = tuple[Any, ...]

which = st.integers(0, 20)
names = st.sampled_from(NAMES)
operations = st.one_of(
    st.tuples(st.just("spend"), names, which, st.booleans()),
    st.tuples(st.just("bulk"), names, st.integers(1, 4)),
    st.tuples(st.just("revise"), names, which, which),
    st.tuples(st.just("delete"), names, which),
    st.tuples(st.just("restore"), names, which),
    st.tuples(st.just("purge")),
    st.tuples(st.just("add_category"), names, which),
    st.tuples(st.just("rename_category"), names, which),
    st.tuples(st.just("delete_category"), names, which, which),
    st.tuples(st.just("set_budget"), names, which),
    st.tuples(st.just("change_budget"), names, which, st.sampled_from(["amount", "archive", "delete"])),
    st.tuples(st.just("recur"), names, which),
    st.tuples(st.just("change_recurring"), names, which, st.sampled_from(["amount", "skip", "delete"])),
    st.tuples(st.just("post_recurring")),
    st.tuples(st.just("share"), names, st.integers(1, 999)),
    st.tuples(st.just("reshare"), names, which, st.integers(1, 999)),
    st.tuples(st.just("unshare"), names, which),
    st.tuples(st.just("mirror"), names, st.booleans()),
    st.tuples(st.just("job")),
    st.tuples(st.just("forget")),
    st.tuples(st.just("begin_epoch")),
    st.tuples(st.just("begin_copy"), names, st.sampled_from(LIMITS)),
    *[st.tuples(st.just("read"), which)] * 5,
)


def test_copies_kept_by_reading_changes_are_what_is_there(database: Database) -> None:
    @settings(
        max_examples=EXAMPLES[database.dialect],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.lists(operations, min_size=5, max_size=40))
    def follow(history: list[Operation]) -> None:
        World(database).follow(history)

    follow()


class World:
    """What cannot be done is left undone; whatever is done must reach all copies."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group = Household(database, *NAMES)
        self._shared: list[UUID] = []
        self._replicas = [
            Replica(database, self._person(name).id, limit=limit) for name in NAMES for limit in LIMITS
        ]

    def follow(self, history: Sequence[Operation]) -> None:
        for name, *arguments in history:
            try:
                getattr(self, name)(*arguments)
            except OutlayError:
                continue  # such as a category that is in use, or an expense that is not in the trash
        self.job()
        for replica in self._replicas:
            replica.sync()
            replica.assert_complete()
        for name in NAMES:
            assert_numbered_once(self._database, self._person(name).id)

    def read(self, number: int) -> None:
        self._replicas[number % len(self._replicas)].step()

    def begin_copy(self, name: str, limit: int) -> None:
        self._replicas.append(Replica(self._database, self._person(name).id, limit=limit))

    def spend(self, name: str, number: int, has_lines: bool) -> None:
        category_id = self._pick(Category, name, number)
        with self._database.transaction() as session:
            item = ExpenseInput(user_id=self._person(name).id, amount="1.00", category_id=category_id)
            expenses.record_expenses(session, items=[item])
        if has_lines:
            self._person(name).spend("3.00", lines=[("food", "1.00"), ("travel", "2.00")], tags=("a",))

    def bulk(self, name: str, count: int) -> None:
        with self._database.transaction() as session:
            item = ExpenseInput(user_id=self._person(name).id, amount="1.00")
            expenses.record_expenses(session, items=[item] * count)

    def revise(self, name: str, number: int, other: int) -> None:
        if expense_id := self._pick(Expense, name, number):
            category_id = self._pick(Category, name, other)
            self._person(name).revise(expense_id, category_id=category_id, tags=(str(other),))

    def delete(self, name: str, number: int) -> None:
        if expense_id := self._pick(Expense, name, number):
            self._person(name).delete(expense_id)

    def restore(self, name: str, number: int) -> None:
        if expense_id := self._pick(Expense, name, number):
            self._person(name).restore(expense_id)

    def purge(self) -> None:
        long_ago = clock.now() - TRASH_LIFETIME - timedelta(days=1)
        with self._database.transaction() as session:
            session.execute(
                update(Expense).where(Expense.deleted_at.is_not(None)).values(deleted_at=long_ago)
            )
            purge_trash(session)

    def add_category(self, name: str, number: int) -> None:
        with self._database.transaction() as session:
            new = NewCategory(name=f"New {number}", parent_id=self._pick(Category, name, number))
            categories.create_category(session, user_id=self._person(name).id, category=new)

    def rename_category(self, name: str, number: int) -> None:
        if category_id := self._pick(Category, name, number):
            with self._database.transaction() as session:
                categories.change_category(
                    session,
                    user_id=self._person(name).id,
                    category_id=category_id,
                    changes={"name": f"Renamed {number}"},
                )

    def delete_category(self, name: str, number: int, other: int) -> None:
        if category_id := self._pick(Category, name, number):
            with self._database.transaction() as session:
                categories.delete_category(
                    session,
                    user_id=self._person(name).id,
                    category_id=category_id,
                    move_to=self._pick(Category, name, other),
                )

    def set_budget(self, name: str, number: int) -> None:
        person = self._person(name)
        label = sorted(person.categories)[number % len(person.categories)]
        person.budget(categories=[label])

    def recur(self, name: str, number: int) -> None:
        with self._database.transaction() as session:
            template = ExpenseInput(
                user_id=self._person(name).id, amount="1.00", category_id=self._pick(Category, name, number)
            )
            new = NewRecurring(template=template, schedule=ScheduleInput(unit="day"))
            set_up_recurring(session, user_id=self._person(name).id, recurring=new)

    def change_recurring(self, name: str, number: int, what: str) -> None:
        if (recurring_id := self._pick(RecurringExpense, name, number)) is None:
            return
        its: dict[str, Any] = {"user_id": self._person(name).id, "recurring_id": recurring_id}
        with self._database.transaction() as session:
            if what == "amount":
                change_recurring(session, **its, changes={"amount": str(number + 1)})
            elif what == "skip":
                skip_occurrence(session, **its, due_on=None)
            else:
                delete_recurring(session, **its)

    def post_recurring(self) -> None:
        tick(self._database)

    def change_budget(self, name: str, number: int, what: str) -> None:
        person = self._person(name)
        if (budget_id := self._pick(Budget, name, number)) is None:
            return
        if what == "amount":
            person.change(budget_id, amount=str(number + 1))
        elif what == "archive":
            person.archive(budget_id, is_archived=bool(number % 2))
        else:
            with self._database.transaction() as session:
                budgets.delete_budget(session, user_id=person.id, budget_id=budget_id)

    def share(self, name: str, cents: int) -> None:
        self._shared.append(self._group.add(f"{cents}.00", by=name, category="food"))

    def reshare(self, name: str, number: int, cents: int) -> None:
        if self._shared:
            expense_id = self._shared[number % len(self._shared)]
            self._group.revise(expense_id, by=name, amount=f"{cents}.00")

    def unshare(self, name: str, number: int) -> None:
        if self._shared:
            self._group.delete(self._shared[number % len(self._shared)], by=name)

    def mirror(self, name: str, is_on: bool) -> None:
        self._group.set_member(name, mirrors_expenses=is_on)

    def job(self) -> None:
        self._group.settle_all()

    def forget(self) -> None:
        long_ago = clock.now() - DELETION_LIFETIME - timedelta(days=1)
        with self._database.transaction() as session:
            session.execute(update(Deletion).values(deleted_at=long_ago))
            forget_deletions(session)

    def begin_epoch(self) -> None:
        with self._database.transaction() as session:
            begin_epochs(session)

    def _person(self, name: str) -> Spender:
        return self._group.people[name]

    def _pick(self, model: Any, name: str, number: int) -> UUID | None:
        with self._database.reading() as session:
            query = select(model.id).where(model.user_id == self._person(name).id).order_by(model.id)
            ids = session.scalars(query).all()
        return ids[number % len(ids)] if ids else None
