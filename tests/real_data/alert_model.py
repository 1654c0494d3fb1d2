"""What monthly budgets over all spending should tell, one a currency, with nothing of the product's code."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from tests.real_data.files import Cost

THRESHOLDS = (80, 100)

GRACE = timedelta(days=7)
"""A month speaks up for this long after its end."""


@dataclass(frozen=True, slots=True, order=True)
class Message:
    told_on: date
    kind: str
    currency: str
    month: str
    threshold: int
    spent: int
    limit: int


@dataclass(frozen=True, slots=True)
class ModelAlert:
    currency: str
    month: str
    threshold: int
    spent: int
    limit: int
    opened_on: date
    resolved_on: date | None = None


class AlertModel:
    """Looks at every month of every budget each time."""

    def __init__(self, limits: Mapping[str, int], starts_on: date) -> None:
        self.limits = limits
        self.starts_on = starts_on
        self.spent: Counter[tuple[str, str]] = Counter()
        self.messages: list[Message] = []
        self.resolved: list[ModelAlert] = []
        self.open: dict[tuple[str, str, int], ModelAlert] = {}

    @property
    def alerts(self) -> list[ModelAlert]:
        return [*self.resolved, *self.open.values()]

    def spend(self, cost: Cost) -> None:
        self.spent[cost.currency, cost.month] += cost.minor

    def evaluate(self, today: date) -> None:
        """What is told at the end of a day on which something was written, or on which a month began."""
        for (currency, month), spent in self.spent.items():
            for threshold in THRESHOLDS:
                limit = self.limits[currency]
                key = (currency, month, threshold)
                is_crossed = spent > 0 and spent * 100 >= limit * threshold
                if key in self.open and not is_crossed:
                    self.resolved.append(replace(self.open.pop(key), resolved_on=today))
                    self.messages.append(Message(today, "budget.recovered", *key, spent, limit))
                elif key not in self.open and is_crossed and self._may_open(month, today):
                    self.open[key] = ModelAlert(*key, spent, limit, opened_on=today)
                    self.messages.append(Message(today, "budget.threshold", *key, spent, limit))

    def _may_open(self, month: str, today: date) -> bool:
        start = date.fromisoformat(f"{month}-01")
        end = month_after(start)
        return start <= today and end > today - GRACE and end > self.starts_on


def month_after(start: date) -> date:
    """The first day of the month that follows the one that begins on this day."""
    return (start + timedelta(days=31)).replace(day=1)
