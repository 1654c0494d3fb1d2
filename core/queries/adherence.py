"""How budgets were kept, period by period."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from core.database import Reader
from core.queries.budget_figures import BudgetFigures, figures_between
from core.queries.budgets import BudgetRecord, list_budgets


@dataclass(frozen=True, slots=True)
class Adherence:
    """A budget and those of its periods that have a day in a range and have begun, the oldest first."""

    budget: BudgetRecord
    periods: Sequence[BudgetFigures]

    @property
    def exceeded(self) -> int:
        """How many periods ended, or stand, beyond their limit."""
        return sum(one.status == "exceeded" for one in self.periods)

    @property
    def kept(self) -> int:
        return len(self.periods) - self.exceeded


def adherence(
    session: Reader, *, user_id: UUID, first_day: date, last_day: date, today: date
) -> list[Adherence]:
    """Of each budget in use, the oldest first; the range includes both days."""
    budgets = list_budgets(session, user_id=user_id, is_archived=False)
    figures = figures_between(session, budgets, first_day=first_day, last_day=last_day, today=today)
    return [Adherence(budget, its) for budget, its in zip(budgets, figures, strict=True)]
