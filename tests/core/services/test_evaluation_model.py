"""Random budgets and expenses: what is stored, shown and told is what a simple model says."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.queries.invariants import spending_differences
from core.rules.money import format_amount, parse_amount
from tests.core.services.budget_model import Model, ModelBudget, ModelExpense, Told
from tests.core.services.spender import PARENTS, Spender

FIRST_DAY = date(2026, 2, 20)

EXAMPLES = {"postgresql": 12, "sqlite": 30}

Operation = tuple[Any, ...]

amounts = st.integers(-2_000, 9_000)
offsets = st.integers(-25, 12)
labels = st.sampled_from([*PARENTS, None])
currencies = st.sampled_from(["EUR", "EUR", "EUR", "USD"])
which = st.integers(0, 30)

budgets = st.tuples(
    st.just("budget"),
    st.sampled_from(["daily", "weekly", "monthly", "quarterly", "yearly", "once"]),
    st.integers(1, 3),
    st.integers(-40, 20),  # the anchor's distance from today
    st.one_of(st.none(), st.integers(0, 40)),  # days from the anchor to the end
    st.integers(0, 20_000),
    st.lists(st.sampled_from([1, 50, 80, 100, 150]), max_size=3, unique=True),
    st.sampled_from(["none", "surplus", "both"]),
    st.sets(st.sampled_from(sorted(PARENTS)), max_size=2),
    st.booleans(),
)
operations = st.one_of(
    budgets,
    st.tuples(st.just("spend"), amounts, offsets, labels, currencies),
    st.tuples(st.just("spend"), amounts, offsets, labels, currencies),
    st.tuples(st.just("revise"), which, amounts, offsets, labels),
    st.tuples(st.just("delete or restore"), which),
    st.tuples(st.just("amount"), which, st.integers(0, 20_000)),
    st.tuples(st.just("thresholds"), which, st.lists(st.sampled_from([50, 80, 100]), unique=True)),
    st.tuples(st.just("evaluate")),
    st.tuples(st.just("wait"), st.integers(1, 3)),
)
histories = st.tuples(st.lists(budgets, min_size=1, max_size=2), st.lists(operations, max_size=20))


def test_alerts_messages_and_figures_are_what_a_simple_model_says(database: Database) -> None:
    @settings(
        max_examples=EXAMPLES[database.dialect],
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(histories)
    def follow(history: tuple[list[Operation], list[Operation]]) -> None:
        with time_machine.travel(_noon(FIRST_DAY), tick=False) as traveller:
            Comparison(database, traveller).follow([*history[0], *history[1]])

    follow()


class Comparison:
    """Does everything twice: with the product and with the model."""

    def __init__(self, database: Database, traveller: time_machine.Traveller) -> None:
        self.me = Spender(database)
        self.model = Model(dict(PARENTS))
        self.today = FIRST_DAY
        self._traveller = traveller
        self._asked_on: date | None = None
        self._touched_from = date.max
        self._ids: dict[str, UUID] = {}
        self._expense_ids: list[UUID] = []

    def follow(self, operations: list[Operation]) -> None:
        for operation in operations:
            getattr(self, operation[0].replace(" ", "_"))(*operation[1:])
        self.wait(1)
        self._compare_figures()

    def budget(
        self,
        kind: str,
        every: int,
        anchor: int,
        days: int | None,
        amount: int,
        thresholds: list[int],
        rollover: str,
        categories: set[str],
        has_pace_alert: bool,
    ) -> None:
        if len(self._ids) == 4:
            return
        every = 1 if kind == "once" else every
        starts = self.today + timedelta(days=anchor)
        ends_on = starts + timedelta(days=days or 0) if days is not None or kind == "once" else None
        name = f"budget {len(self._ids)}"
        self._ids[name] = self.me.budget(
            _text(amount), kind=kind, every=every, anchor=starts, ends_on=ends_on, name=name,
            thresholds=thresholds, rollover=rollover, categories=sorted(categories),
            has_pace_alert=has_pace_alert,
        )  # fmt: skip
        self.model.budgets[name] = ModelBudget(
            name, kind, every, starts, ends_on, thresholds, rollover, categories, has_pace_alert,
            starts_on=self.today, amounts={date.min: amount},
        )  # fmt: skip
        self._ask()

    def spend(self, amount: int, offset: int, category: str | None, currency: str) -> None:
        day = self.today + timedelta(days=offset)
        fields = {"category": category, "currency": currency}
        self._expense_ids.append(self.me.spend(_text(amount), day, **fields))
        self.model.expenses.append(ModelExpense(day, amount, currency, category))
        self._ask(day)

    def revise(self, number: int, amount: int, offset: int, category: str | None) -> None:
        expense_id, expense = self._pick(number)
        if expense is None or expense_id is None or expense.is_deleted:
            return
        self._ask(expense.day)
        expense.day, expense.amount = self.today + timedelta(days=offset), amount
        changes: dict[str, Any] = {"amount": _text(amount), "spent_on": expense.day}
        if category is not None:
            expense.category = changes["category"] = category
        self.me.revise(expense_id, **changes)
        self._ask(expense.day)

    def delete_or_restore(self, number: int) -> None:
        expense_id, expense = self._pick(number)
        if expense is None or expense_id is None:
            return
        (self.me.restore if expense.is_deleted else self.me.delete)(expense_id)
        expense.is_deleted = not expense.is_deleted
        self._ask(expense.day)

    def amount(self, number: int, amount: int) -> None:
        name = f"budget {number % len(self._ids)}"
        budget = self.model.budgets[name]
        shown = self.me.current(self._ids[name]).period
        self.me.change(self._ids[name], amount=_text(amount))
        budget.amounts = {day: old for day, old in budget.amounts.items() if day < shown.start}
        budget.amounts[shown.start] = amount
        self._ask()

    def thresholds(self, number: int, thresholds: list[int]) -> None:
        name = f"budget {number % len(self._ids)}"
        self.me.change(self._ids[name], thresholds=thresholds)
        self.model.budgets[name].thresholds = thresholds
        gone = {key for key in self.model.open if key[0] == name and key[2] not in thresholds}
        self.model.open -= gone
        self.model.resolved += len(gone)
        # What is removed and added again before anybody looked has never been away.
        self._ask()
        self.evaluate()

    def evaluate(self) -> None:
        self.me.settle()
        self._evaluate_model()
        self._compare()

    def wait(self, days: int) -> None:
        """Let days go by, a tick each, after which nothing is left to be evaluated."""
        for _ in range(days):
            yesterday, self.today = self.today, self.today + timedelta(days=1)
            self._traveller.move_to(_noon(self.today))
            if self.me.tick():
                self._ask(yesterday)
            self._evaluate_model()
        self._compare()

    def _evaluate_model(self) -> None:
        self.model.evaluate(self.today, self._asked_on or self.today, self._touched_from)
        self._asked_on, self._touched_from = None, date.max

    def _ask(self, touched: date = date.min) -> None:
        self._asked_on = min(self._asked_on or self.today, self.today)
        self._touched_from = min(self._touched_from, touched)

    def _pick(self, number: int) -> tuple[UUID | None, ModelExpense | None]:
        if number >= len(self._expense_ids):
            return None, None
        return self._expense_ids[number], self.model.expenses[number]

    def _compare(self) -> None:
        alerts = self.me.alerts()
        names = {budget_id: name for name, budget_id in self._ids.items()}
        is_open = [alert for alert in alerts if alert.resolved_at is None]
        assert {(names[a.budget_id], a.period_start, a.threshold) for a in is_open} == self.model.open
        assert len(is_open) == len(self.model.open)
        assert len(alerts) - len(is_open) == self.model.resolved
        assert Counter(_told(*message) for message in self.me.messages()) == self.model.told

    def _compare_figures(self) -> None:
        opened = sum(n for told, n in self.model.told.items() if told[0] == "budget.threshold")
        assert len(self.me.alerts()) == opened
        for name, budget_id in self._ids.items():
            budget = self.model.budgets[name]
            spans = {span[0]: span for span in budget.grid}
            for shown in (self.me.current(budget_id), *self.me.past(budget_id, 6)):
                span = spans[shown.period.start]
                assert shown.period.end == span[1]
                assert shown.amount_minor == budget.amount(span[0])
                assert shown.limit_minor == self.model.limit(budget, span)
                assert shown.spent_minor == self.model.spent(budget, span)
                assert shown.projected_minor == self.model.projected(budget, span, self.today)
                assert dict(shown.unconverted).get("USD", 0) == self.model.spent(budget, span, "USD")
        with self.me.database.reading() as session:
            assert spending_differences(session, user_id=self.me.id) == []


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _text(minor: int) -> str:
    return format_amount(minor, "EUR")


def _told(kind: str, data: dict[str, Any]) -> Told:
    start = date.fromisoformat(data["period_start"])
    spent, limit = (parse_amount(data[name], "EUR") for name in ("spent", "limit"))
    return kind, data["budget_name"], start, data.get("threshold"), spent, limit
