"""What debts come from, down to the odd cent."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import Meta

from api.schemas.common import Amount, Day, Id, Instant
from core.queries.debts import Debt
from core.queries.explanations import ExpensePart, ExplainedPosting
from core.queries.ledger import SourceKind
from core.rules.money import divide_half_up, format_amount, scale
from core.rules.splits import fair_shares
from core.services.group_splits import split_of

FAIR_DECIMALS = 6
"""More than the currency has: enough to see to whom the odd cent went, and why."""

Signed = Annotated[Amount, Meta(description="Positive: is owed; negative: owes.", examples=["-12.34"])]


class ExpensePartOut(msgspec.Struct):
    """How an expense was divided for the debtor: what they paid less their share is what it adds."""

    amount: Annotated[Amount, Meta(description="Of the whole expense.", examples=["10.00"])]
    paid: Annotated[Amount, Meta(examples=["0.00"])]
    share: Annotated[Amount, Meta(examples=["3.34"])]
    fair_share: Annotated[
        Amount,
        Meta(
            description="Before rounding, with up to six more decimals: how far the share is from it is the "
            "odd unit.",
            examples=["3.33333333"],
        ),
    ]

    @classmethod
    def of(cls, part: ExpensePart, member_id: UUID, fair: Mapping[UUID, Fraction]) -> "ExpensePartOut":
        return cls(
            format_amount(part.amount_minor, part.currency),
            format_amount(part.paid_minor, part.currency),
            format_amount(part.share_minor, part.currency),
            fair_text(fair.get(member_id, Fraction(0)), part.currency),
        )


class PostingOut(msgspec.Struct):
    """A movement on the debtor's balance; negative: they owe more by it."""

    source: Annotated[
        SourceKind,
        Meta(
            description="`departure`: when a member left who was even, those who owed them came to owe those "
            "whom they owed; `source_id` is that member.",
            examples=["expense"],
        ),
    ]
    source_id: Id
    description: Annotated[str | None, Meta(examples=["Dinner"])]
    on: Annotated[Day, Meta(description="When it was spent or paid; when the member left, in UTC.")]
    counterparty_id: Annotated[Id, Meta(description="The member on the other side.")]
    amount: Signed
    is_reversal: Annotated[bool, Meta(description="Takes an earlier one back.", examples=[False])]
    created_at: Instant
    expense: Annotated[
        ExpensePartOut | None,
        Meta(
            description="null for settlements and departures, and for what was taken back or is being split "
            "anew."
        ),
    ]

    @classmethod
    def of(cls, posting: ExplainedPosting, debt: Debt, fair_shares: "FairShares") -> "PostingOut":
        part = posting.part
        return cls(
            source=posting.source,
            source_id=posting.source_id,
            description=posting.description,
            on=posting.on,
            counterparty_id=posting.counterparty_id,
            amount=format_amount(posting.amount_minor, debt.currency),
            is_reversal=posting.is_reversal,
            created_at=posting.created_at,
            expense=None
            if part is None
            else ExpensePartOut.of(part, debt.from_id, fair_shares.of(posting.source_id, part)),
        )


class FairShares:
    """Of the expenses of one answer: one with many members stands behind many debts."""

    def __init__(self) -> None:
        self._known: dict[UUID, Mapping[UUID, Fraction]] = {}

    def of(self, expense_id: UUID, part: ExpensePart) -> Mapping[UUID, Fraction]:
        if expense_id not in self._known:
            split = split_of(part.split, currency=part.currency)
            self._known[expense_id] = fair_shares(split, part.amount_minor)
        return self._known[expense_id]


class EarlierOut(msgspec.Struct):
    """The postings before those that are listed."""

    count: Annotated[int, Meta(examples=[250])]
    amount: Signed


def fair_text(minor: Fraction, currency: str) -> str:
    """A part of a minor unit too, rounded only beyond `FAIR_DECIMALS`; without needless zeros."""
    scaled = divide_half_up(minor.numerator * 10**FAIR_DECIMALS, minor.denominator)
    decimals = scale(currency) + FAIR_DECIMALS
    whole, fraction = divmod(abs(scaled), 10**decimals)
    digits = f"{fraction:0{decimals}d}".rstrip("0").ljust(scale(currency), "0")
    return f"{'-' if scaled < 0 else ''}{whole}{'.' if digits else ''}{digits}"
