"""Expenses of groups as clients write and read them."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import (
    PLAIN,
    TEXT,
    Amount,
    AmountInput,
    Currency,
    Cursor,
    Day,
    Id,
    Instant,
    Limit,
    NextCursor,
    amount_text,
)
from api.schemas.splits import SplitIn, split_document
from core.queries.group_expenses import GroupExpenseRecord
from core.queries.groups import MAX_MEMBERS
from core.rules.money import format_amount
from core.services.group_expense_drafts import GroupExpenseInput, PaymentInput

Description = Annotated[str, Meta(min_length=1, max_length=200, pattern=PLAIN, examples=["Dinner"])]
CategoryName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="By name, as each member has categories of their own.",
        examples=["Eating out"],
    ),
]
Note = Annotated[str, Meta(max_length=2_000, pattern=TEXT, examples=["With Grace"])]
State = Annotated[
    Literal["pending", "split"],
    Meta(description="`pending` until it is in the members' balances.", examples=["split"]),
]


class PaymentIn(msgspec.Struct, forbid_unknown_fields=True):
    member_id: Id
    amount: AmountInput

    def to_input(self) -> PaymentInput:
        return PaymentInput(self.member_id, amount_text(self.amount))


Payments = Annotated[
    list[PaymentIn],
    Meta(max_length=MAX_MEMBERS, description="Who paid how much. Empty: the caller all.", examples=[[]]),
]


class GroupExpenseIn(msgspec.Struct, forbid_unknown_fields=True):
    """An expense of a group; a negative amount is a refund."""

    amount: AmountInput
    description: Description
    currency: Annotated[Currency, Meta(description="Default: the group's.")] | None = None
    category: CategoryName | None = None
    note: Note | None = None
    spent_on: Annotated[Day, Meta(description="Default: today in the caller's time zone.")] | None = None
    paid_by: Payments = []
    split: SplitIn | None = None

    def to_input(self) -> GroupExpenseInput:
        return GroupExpenseInput(
            amount=amount_text(self.amount),
            description=self.description,
            currency=self.currency,
            category=self.category,
            note=self.note,
            spent_on=self.spent_on,
            paid_by=tuple(payment.to_input() for payment in self.paid_by),
            split=None if self.split is None else split_document(self.split),
        )


class GroupExpensePatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change. A new amount alone is paid and divided as the old one was, if that is possible."""

    amount: AmountInput | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    category: CategoryName | UnsetType | None = UNSET
    note: Note | UnsetType | None = UNSET
    spent_on: Day | UnsetType = UNSET
    paid_by: Payments | UnsetType = UNSET
    split: SplitIn | UnsetType = UNSET

    def to_changes(self) -> dict[str, object]:
        changes: dict[str, object] = {
            name: getattr(self, name)
            for name in ("description", "currency", "category", "note", "spent_on")
            if getattr(self, name) is not UNSET
        }
        if not isinstance(self.amount, UnsetType):
            changes["amount"] = amount_text(self.amount)
        if not isinstance(self.paid_by, UnsetType):
            changes["paid_by"] = [payment.to_input() for payment in self.paid_by]
        if not isinstance(self.split, UnsetType):
            changes["split"] = split_document(self.split)
        return changes


class PartOut(msgspec.Struct):
    """A member's part of an amount."""

    member_id: Id
    amount: Amount


class GroupExpenseOut(msgspec.Struct):
    """An expense of a group; `shares` sum to its amount exactly, and so does `paid_by`."""

    HAS_ETAG: ClassVar = True

    id: Id
    group_id: Id
    amount: Amount
    currency: Currency
    description: Description
    category: CategoryName | None
    note: Note | None
    spent_on: Day
    paid_by: list[PartOut]
    split: SplitIn
    shares: list[PartOut]
    state: State
    version: Annotated[int, Meta(description="As in the `ETag`.", examples=[1])]
    created_by: Annotated[Id, Meta(description="The member who wrote it.")]
    updated_by: Annotated[Id, Meta(description="The member who changed it last.")]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, record: GroupExpenseRecord) -> "GroupExpenseOut":
        split: Any = record.split
        return cls(
            id=record.id,
            group_id=record.group_id,
            amount=format_amount(record.amount_minor, record.currency),
            currency=record.currency,
            description=record.description,
            category=record.category,
            note=record.note,
            spent_on=record.spent_on,
            paid_by=_parts(record, "paid"),
            split=split,
            shares=_parts(record, "shares"),
            state=record.state,
            version=record.version,
            created_by=record.created_by,
            updated_by=record.updated_by,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


def _parts(record: GroupExpenseRecord, name: str) -> list[PartOut]:
    return [
        PartOut(member_id, format_amount(minor, record.currency))
        for member_id, minor in record.resolved[name].items()
    ]


class GroupExpensePage(msgspec.Struct):
    items: list[GroupExpenseOut]
    next_cursor: NextCursor


class GroupExpenseQuery(
    msgspec.Struct, forbid_unknown_fields=True, rename={"from_day": "from", "to_day": "to"}
):
    from_day: Annotated[Day, Meta(description="First day, inclusive.")] | None = None
    to_day: Annotated[Day, Meta(description="Last day, inclusive.")] | None = None
    currency: Currency | None = None
    category: (
        Annotated[str, Meta(max_length=100, pattern=TEXT, description="As written.", examples=["Eating out"])]
        | None
    ) = None
    limit: Limit = 50
    cursor: Cursor | None = None
