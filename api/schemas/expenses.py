"""Expenses as clients write and read them."""

from typing import Annotated, ClassVar
from uuid import UUID

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
    DecimalParameter,
    Id,
    Instant,
    Limit,
    NextCursor,
    amount_text,
    ten_thousandths,
)
from core.queries.expenses import ExpenseFilter, ExpenseRecord, Sort
from core.rules.conversion import format_rate
from core.rules.expense_rules import MAX_TAGS
from core.rules.money import format_amount
from core.services.expense_drafts import ExpenseInput, LineInput, RateInput

MAX_BULK = 1_000
MAX_LINES = 100
"""A long supermarket receipt; what is longer is better imported as several expenses."""

Payee = Annotated[str, Meta(max_length=200, pattern=PLAIN, examples=["Corner Bakery"])]
Note = Annotated[str, Meta(max_length=2_000, pattern=TEXT, examples=["With Grace"])]
Tag = Annotated[
    str,
    Meta(
        min_length=1, max_length=50, pattern=r"^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$(?!\n)"
    ),
]
Tags = Annotated[
    list[Tag],
    Meta(
        max_length=MAX_TAGS,
        description="Words of the user's own.",
        examples=[["holiday"]],
    ),
]
TagsOut = Annotated[list[str], Meta(examples=[["holiday"]])]
Source = Annotated[
    str, Meta(description="How it came in: `manual`, or what recorded it.", examples=["manual"])
]


class OwnRate(msgspec.Struct, forbid_unknown_fields=True):
    """A rate of the user's own instead of that day's: units of a currency for one of the expense's."""

    currency: Annotated[Currency, Meta(examples=["USD"])]
    rate: Annotated[
        str, Meta(pattern=r"^[0-9]{1,10}(\.[0-9]{1,20})?$(?!\n)", examples=["1.1684"], max_length=31)
    ]

    def to_input(self) -> RateInput:
        return RateInput(self.currency, self.rate)

    @classmethod
    def of(cls, record: ExpenseRecord) -> "OwnRate | None":
        if record.rate_currency is None or record.rate is None:
            return None
        return cls(record.rate_currency, format_rate(record.rate))


class LineIn(msgspec.Struct, forbid_unknown_fields=True):
    """A part of an expense under its own category."""

    amount: AmountInput
    category_id: Id | None = None
    note: Note | None = None

    def to_input(self) -> LineInput:
        return LineInput(self.category_id, amount_text(self.amount), self.note)


Lines = Annotated[list[LineIn], Meta(max_length=MAX_LINES)]


class ExpenseIn(msgspec.Struct, forbid_unknown_fields=True):
    """An expense to record. `lines` stand instead of `category_id` and sum to the amount."""

    amount: AmountInput
    currency: Annotated[Currency, Meta(description="Default: the user's.")] | None = None
    category_id: Id | None = None
    spent_on: Annotated[Day, Meta(description="Default: today in the user's time zone.")] | None = None
    payee: Payee | None = None
    note: Note | None = None
    tags: Tags = []
    lines: Lines = []
    exchange_rate: OwnRate | None = None

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
            exchange_rate=None if self.exchange_rate is None else self.exchange_rate.to_input(),
        )


class BulkIn(msgspec.Struct, forbid_unknown_fields=True):
    """Expenses to record together: all of them or none."""

    items: Annotated[list[ExpenseIn], Meta(min_length=1, max_length=MAX_BULK)]


class ExpensePatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change; null empties those that may be empty."""

    amount: AmountInput | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    category_id: Id | UnsetType | None = UNSET
    spent_on: Day | UnsetType = UNSET
    payee: Payee | UnsetType | None = UNSET
    note: Note | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    lines: Lines | UnsetType = UNSET
    exchange_rate: OwnRate | UnsetType | None = UNSET

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
        if not isinstance(self.exchange_rate, UnsetType):
            changes["exchange_rate"] = None if self.exchange_rate is None else self.exchange_rate.to_input()
        return changes


class LineOut(msgspec.Struct):
    category_id: Id | None
    amount: Amount
    note: Note | None


class ExpenseOut(msgspec.Struct):
    HAS_ETAG: ClassVar = True

    id: Id
    amount: Amount
    currency: Currency
    category_id: Id | None
    spent_on: Day
    payee: Payee | None
    note: Note | None
    tags: TagsOut
    lines: Annotated[list[LineOut], Meta(description="Its parts, if it was split.", examples=[[]])]
    exchange_rate: Annotated[
        OwnRate | None, Meta(description="The user's own, instead of the day's.", examples=[None])
    ]
    source: Source
    created_at: Instant
    updated_at: Instant
    deleted_at: Annotated[Instant | None, Meta(description="Set while it is in the trash.", examples=[None])]

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
            OwnRate.of(record),
            record.source,
            record.created_at,
            record.updated_at,
            record.deleted_at,
        )


class BulkOut(msgspec.Struct):
    items: list[ExpenseOut]


class ExpensePage(msgspec.Struct):
    items: list[ExpenseOut]
    next_cursor: NextCursor


class ExpenseFilters(msgspec.Struct, forbid_unknown_fields=True, rename={"from_day": "from", "to_day": "to"}):
    """What expenses are narrowed down to."""

    from_day: Annotated[Day, Meta(description="First day, inclusive.")] | None = None
    to_day: Annotated[Day, Meta(description="Last day, inclusive.")] | None = None
    category_id: Annotated[Id, Meta(description="Sub-categories are included.")] | None = None
    currency: Currency | None = None
    min_amount: Annotated[DecimalParameter, Meta(description="Inclusive, in any currency.")] | None = None
    max_amount: Annotated[DecimalParameter, Meta(description="Inclusive, in any currency.")] | None = None
    tag: (
        Annotated[
            str,
            Meta(
                max_length=50,
                pattern=TEXT,
                description="The whole tag, as it was written.",
                examples=["holiday"],
            ),
        ]
        | None
    ) = None
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
    source: Annotated[Source, Meta(max_length=20, pattern=TEXT)] | None = None

    def to_filter(self, *, is_in_trash: bool = False) -> ExpenseFilter:
        return ExpenseFilter(
            from_day=self.from_day,
            to_day=self.to_day,
            category_id=self.category_id,
            currency=self.currency,
            min_amount=None if self.min_amount is None else ten_thousandths(self.min_amount),
            max_amount=None if self.max_amount is None else ten_thousandths(self.max_amount),
            tag=self.tag,
            payee=self.payee,
            text=self.q,
            source=self.source,
            is_in_trash=is_in_trash,
        )


class ExpenseQuery(ExpenseFilters):
    in_trash: Annotated[bool, Meta(description="What was deleted in the last 30 days instead.")] = False
    sort: Annotated[Sort, Meta(description="With `-` the largest or newest first.")] = "-spent_on"
    limit: Limit = 50
    cursor: Cursor | None = None
