"""Expenses as clients write and read them."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import (
    MAX_PAGE,
    PLAIN,
    TEXT,
    Amount,
    AmountInput,
    Currency,
    DecimalParameter,
    amount_text,
)
from core.queries.expenses import ExpenseRecord, Sort
from core.rules.money import format_amount
from core.services.expense_drafts import ExpenseInput, LineInput

MAX_BULK = 1_000
MAX_LINES = 100
"""A long supermarket receipt; what is longer is better imported as several expenses."""
MAX_TAGS = 20

Payee = Annotated[str, Meta(max_length=200, pattern=PLAIN, examples=["Corner Bakery"])]
Note = Annotated[str, Meta(max_length=2_000, pattern=TEXT)]
Tag = Annotated[
    str,
    Meta(
        min_length=1, max_length=50, pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$(?!\n)"
    ),
]
Tags = Annotated[list[Tag], Meta(max_length=MAX_TAGS)]


class LineIn(msgspec.Struct, forbid_unknown_fields=True):
    """A part of an expense under its own category."""

    amount: AmountInput
    category_id: UUID | None = None
    note: Note | None = None

    def to_input(self) -> LineInput:
        return LineInput(self.category_id, amount_text(self.amount), self.note)


Lines = Annotated[list[LineIn], Meta(max_length=MAX_LINES)]


class ExpenseIn(msgspec.Struct, forbid_unknown_fields=True):
    """An expense to record. `lines` stand instead of `category_id` and sum to the amount."""

    amount: AmountInput
    currency: Currency | None = None
    category_id: UUID | None = None
    spent_on: Annotated[date, Meta(description="Default: today in the user's time zone.")] | None = None
    payee: Payee | None = None
    note: Note | None = None
    tags: Tags = []
    lines: Lines = []

    def to_input(self, user_id: UUID) -> ExpenseInput:
        return ExpenseInput(
            user_id=user_id,
            amount=amount_text(self.amount),
            currency=self.currency,
            category_id=self.category_id,
            spent_on=self.spent_on,
            payee=self.payee,
            note=self.note,
            tags=tuple(self.tags),
            lines=tuple(line.to_input() for line in self.lines),
        )


class BulkIn(msgspec.Struct, forbid_unknown_fields=True):
    """Expenses to record together: all of them or none."""

    items: Annotated[list[ExpenseIn], Meta(min_length=1, max_length=MAX_BULK)]


class ExpensePatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change; null empties those that may be empty."""

    amount: AmountInput | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    category_id: UUID | UnsetType | None = UNSET
    spent_on: date | UnsetType = UNSET
    payee: Payee | UnsetType | None = UNSET
    note: Note | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    lines: Lines | UnsetType = UNSET

    def to_changes(self) -> dict[str, object]:
        changes: dict[str, object] = {
            name: getattr(self, name)
            for name in ("currency", "category_id", "spent_on", "payee", "note")
            if getattr(self, name) is not UNSET
        }
        if not isinstance(self.amount, UnsetType):
            changes["amount"] = amount_text(self.amount)
        if not isinstance(self.tags, UnsetType):
            changes["tags"] = tuple(self.tags)
        if not isinstance(self.lines, UnsetType):
            changes["lines"] = tuple(line.to_input() for line in self.lines)
        return changes


class LineOut(msgspec.Struct):
    category_id: UUID | None
    amount: Amount
    note: str | None


class ExpenseOut(msgspec.Struct):
    """An expense; `deleted_at` is set while it lies in the trash."""

    id: UUID
    amount: Amount
    currency: Currency
    category_id: UUID | None
    spent_on: date
    payee: str | None
    note: str | None
    tags: list[str]
    lines: list[LineOut]
    source: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None

    @classmethod
    def of(cls, record: ExpenseRecord) -> "ExpenseOut":
        return cls(
            record.id,
            format_amount(record.amount_minor, record.currency),
            record.currency,
            record.category_id,
            record.spent_on,
            record.payee,
            record.note,
            list(record.tags),
            [
                LineOut(line.category_id, format_amount(line.amount_minor, record.currency), line.note)
                for line in record.lines
            ],
            record.source,
            record.created_at,
            record.updated_at,
            record.deleted_at,
        )


class BulkOut(msgspec.Struct):
    items: list[ExpenseOut]


class ExpensePage(msgspec.Struct):
    """A page of expenses; `next_cursor` is null on the last one."""

    items: list[ExpenseOut]
    next_cursor: str | None


class ExpenseQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"from_day": "from", "to_day": "to"}):
    from_day: Annotated[date, Meta(description="First day, inclusive.")] | None = None
    to_day: Annotated[date, Meta(description="Last day, inclusive.")] | None = None
    category_id: Annotated[UUID, Meta(description="Sub-categories are included.")] | None = None
    currency: Currency | None = None
    min_amount: DecimalParameter | None = None
    max_amount: DecimalParameter | None = None
    tag: Annotated[str, Meta(max_length=50, pattern=TEXT)] | None = None
    payee: (
        Annotated[str, Meta(max_length=200, pattern=TEXT, description="The whole name, in any case.")] | None
    ) = None
    q: (
        Annotated[
            str,
            Meta(min_length=1, max_length=200, pattern=TEXT, description="Text within payee, note or tags."),
        ]
        | None
    ) = None
    source: Annotated[str, Meta(max_length=20, pattern=TEXT)] | None = None
    in_trash: Annotated[bool, Meta(description="What was deleted in the last 30 days instead.")] = False
    sort: Sort = "-spent_on"
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Meta(max_length=300, pattern=TEXT)] | None = None
