"""A digest as clients read it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.common import Amount, Currency, Cursor, Day, Id, Instant, Limit, NextCursor
from core.queries.digest_documents import MAX_COUNTED, DigestCategory, DigestFigures, DueExpense
from core.queries.digests import DigestRecord
from core.queries.report_documents import OpenDebt
from core.queries.spending_totals import Sum
from core.rules.digests import Frequency
from core.rules.money import format_amount
from core.rules.thresholds import BudgetStatus, percent_tenths

Label = Annotated[str, Meta(examples=["Food / Groceries"])]
Payee = Annotated[str | None, Meta(examples=["Corner Bakery"])]
More = Annotated[int, Meta(description="How many there are beyond those that are told.", examples=[0])]
MoreDue = Annotated[
    int,
    Meta(
        description=f"How many there are beyond those that are told; {MAX_COUNTED} stands for more as well.",
        examples=[0],
    ),
]


class DigestListQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


class PreviewQuery(msgspec.Struct, forbid_unknown_fields=True):
    frequency: Annotated[Frequency, Meta(description="Whose digest to show.")] = "weekly"
    on: Annotated[Day, Meta(description="The user's day on which it would come; default: today.")] | None = (
        None
    )


class DigestCategoryOut(msgspec.Struct):
    label: Label
    amount: Amount
    before: Annotated[Amount, Meta(description="In the period before.", examples=["10.00"])]


class DigestDay(msgspec.Struct):
    day: Day
    amount: Amount


class DigestExpense(msgspec.Struct):
    expense_id: Id
    payee: Payee
    spent_on: Day
    amount: Amount
    currency: Currency


class DigestAnomaly(msgspec.Struct):
    """An expense far above what is usual in its category."""

    expense_id: Id
    payee: Payee
    spent_on: Day
    amount: Amount
    usual: Annotated[Amount, Meta(examples=["4.10"])]
    currency: Currency


class DigestBudgetOut(msgspec.Struct):
    """A budget in its period of the last day that the digest tells of."""

    name: Annotated[str, Meta(examples=["Groceries"])]
    currency: Currency
    start: Day
    end: Annotated[Day, Meta(description="The first day after it.", examples=["2026-06-01"])]
    limit: Annotated[Amount, Meta(examples=["400.00"])]
    spent: Annotated[Amount, Meta(examples=["324.10"])]
    projected: Annotated[Amount, Meta(examples=["410.00"])]
    percent: Annotated[float | None, Meta(examples=[81.0])]
    status: Annotated[BudgetStatus, Meta(examples=["warning"])]


class DigestDebt(msgspec.Struct):
    group_name: Annotated[str, Meta(examples=["Flat"])]
    member_name: Annotated[str, Meta(examples=["Lee"])]
    currency: Currency
    amount: Amount


class DigestDue(msgspec.Struct):
    """An occurrence of a recurring expense."""

    payee: Payee
    due_on: Day
    amount: Amount
    currency: Currency
    is_variable: Annotated[bool, Meta(description="The amount is only what is expected.", examples=[True])]


class DigestUnconverted(msgspec.Struct):
    currency: Currency
    amount: Amount


class DigestFiguresOut(msgspec.Struct):
    """What a digest tells; amounts without a currency of their own are in `currency`."""

    frequency: Frequency
    period_start: Day
    period_end: Annotated[Day, Meta(description="The first day after it.", examples=["2026-05-17"])]
    currency: Currency
    spent: Amount
    count: Annotated[int, Meta(description="Expenses.", examples=[7])]
    spent_before: Annotated[Amount, Meta(description="In the period before.", examples=["10.00"])]
    by_category: Annotated[
        list[DigestCategoryOut], Meta(description="The largest first, and last all others as one.")
    ]
    by_day: list[DigestDay]
    largest: list[DigestExpense]
    unconverted: Annotated[
        list[DigestUnconverted], Meta(description="Spent in other currencies on days without a rate.")
    ]
    unconverted_before: Annotated[
        list[DigestUnconverted], Meta(description="The same of the period before; not in `spent_before`.")
    ]
    budgets: list[DigestBudgetOut]
    more_budgets: More
    owed_by_me: list[DigestDebt]
    owed_to_me: list[DigestDebt]
    more_debts: More
    awaiting: Annotated[
        list[DigestDue], Meta(description="What was due and is recorded once its amount is confirmed.")
    ]
    more_awaiting: MoreDue
    upcoming: list[DigestDue]
    more_upcoming: MoreDue
    upcoming_until: Annotated[Day, Meta(description="The first day after those of `upcoming`.")]
    anomalies: list[DigestAnomaly]

    @classmethod
    def of(cls, figures: DigestFigures) -> "DigestFiguresOut":
        code = figures.currency
        return cls(
            frequency=figures.frequency,
            period_start=figures.period.start,
            period_end=figures.period.end,
            currency=code,
            spent=format_amount(figures.whole.minor, code),
            count=figures.whole.count,
            spent_before=format_amount(figures.before.minor, code),
            by_category=[_category(one, code) for one in (*figures.categories, figures.rest) if one],
            by_day=[DigestDay(one.start, format_amount(one.minor, code)) for one in figures.by_day],
            largest=[
                DigestExpense(
                    one.id,
                    one.payee,
                    one.spent_on,
                    format_amount(one.amount_minor, one.currency),
                    one.currency,
                )
                for one in figures.largest
            ],
            unconverted=_unconverted(figures.unconverted),
            unconverted_before=_unconverted(figures.before_unconverted),
            budgets=_budgets(figures),
            more_budgets=figures.more_budgets,
            owed_by_me=_debts(figures.debts, is_owed_by_me=True),
            owed_to_me=_debts(figures.debts, is_owed_by_me=False),
            more_debts=figures.more_debts,
            awaiting=_due(figures.awaiting),
            more_awaiting=figures.more_awaiting,
            upcoming=_due(figures.upcoming),
            more_upcoming=figures.more_upcoming,
            upcoming_until=figures.upcoming_until,
            anomalies=_anomalies(figures),
        )


class DigestOut(msgspec.Struct):
    """A digest that was sent; `figures` is null if it is too old to be shown."""

    id: Id
    created_at: Instant
    frequency: Frequency
    period_start: Day
    period_end: Annotated[Day, Meta(description="The first day after it.", examples=["2026-05-17"])]
    figures: DigestFiguresOut | None

    @classmethod
    def of(cls, digest: DigestRecord) -> "DigestOut":
        return cls(
            digest.id,
            digest.created_at,
            digest.frequency,
            digest.period.start,
            digest.period.end,
            None if digest.figures is None else DigestFiguresOut.of(digest.figures),
        )


class DigestPage(msgspec.Struct):
    items: list[DigestOut]
    next_cursor: NextCursor


class DigestPosition(msgspec.Struct, array_like=True):
    """Behind which one the next page begins."""

    end: date
    id: Id


def _category(one: DigestCategory, currency: str) -> DigestCategoryOut:
    return DigestCategoryOut(
        one.label, format_amount(one.minor, currency), format_amount(one.before_minor, currency)
    )


def _unconverted(by_currency: Mapping[str, Sum]) -> list[DigestUnconverted]:
    return [
        DigestUnconverted(code, format_amount(one.minor, code)) for code, one in sorted(by_currency.items())
    ]


def _budgets(figures: DigestFigures) -> list[DigestBudgetOut]:
    found = []
    for one in figures.budgets:
        tenths = percent_tenths(one.spent_minor, one.limit_minor)
        found.append(
            DigestBudgetOut(
                name=one.name,
                currency=one.currency,
                start=one.period.start,
                end=one.period.end,
                limit=format_amount(one.limit_minor, one.currency),
                spent=format_amount(one.spent_minor, one.currency),
                projected=format_amount(one.projected_minor, one.currency),
                percent=None if tenths is None else tenths / 10,
                status=one.status,
            )
        )
    return found


def _debts(debts: Sequence[OpenDebt], *, is_owed_by_me: bool) -> list[DigestDebt]:
    return [
        DigestDebt(
            one.group_name, one.member_name, one.currency, format_amount(one.amount_minor, one.currency)
        )
        for one in debts
        if one.is_owed_by_me == is_owed_by_me
    ]


def _due(expenses: Sequence[DueExpense]) -> list[DigestDue]:
    return [
        DigestDue(
            one.payee,
            one.due_on,
            format_amount(one.amount_minor, one.currency),
            one.currency,
            one.is_variable,
        )
        for one in expenses
    ]


def _anomalies(figures: DigestFigures) -> list[DigestAnomaly]:
    return [
        DigestAnomaly(
            one.expense_id,
            one.payee,
            one.spent_on,
            format_amount(one.amount_minor, one.currency),
            format_amount(one.usual_minor, one.currency),
            one.currency,
        )
        for one in figures.anomalies
    ]
