"""The daily totals always equal the sum of the expenses, whatever is written in whatever order."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.ids import new_id
from core.models import DailySpending, Expense, User
from core.models.spending import UNCATEGORISED
from core.queries.expenses import ExpenseFilter, ExpenseRecord, list_expenses
from core.queries.invariants import SpendingDifference, spending_differences
from core.rules.money import format_amount
from core.services.categories import NewCategory, create_category, delete_category
from core.services.expense_drafts import ExpenseInput, LineInput
from core.services.expenses import delete_expense, record_expenses, restore_expense, revise_expense

FIRST_DAY = date(2026, 1, 30)
CATEGORIES = 4

Totals = dict[tuple[date, UUID, str], tuple[int, int]]

currencies = st.sampled_from(["EUR", "JPY", "KWD"])
minors = st.one_of(st.integers(-500, 500), st.integers(-(10**14), 10**14))
days = st.integers(0, 3).map(lambda days: FIRST_DAY + timedelta(days))
places = st.none() | st.integers(0, CATEGORIES - 1)
"""A category by its position among those that are left."""

parts = st.lists(st.tuples(places, st.integers(-500, 500)), min_size=1, max_size=3)
whole_or_parts = st.tuples(places, minors) | parts

drafts = st.fixed_dictionaries({"day": days, "currency": currencies, "money": whole_or_parts})
actions = st.one_of(
    st.tuples(st.just("record"), st.lists(drafts, min_size=1, max_size=4)),
    st.tuples(st.just("revise"), st.integers(0), drafts),
    st.tuples(st.just("move"), st.integers(0), days),
    st.tuples(st.just("delete"), st.integers(0)),
    st.tuples(st.just("restore"), st.integers(0)),
    st.tuples(st.just("merge"), st.integers(0), st.integers(0)),
)


@dataclass
class Books:
    """A user's expenses and categories, written by the services."""

    session: Session
    user_id: UUID
    categories: list[UUID] = field(default_factory=list)
    live: list[UUID] = field(default_factory=list)
    trash: list[UUID] = field(default_factory=list)

    def do(self, name: str, *arguments: Any) -> None:
        getattr(self, name)(*arguments)

    def record(self, given: list[Mapping[str, Any]]) -> None:
        items = [ExpenseInput(user_id=self.user_id, **self._fields(draft)) for draft in given]
        self.live += [record.id for record in record_expenses(self.session, items=items)]

    def revise(self, which: int, draft: Mapping[str, Any]) -> None:
        if self.live:
            changes = {"category_id": None, "lines": (), **self._fields(draft)}
            self._revise(which, changes)

    def move(self, which: int, day: date) -> None:
        if self.live:
            self._revise(which, {"spent_on": day})

    def delete(self, which: int) -> None:
        if self.live:
            expense_id = self.live.pop(which % len(self.live))
            delete_expense(self.session, user_id=self.user_id, expense_id=expense_id)
            self.trash.append(expense_id)

    def restore(self, which: int) -> None:
        if self.trash:
            expense_id = self.trash.pop(which % len(self.trash))
            restore_expense(self.session, user_id=self.user_id, expense_id=expense_id)
            self.live.append(expense_id)

    def merge(self, which: int, into: int) -> None:
        """Delete a category and put what is in it into another one."""
        if len(self.categories) > 1:
            source = self.categories.pop(which % len(self.categories))
            target = self.categories[into % len(self.categories)]
            delete_category(self.session, user_id=self.user_id, category_id=source, move_to=target)

    def _revise(self, which: int, changes: Mapping[str, Any]) -> None:
        expense_id = self.live[which % len(self.live)]
        revise_expense(self.session, user_id=self.user_id, expense_id=expense_id, changes=changes)

    def _fields(self, draft: Mapping[str, Any]) -> dict[str, Any]:
        currency, money = draft["currency"], draft["money"]
        common = {"currency": currency, "spent_on": draft["day"]}
        if isinstance(money, tuple):
            category_id = self._category(money[0])
            return {**common, "amount": format_amount(money[1], currency), "category_id": category_id}
        lines = tuple(
            LineInput(self._category(place), format_amount(minor, currency)) for place, minor in money
        )
        total = sum(minor for _, minor in money)
        return {**common, "amount": format_amount(total, currency), "lines": lines}

    def _category(self, place: int | None) -> UUID | None:
        return None if place is None else self.categories[place % len(self.categories)]


@settings(
    max_examples=30,
    deadline=None,
    # Each example works for a user of its own, so that none sees what another has left.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=st.lists(actions, max_size=12))
def test_whatever_is_written_the_totals_equal_the_sum(
    database: Database, sequence: list[tuple[Any, ...]]
) -> None:
    with database.transaction() as session:
        books = open_books(session)
        for action in sequence:
            books.do(*action)
            assert spending_differences(session, user_id=books.user_id) == [], action
        assert kept_totals(session, books.user_id) == counted_by_hand(session, books.user_id)


def test_a_difference_is_found_and_told(database: Database) -> None:
    day = FIRST_DAY
    with database.transaction() as session:
        books = open_books(session)
        category = books.categories[0]
        for money in ((0, 500), (None, 700), [(0, 100), (0, 50), (None, 1)]):
            books.record([{"day": day, "currency": "EUR", "money": money}])
        other = open_books(session)
        other.record([{"day": day, "currency": "EUR", "money": (0, 9)}])
        session.execute(update(DailySpending).where(is_total(books, category)).values(amount_minor=651))
        session.execute(update(DailySpending).where(is_total(books, UNCATEGORISED)).values(count=1))
        session.execute(delete(DailySpending).where(is_total(other, other.categories[0])))
        found = spending_differences(session)
        assert sorted(found, key=lambda one: (one.user_id, one.category_id)) == [
            SpendingDifference(books.user_id, day, UNCATEGORISED, "EUR", 701, 1, 701, 2),
            SpendingDifference(books.user_id, day, category, "EUR", 651, 3, 650, 3),
            SpendingDifference(other.user_id, day, other.categories[0], "EUR", 0, 0, 9, 1),
        ]
        assert [one.user_id for one in spending_differences(session, user_id=other.user_id)] == [
            other.user_id
        ]


def test_a_total_without_any_expense_is_a_difference_unless_it_is_zero(database: Database) -> None:
    with database.transaction() as session:
        books = open_books(session)
        books.record([{"day": FIRST_DAY, "currency": "EUR", "money": (0, 500)}])
        books.delete(0)
        assert kept_totals(session, books.user_id) == {}
        assert spending_differences(session) == []
        session.execute(delete(Expense))
        session.execute(update(DailySpending).values(amount_minor=1))
        assert [(one.kept_minor, one.actual_minor) for one in spending_differences(session)] == [(1, 0)]


def open_books(session: Session) -> Books:
    books = Books(session, new_id())
    now, name = clock.now(), str(books.user_id)
    session.execute(
        insert(User).values(
            id=books.user_id,
            username=name,
            username_key=name,
            email=name,
            email_key=name,
            display_name=name,
            password_hash="",
            timezone="UTC",
            currency="EUR",
            is_active=True,
            created_at=now,
            updated_at=now,
        )
    )
    for n in range(CATEGORIES):
        category = create_category(session, user_id=books.user_id, category=NewCategory(name=f"{n}"))
        books.categories.append(category.id)
    return books


def is_total(books: Books, category_id: UUID) -> Any:
    return (DailySpending.user_id == books.user_id) & (DailySpending.category_id == category_id)


def kept_totals(session: Session, user_id: UUID) -> Totals:
    rows = session.execute(select(DailySpending.__table__).where(DailySpending.user_id == user_id))
    return {
        (row.day, row.category_id, row.currency): (row.amount_minor, row.count)
        for row in rows
        if row.amount_minor or row.count
    }


def counted_by_hand(session: Session, user_id: UUID) -> Totals:
    found: dict[tuple[date, UUID, str], list[int]] = defaultdict(list)
    live = list_expenses(
        session, user_id=user_id, filters=ExpenseFilter(), sort="spent_on", after=None, limit=1_000
    )
    for record in live:
        for category_id, amount in amounts_of(record):
            found[record.spent_on, category_id or UNCATEGORISED, record.currency].append(amount)
    return {key: (sum(amounts), len(amounts)) for key, amounts in found.items()}


def amounts_of(record: ExpenseRecord) -> list[tuple[UUID | None, int]]:
    if record.lines:
        return [(line.category_id, line.amount_minor) for line in record.lines]
    return [(record.category_id, record.amount_minor)]
