"""Budgets, their figures and alerts as clients write and read them."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.budget_fields import (
    AmountOf,
    CategoryIds,
    End,
    Limited,
    Name,
    PaceAlert,
    Rollover,
    Spent,
    Start,
    State,
    Status,
    Threshold,
    Thresholds,
)
from api.schemas.common import (
    Amount,
    Currency,
    Cursor,
    Id,
    Instant,
    Limit,
    NextCursor,
    OnlyPage,
    amount_text,
)
from api.schemas.exchange_rates import ConvertedOut, Unconverted
from api.schemas.periods import PeriodIn, PeriodOut, PeriodPatch
from core.models import Alert
from core.queries.budget_figures import BudgetFigures
from core.queries.budgets import BudgetRecord
from core.rules.money import format_amount
from core.rules.thresholds import DEFAULT_THRESHOLDS, percent_tenths
from core.services.budgets import BudgetChanges

MAX_HISTORY = 120
"""Ten years of months."""


class BudgetIn(msgspec.Struct, forbid_unknown_fields=True):
    """A budget to set."""

    name: Name
    amount: AmountOf
    currency: Annotated[Currency, Meta(description="Default: the user's.")] | None = None
    period: PeriodIn = msgspec.field(default_factory=PeriodIn)
    category_ids: CategoryIds = []
    thresholds: Thresholds = msgspec.field(default_factory=lambda: list(DEFAULT_THRESHOLDS))
    rollover: Rollover = "none"
    pace_alert: PaceAlert = False


class BudgetPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. A new amount holds from the running period on."""

    name: Name | UnsetType = UNSET
    amount: AmountOf | UnsetType = UNSET
    period: PeriodPatch | UnsetType = UNSET
    category_ids: CategoryIds | UnsetType = UNSET
    thresholds: Thresholds | UnsetType = UNSET
    rollover: Rollover | UnsetType = UNSET
    pace_alert: PaceAlert | UnsetType = UNSET

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


class FiguresOut(msgspec.Struct):
    """A period of a budget, from `start` up to but without `end`."""

    start: Start
    end: End
    limit: Annotated[Limited, Meta(description="The amount with what rolled over.")]
    spent: Spent
    remaining: Annotated[Amount, Meta(description="Negative when overspent.", examples=["75.90"])]
    percent: (
        Annotated[
            float,
            Meta(description="Of the limit, rounded down; null if that is not positive.", examples=[81.0]),
        ]
        | None
    )
    projected: Annotated[
        Amount, Meta(description="At the period's end, at the pace so far.", examples=["1004.71"])
    ]
    status: Status
    converted: Annotated[list[ConvertedOut], Meta(description="Within `spent`.")]
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
            converted=[ConvertedOut.of(one, currency) for one in figures.converted],
            unconverted=[
                Unconverted(code, format_amount(minor, code)) for code, minor in figures.unconverted
            ],
        )


class BudgetOut(msgspec.Struct):
    """A budget with the figures of its current period."""

    HAS_ETAG: ClassVar = True

    id: Id
    name: Name
    amount: Limited
    currency: Currency
    period: PeriodOut
    category_ids: CategoryIds
    thresholds: Thresholds
    rollover: Rollover
    pace_alert: PaceAlert
    current: FiguresOut
    archived_at: Annotated[Instant | None, Meta(description="Set while out of use.", examples=[None])]
    created_at: Instant
    updated_at: Instant

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
    next_cursor: NextCursor


class BudgetQuery(msgspec.Struct, forbid_unknown_fields=True):
    archived: Annotated[bool, Meta(description="The archived ones instead.")] = False
    limit: Limit = 50
    cursor: Cursor | None = None


class HistoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    periods: Annotated[int, Meta(ge=1, le=MAX_HISTORY, description="How many at most.")] = 12


class History(msgspec.Struct):
    """Past periods, the newest first."""

    items: list[FiguresOut]
    next_cursor: OnlyPage = None


class AlertOut(msgspec.Struct):
    """That a budget crossed a threshold in a period; `spent` and `limit` are of that moment."""

    id: Id
    budget_id: Id
    period_start: Start
    period_end: End
    threshold: Threshold
    spent: Spent
    limit: Limited
    currency: Currency
    state: State
    created_at: Instant
    resolved_at: Annotated[Instant | None, Meta(description="null while open.", examples=[None])]

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
    next_cursor: NextCursor


class AlertQuery(msgspec.Struct, forbid_unknown_fields=True):
    budget_id: Id | None = None
    state: State | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
