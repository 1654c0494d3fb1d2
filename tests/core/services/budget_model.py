"""What budgets should show and tell, worked out anew from the bare expenses by the simplest code there is.

It shares nothing with the product but the words: periods are found by walking a grid, sums by adding up, and
every budget is looked at in every evaluation.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

from dateutil.relativedelta import relativedelta

GRACE = timedelta(days=7)

Span = tuple[date, date]
"""First day, and the day after the last."""

Told = tuple[str, str, date, int | None, int, int]
"""Kind, budget, period start, threshold, spent, limit."""


@dataclass
class ModelBudget:
    name: str
    kind: str
    every: int
    anchor: date
    ends_on: date | None
    thresholds: list[int]
    rollover: str
    categories: set[str]
    has_pace_alert: bool
    starts_on: date
    amounts: dict[date, int] = field(default_factory=dict)
    """By the first day on which they hold."""

    @cached_property
    def grid(self) -> list[Span]:
        if self.kind == "once":
            assert self.ends_on is not None
            return [(self.anchor, self.ends_on + timedelta(days=1))]
        days = {"daily": 1, "weekly": 7}.get(self.kind, 0) * self.every
        months = {"monthly": 1, "quarterly": 3, "yearly": 12}.get(self.kind, 0) * self.every
        steps = range(-60, 150) if self.kind == "daily" else range(-15, 25)
        starts = [self.anchor + relativedelta(days=n * days, months=n * months) for n in steps]
        spans = list(pairwise(starts))
        if self.ends_on is not None:
            after = self.ends_on + timedelta(days=1)
            spans = [(start, min(end, after)) for start, end in spans if start < after]
        return spans

    def amount(self, start: date) -> int:
        return self.amounts[max(day for day in self.amounts if day <= start)]


@dataclass
class ModelExpense:
    day: date
    amount: int
    currency: str
    category: str | None
    is_deleted: bool = False


class Model:
    def __init__(self, parents: dict[str, str | None]) -> None:
        self.parents = parents
        self.budgets: dict[str, ModelBudget] = {}
        self.expenses: list[ModelExpense] = []
        self.open: set[tuple[str, date, int]] = set()
        self.told: Counter[Told] = Counter()
        self.resolved = 0
        self._paced: set[tuple[str, date]] = set()

    def counts(self, budget: ModelBudget, expense: ModelExpense) -> bool:
        if expense.is_deleted:
            return False
        category = expense.category
        labels = set() if category is None else {category, self.parents[category]}
        return not budget.categories or bool(budget.categories & labels)

    def spent(self, budget: ModelBudget, span: Span, currency: str = "EUR") -> int:
        return sum(
            one.amount
            for one in self.expenses
            if self.counts(budget, one) and one.currency == currency and span[0] <= one.day < span[1]
        )

    def limit(self, budget: ModelBudget, span: Span) -> int:
        carried = 0
        chain = [one for one in budget.grid if budget.starts_on < one[1] and one[0] < span[0]]
        for earlier in chain if budget.rollover != "none" else []:
            left = budget.amount(earlier[0]) + carried - self.spent(budget, earlier)
            carried = max(left, 0) if budget.rollover == "surplus" else left
        return budget.amount(span[0]) + carried

    def projected(self, budget: ModelBudget, span: Span, today: date) -> int:
        if not span[0] <= today < span[1]:
            return self.spent(budget, span)
        tomorrow = today + timedelta(days=1)
        to_date = self.spent(budget, (span[0], tomorrow))
        exact = Fraction(to_date * (span[1] - span[0]).days, (tomorrow - span[0]).days)
        rounded = int(abs(exact) + Fraction(1, 2)) * (-1 if exact < 0 else 1)
        return rounded + self.spent(budget, (tomorrow, span[1]))

    def evaluate(self, today: date, asked_on: date, touched_from: date) -> None:
        """Look at all periods; only the pace, which time alone may change, is left as it was where none of a
        period's days from `touched_from` on is touched.
        """
        for name, budget in self.budgets.items():
            for span in budget.grid:
                may_open = span[0] <= today and span[1] > max(asked_on - GRACE, budget.starts_on)
                if not may_open and not any(key[:2] == (name, span[0]) for key in self.open):
                    continue
                spent, limit = self.spent(budget, span), self.limit(budget, span)
                for threshold in budget.thresholds:
                    key = (name, span[0], threshold)
                    is_crossed = spent > 0 and Fraction(spent) >= Fraction(limit * threshold, 100)
                    if key in self.open and not is_crossed:
                        self.open.remove(key)
                        self.resolved += 1
                        self.told["budget.recovered", name, span[0], threshold, spent, limit] += 1
                    elif key not in self.open and is_crossed and may_open:
                        self.open.add(key)
                        self.told["budget.threshold", name, span[0], threshold, spent, limit] += 1
                if span[1] > touched_from:
                    self._pace(budget, span, today, spent, limit)

    def _pace(self, budget: ModelBudget, span: Span, today: date, spent: int, limit: int) -> None:
        key = (budget.name, span[0])
        if not budget.has_pace_alert or key in self._paced or not span[0] <= today < span[1]:
            return
        if span[1] > budget.starts_on and self.projected(budget, span, today) > limit:
            self._paced.add(key)
            self.told["budget.projected", budget.name, span[0], None, spent, limit] += 1
