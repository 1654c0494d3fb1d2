"""Budgets, their figures and alerts as clients write and read them."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import MAX_PAGE, PLAIN, TEXT, Amount, AmountInput, Currency, amount_text
from core.models import Alert
from core.queries.alerts import AlertState
from core.queries.budgets import BudgetFigures, BudgetRecord
from core.rules.money import format_amount
from core.rules.periods import MAX_EVERY, PeriodKind
from core.rules.thresholds import (
    DEFAULT_THRESHOLDS,
    MAX_THRESHOLD,
    MAX_THRESHOLDS,
    MIN_THRESHOLD,
    BudgetStatus,
    RolloverMode,
    percent_tenths,
)
from core.services.budgets import BudgetChanges, PeriodInput

MAX_BUDGET_CATEGORIES = 100
MAX_HISTORY = 120
"""Ten years of months."""

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN, examples=["Groceries"])]
Threshold = Annotated[int, Meta(ge=MIN_THRESHOLD, le=MAX_THRESHOLD, description="Per cent of the limit.")]
Thresholds = Annotated[list[Threshold], Meta(max_length=MAX_THRESHOLDS)]
Every = Annotated[int, Meta(ge=1, le=MAX_EVERY)]
CategoryIds = Annotated[
    list[UUID], Meta(max_length=MAX_BUDGET_CATEGORIES, description="Empty: all spending.")
]


class PeriodIn(msgspec.Struct, forbid_unknown_fields=True):
    """How the budget's time is cut up: each `every` units from the anchor, to both sides of it."""

    kind: PeriodKind = "monthly"
    every: Every = 1
    anchor: Annotated[date, Meta(description="First day of any period. Default: the calendar's.")] | None = (
        None
    )
    ends_on: Annotated[date, Meta(description="Last day; required for `once`.")] | None = None

    def to_input(self) -> PeriodInput:
        return PeriodInput(kind=self.kind, every=self.every, anchor=self.anchor, ends_on=self.ends_on)


class PeriodPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change; another kind begins with its defaults, whatever was set for the old one."""

    kind: PeriodKind | UnsetType = UNSET
    every: Every | UnsetType = UNSET
    anchor: Annotated[date, Meta(description="null: the calendar's.")] | UnsetType | None = UNSET
    ends_on: Annotated[date, Meta(description="null: no end.")] | UnsetType | None = UNSET

    def to_changes(self) -> dict[str, Any]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}


class BudgetIn(msgspec.Struct, forbid_unknown_fields=True):
    """A budget to set."""

    name: Name
    amount: AmountInput
    currency: Currency | None = None
    period: PeriodIn = msgspec.field(default_factory=PeriodIn)
    category_ids: CategoryIds = []
    thresholds: Thresholds = msgspec.field(default_factory=lambda: list(DEFAULT_THRESHOLDS))
    rollover: RolloverMode = "none"
    pace_alert: bool = False


class BudgetPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. A new amount holds from the running period on."""

    name: Name | UnsetType = UNSET
    amount: AmountInput | UnsetType = UNSET
    period: PeriodPatch | UnsetType = UNSET
    category_ids: CategoryIds | UnsetType = UNSET
    thresholds: Thresholds | UnsetType = UNSET
    rollover: RolloverMode | UnsetType = UNSET
    pace_alert: bool | UnsetType = UNSET

    def to_changes(self) -> BudgetChanges:
        return BudgetChanges(
            name=self.name or None,
            amount=None if isinstance(self.amount, UnsetType) else amount_text(self.amount),
            period=None if isinstance(self.period, UnsetType) else self.period.to_changes(),
            category_ids=None if isinstance(self.category_ids, UnsetType) else self.category_ids,
            thresholds=None if isinstance(self.thresholds, UnsetType) else self.thresholds,
            rollover=self.rollover or None,
            has_pace_alert=None if isinstance(self.pace_alert, UnsetType) else self.pace_alert,
        )


class PeriodOut(msgspec.Struct):
    kind: PeriodKind
    every: int
    anchor: date
    ends_on: date | None


class Unconverted(msgspec.Struct):
    """Spending in another currency, for which there is no rate; it does not count."""

    currency: Currency
    amount: Amount


class FiguresOut(msgspec.Struct):
    """A period of a budget, from `start` up to but without `end`; `limit` includes what rolled over."""

    start: date
    end: date
    limit: Amount
    spent: Amount
    remaining: Amount
    percent: Annotated[float, Meta(description="Of the limit, rounded down; null for a limit of 0.")] | None
    projected: Annotated[Amount, Meta(description="At the period's end, at the pace so far.")]
    status: BudgetStatus
    unconverted: list[Unconverted]

    @classmethod
    def of(cls, figures: BudgetFigures, currency: str) -> "FiguresOut":
        tenths = percent_tenths(figures.spent_minor, figures.limit_minor)
        return cls(
            start=figures.period.start,
            end=figures.period.end,
            limit=format_amount(figures.limit_minor, currency),
            spent=format_amount(figures.spent_minor, currency),
            remaining=format_amount(figures.limit_minor - figures.spent_minor, currency),
            percent=None if tenths is None else tenths / 10,
            projected=format_amount(figures.projected_minor, currency),
            status=figures.status,
            unconverted=[
                Unconverted(code, format_amount(minor, code)) for code, minor in figures.unconverted
            ],
        )


class BudgetOut(msgspec.Struct):
    """A budget with the figures of its current period."""

    id: UUID
    name: str
    amount: Amount
    currency: Currency
    period: PeriodOut
    category_ids: list[UUID]
    thresholds: list[int]
    rollover: RolloverMode
    pace_alert: bool
    current: FiguresOut
    archived_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, budget: BudgetRecord, current: BudgetFigures) -> "BudgetOut":
        rule = budget.rule
        return cls(
            id=budget.id,
            name=budget.name,
            amount=format_amount(current.amount_minor, budget.currency),
            currency=budget.currency,
            period=PeriodOut(rule.kind, rule.every, rule.anchor, rule.ends_on),
            category_ids=list(budget.category_ids),
            thresholds=list(budget.thresholds),
            rollover=budget.rollover,
            pace_alert=budget.has_pace_alert,
            current=FiguresOut.of(current, budget.currency),
            archived_at=budget.archived_at,
            created_at=budget.created_at,
            updated_at=budget.updated_at,
        )


class BudgetPage(msgspec.Struct):
    items: list[BudgetOut]
    next_cursor: str | None


class BudgetQuery(msgspec.Struct, forbid_unknown_fields=True):
    archived: Annotated[bool, Meta(description="The archived ones instead.")] = False
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Meta(max_length=300, pattern=TEXT)] | None = None


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    periods: Annotated[int, Meta(ge=1, le=MAX_HISTORY)] = 12


class History(msgspec.Struct):
    """Past periods, the newest first."""

    items: list[FiguresOut]
    next_cursor: str | None = None


class AlertOut(msgspec.Struct):
    """That a budget crossed a threshold in a period; `spent` and `limit` are of that moment."""

    id: UUID
    budget_id: UUID
    period_start: date
    period_end: date
    threshold: int
    spent: Amount
    limit: Amount
    currency: Currency
    state: AlertState
    created_at: datetime
    resolved_at: datetime | None

    @classmethod
    def of(cls, alert: Alert) -> "AlertOut":
        return cls(
            id=alert.id,
            budget_id=alert.budget_id,
            period_start=alert.period_start,
            period_end=alert.period_end,
            threshold=alert.threshold,
            spent=format_amount(alert.spent_minor, alert.currency),
            limit=format_amount(alert.limit_minor, alert.currency),
            currency=alert.currency,
            state="open" if alert.resolved_at is None else "resolved",
            created_at=alert.created_at,
            resolved_at=alert.resolved_at,
        )


class AlertPage(msgspec.Struct):
    items: list[AlertOut]
    next_cursor: str | None


class AlertQuery(msgspec.Struct, forbid_unknown_fields=True):
    budget_id: UUID | None = None
    state: AlertState | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Meta(max_length=300, pattern=TEXT)] | None = None
