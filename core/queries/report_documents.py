"""The figures of a report, and the JSON document that is kept of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from core.queries.analytics import Group, LargestExpense
from core.queries.budget_figures import BudgetFigures
from core.queries.exchange_rates import Converted
from core.queries.insights import Anomaly
from core.queries.report_groups import GroupStanding
from core.queries.spending_totals import Sum
from core.rules.money import divide_half_up
from core.rules.periods import Period
from core.rules.report_periods import Compared, ReportKind
from core.rules.subscriptions import Cadence

FORMAT = 1
"""Of the document. Who changes the figures' shape counts it up, and has all reports built anew."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A day, week or month by its first day; of a week or month only what is within the report's period."""

    start: date
    minor: int
    count: int


@dataclass(frozen=True, slots=True)
class Named:
    """Parts of the spending by payee or tag, and what is beyond those that are told apart."""

    groups: Sequence[Group]
    rest: Sum


@dataclass(frozen=True, slots=True)
class Comparison:
    """An earlier time beside `own`, the same part of the report's period: all of it unless it is running."""

    days: Compared
    own: Sum
    then: Sum


@dataclass(frozen=True, slots=True)
class KeptBudget:
    """A budget in the period; `kept` and `exceeded` count all of its periods, also those not listed."""

    budget_id: UUID
    name: str
    currency: str
    kept: int
    exceeded: int
    periods: Sequence[BudgetFigures]


@dataclass(frozen=True, slots=True)
class OpenDebt:
    """What the user owed a member of a group when the report was built, or was owed by them."""

    group_id: UUID
    group_name: str
    member_name: str
    currency: str
    amount_minor: int
    is_owed_by_me: bool


@dataclass(frozen=True, slots=True)
class ReportSubscription:
    """A charge that came back within the period, or was still to come, as it was known at its end."""

    payee: str
    currency: str
    cadence: Cadence
    amount_minor: int
    yearly_minor: int
    count: int
    first_on: date
    last_on: date
    next_on: date
    is_ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigures:
    """Minor units of `currency` where nothing else is said. Sums of expenses, `whole` and those of the
    comparisons, count each expense once; its parts count the lines of one that has some.

    `running_on` is the day on which it stood so, while its period was not over.
    """

    kind: ReportKind
    period: Period
    currency: str
    running_on: date | None
    whole: Sum
    daily_minor: int
    comparisons: Sequence[Comparison]
    largest: Sequence[LargestExpense]
    by_category: Sequence[Group]
    over_time: Sequence[Slice]
    by_week: Sequence[Slice]
    by_weekday: Sequence[Group]
    by_payee: Named
    by_tag: Named
    converted: Sequence[Converted]
    unconverted: Mapping[str, Sum]
    budgets: Sequence[KeptBudget]
    groups: Sequence[GroupStanding]
    debts: Sequence[OpenDebt]
    anomalies: Sequence[Anomaly]
    subscriptions: Sequence[ReportSubscription]

    @property
    def average_minor(self) -> int | None:
        """Of an expense; None without any."""
        return divide_half_up(self.whole.minor, self.whole.count) if self.whole.count else None


def figures_document(figures: ReportFigures) -> dict[str, Any]:
    """As it comes back from the database, so that the two can be compared."""
    document: dict[str, Any] = json.loads(msgspec.json.encode(figures))
    return {"format": FORMAT, **document}


def read_figures(document: dict[str, Any] | None) -> ReportFigures | None:
    """None where there are none, or only those of an earlier version of this program."""
    if document is None or document.get("format") != FORMAT:
        return None
    return msgspec.convert(document, ReportFigures)
