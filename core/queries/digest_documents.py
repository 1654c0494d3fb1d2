"""What a digest tells, as it is computed and as it is kept in its row."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import msgspec

from core.logging import get_logger
from core.queries.analytics import LargestExpense
from core.queries.insights import Anomaly
from core.queries.report_documents import OpenDebt, Slice
from core.queries.spending_totals import Sum
from core.rules.digests import Frequency
from core.rules.periods import Period
from core.rules.thresholds import BudgetStatus

log = get_logger(__name__)

MAX_COUNTED = 200
"""Of what is due or awaits its amount, beyond what is told; there may be more than these."""

FORMAT = 1
"""Of the kept documents; one of another format is shown no more."""


@dataclass(frozen=True, slots=True)
class DigestCategory:
    """What was spent in a category, and in the period before."""

    label: str
    minor: int
    before_minor: int


@dataclass(frozen=True, slots=True)
class DigestBudget:
    """A budget in its period of the last day that is told, in minor units of its own currency."""

    name: str
    currency: str
    period: Period
    limit_minor: int
    spent_minor: int
    projected_minor: int
    status: BudgetStatus


@dataclass(frozen=True, slots=True)
class DueExpense:
    """An occurrence of a recurring expense; of a variable one the amount is what is expected."""

    payee: str | None
    due_on: date
    amount_minor: int
    currency: str
    is_variable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFigures:
    """Minor units of `currency` where nothing else is said; sums are those of analytics.

    `categories` are those with the largest amounts, `rest` is that of all others. `upcoming` are the expenses
    of the days from the period's end up to `upcoming_until`, itself excluded, `awaiting` those that were due
    and are recorded only once somebody has given their amount. `more_…` is how many there are
    beyond those that are told.
    """

    frequency: Frequency
    period: Period
    currency: str
    whole: Sum
    before: Sum
    before_period: Period
    by_day: Sequence[Slice]
    categories: Sequence[DigestCategory]
    rest: DigestCategory | None
    largest: Sequence[LargestExpense]
    unconverted: Mapping[str, Sum]
    before_unconverted: Mapping[str, Sum] = field(default_factory=dict)
    budgets_exceeded: int = 0
    budgets: Sequence[DigestBudget]
    more_budgets: int = 0
    debts: Sequence[OpenDebt]
    more_debts: int = 0
    awaiting: Sequence[DueExpense] = ()
    more_awaiting: int = 0
    upcoming: Sequence[DueExpense]
    more_upcoming: int = 0
    upcoming_until: date
    anomalies: Sequence[Anomaly]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to say."""
        return not (
            self.whole.count
            or self.unconverted
            or self.debts
            or self.awaiting
            or self.upcoming
            or any(budget.status != "ok" for budget in self.budgets)
        )


def digest_document(figures: DigestFigures) -> dict[str, Any]:
    """As it comes back from the database."""
    document: dict[str, Any] = json.loads(msgspec.json.encode(figures))
    return {"format": FORMAT, **document}


def read_digest(document: Mapping[str, Any] | None) -> DigestFigures | None:
    """None where there is none, or only one of an earlier version of this program."""
    if document is None or document.get("format") != FORMAT:
        return None
    try:
        return msgspec.convert(document, DigestFigures)
    except msgspec.ValidationError:
        # Its form has changed without its number: that costs one digest, and not the page that lists it.
        log.exception("digest.unreadable")
        return None
