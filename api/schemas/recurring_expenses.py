"""Recurring expenses as clients write and read them."""

from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import (
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
from api.schemas.expenses import LineOut, Lines, Note, Payee, Tags, TagsOut
from core.queries.recurring_expenses import (
    NOTHING_AWAITED,
    Awaiting,
    OccurrenceRecord,
    RecurringRecord,
    Upcoming,
)
from core.rules.money import format_amount
from core.rules.periods import MAX_EVERY
from core.rules.recurrence import MAX_COUNT
from core.rules.recurrence_texts import MAX_TEXT_CHARS, Unit, unit_of
from core.rules.recurring_plans import MAX_REMIND_DAYS
from core.services.expense_drafts import ExpenseInput
from core.services.recurring_expenses import NewRecurring
from core.services.recurring_input import ScheduleInput

MAX_UPCOMING_DAYS = 366
"""A year ahead, whatever day it begins on."""

OccurrenceState = Literal["posted", "skipped", "awaiting", "missed"]

RRule = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_TEXT_CHARS,
        description="A rule of RFC 5545 with FREQ=DAILY, WEEKLY, MONTHLY or YEARLY, and INTERVAL, BYDAY, "
        "BYMONTHDAY, BYMONTH, BYSETPOS, WKST, COUNT, UNTIL. The 29th to 31st become the last day of shorter "
        "months. Of UNTIL the date counts, and a time is not looked at.",
        examples=["FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1"],
    ),
]
Every = Annotated[int, Meta(ge=1, le=MAX_EVERY, description="How many units lie between.", examples=[2])]
StartsOn = Annotated[
    Day,
    Meta(
        description="The first day that it may fall on, and its phase. A day that is over is only the phase.",
        examples=["2026-05-31"],
    ),
]
EndsOn = Annotated[Day, Meta(description="The last day that it may fall on.", examples=["2199-12-31"])]
Count = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_COUNT,
        description="How many occurrences there are from `starts_on` on; instead of `ends_on`.",
        examples=[12],
    ),
]
RemindDays = Annotated[
    int,
    Meta(
        ge=1,
        le=MAX_REMIND_DAYS,
        description="So many days ahead `recurring.due` reminds of it.",
        examples=[3],
    ),
]
IsVariable = Annotated[
    bool,
    Meta(
        description="The amount is what is expected: when one is due, it awaits its amount (`confirm`).",
        examples=[False],
    ),
]
DueOn = Annotated[Day, Meta(description="The day of an occurrence.", examples=["2026-05-31"])]


class RecurringIn(msgspec.Struct, forbid_unknown_fields=True):
    """A recurring expense to set up: the expense, and either `rrule` or `unit`."""

    amount: AmountInput
    currency: Annotated[Currency, Meta(description="Default: the user's.")] | None = None
    category_id: Id | None = None
    payee: Payee | None = None
    note: Note | None = None
    tags: Tags = []
    lines: Lines = []
    rrule: RRule | None = None
    every: Annotated[Every | None, Meta(description="Default: 1.", examples=[None])] = None
    unit: Annotated[Unit | None, Meta(description="Instead of `rrule`.", examples=[None])] = None
    starts_on: Annotated[StartsOn | None, Meta(description="Default: today.", examples=[None])] = None
    ends_on: EndsOn | None = None
    count: Annotated[Count | None, Meta(examples=[None])] = None
    remind_days_before: RemindDays | None = None
    is_variable: IsVariable = False

    def to_new(self, user_id: UUID) -> NewRecurring:
        return NewRecurring(
            template=ExpenseInput(
                user_id=user_id,
                amount=amount_text(self.amount),
                currency=self.currency,
                category_id=self.category_id,
                payee=self.payee,
                note=self.note,
                tags=tuple(self.tags),
                lines=tuple(line.to_input() for line in self.lines),
            ),
            schedule=ScheduleInput(
                rrule=self.rrule,
                every=self.every,
                unit=self.unit,
                starts_on=self.starts_on,
                ends_on=self.ends_on,
                count=self.count,
            ),
            remind_days_before=self.remind_days_before,
            is_variable=self.is_variable,
        )


NOT_EMPTIED = ("every", "unit")
PATCHED_COUNT = Meta(
    description="How many occurrences there are from `starts_on` on; null: no end. Without it a new rule "
    "has as many ahead as the old one had left, and `starts_on` becomes its first day.",
    examples=[None],
)
AS_IT_IS = Meta(description="Instead of `rrule`; null leaves it as it is.", examples=[None])


class RecurringPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change from now on; null empties those that may be empty."""

    amount: AmountInput | UnsetType = UNSET
    currency: Currency | UnsetType = UNSET
    category_id: Id | UnsetType | None = UNSET
    payee: Payee | UnsetType | None = UNSET
    note: Note | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    lines: Lines | UnsetType = UNSET
    rrule: RRule | UnsetType = UNSET
    every: Annotated[Every | None, AS_IT_IS] | UnsetType = UNSET
    unit: Annotated[Unit | None, AS_IT_IS] | UnsetType = UNSET
    starts_on: StartsOn | UnsetType = UNSET
    ends_on: EndsOn | UnsetType | None = UNSET
    count: Annotated[Count | None, PATCHED_COUNT] | UnsetType = UNSET
    remind_days_before: RemindDays | UnsetType | None = UNSET
    is_variable: IsVariable | UnsetType = UNSET

    def to_changes(self) -> dict[str, Any]:
        changes = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}
        changes = {name: value for name, value in changes.items() if name not in NOT_EMPTIED or value}
        if not isinstance(self.amount, UnsetType):
            changes["amount"] = amount_text(self.amount)
        if not isinstance(self.tags, UnsetType):
            changes["tags"] = tuple(self.tags)
        if not isinstance(self.lines, UnsetType):
            changes["lines"] = tuple(line.to_input() for line in self.lines)
        return changes


class RecurringOut(msgspec.Struct, kw_only=True):
    HAS_ETAG: ClassVar = True

    id: Id
    amount: Amount
    currency: Currency
    category_id: Id | None
    payee: Payee | None
    note: Note | None
    tags: TagsOut
    lines: Annotated[list[LineOut], Meta(description="Its parts, if it is split.", examples=[[]])]
    rrule: Annotated[RRule, Meta(description="The rule in one form, without its end.")]
    every: Annotated[Every | None, Meta(description="null: there is more to the rule.", examples=[None])]
    unit: Annotated[Unit | None, Meta(examples=[None])]
    starts_on: StartsOn
    ends_on: EndsOn | None
    count: Annotated[Count | None, Meta(examples=[None])]
    last_on: Annotated[
        Day | None,
        Meta(
            description="The day after which there is no occurrence, by `ends_on` or `count`.",
            examples=["2199-12-31"],
        ),
    ]
    remind_days_before: RemindDays | None
    is_variable: IsVariable
    is_paused: Annotated[bool, Meta(examples=[False])]
    next_on: Annotated[
        Day | None, Meta(description="null: it is paused or has ended.", examples=["2026-05-29"])
    ]
    problem: Annotated[
        str | None,
        Meta(
            description="Why the next one, which is due, could not be recorded. It is tried every hour.",
            examples=[None],
        ),
    ]
    awaiting: Annotated[
        int,
        Meta(ge=0, description="How many occurrences wait for `confirm` to say their amount.", examples=[0]),
    ]
    first_awaiting_on: Annotated[Day | None, Meta(description="The first day of these.", examples=[None])]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, record: RecurringRecord, awaiting: Awaiting = NOTHING_AWAITED) -> "RecurringOut":
        unit = unit_of(record.pattern)
        return cls(
            id=record.id,
            amount=format_amount(record.amount_minor, record.currency),
            currency=record.currency,
            category_id=record.category_id,
            payee=record.payee,
            note=record.note,
            tags=record.tags,
            lines=[
                LineOut(line.category_id, format_amount(line.amount_minor, record.currency), line.note)
                for line in record.parts
            ],
            rrule=record.rule,
            every=None if unit is None else record.pattern.interval,
            unit=unit,
            starts_on=record.starts_on,
            ends_on=record.ends_on,
            count=record.count,
            last_on=record.last_on,
            remind_days_before=record.remind_days_before,
            is_variable=record.is_variable,
            is_paused=record.is_paused,
            next_on=record.next_on,
            problem=record.problem,
            awaiting=awaiting.count,
            first_awaiting_on=awaiting.first_on,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class RecurringPage(msgspec.Struct):
    items: list[RecurringOut]
    next_cursor: NextCursor


class RecurringQuery(msgspec.Struct, forbid_unknown_fields=True):
    limit: Limit = 50
    cursor: Cursor | None = None


class SkipIn(msgspec.Struct, forbid_unknown_fields=True):
    """Which occurrence to leave out."""

    IS_OPTIONAL: ClassVar = True

    due_on: Annotated[DueOn | None, Meta(description="Default: the next one.", examples=[None])] = None


class ConfirmIn(msgspec.Struct, forbid_unknown_fields=True):
    """The amount of an occurrence that awaits it."""

    due_on: DueOn
    amount: AmountInput


class OccurrenceOut(msgspec.Struct):
    """What became of an occurrence."""

    due_on: DueOn
    state: Annotated[
        OccurrenceState,
        Meta(
            description="`awaiting` its amount; `missed`: due too long ago to be posted any more.",
            examples=["posted"],
        ),
    ]
    expense_id: Annotated[
        Id | None, Meta(description="What it was posted as; it may have been deleted since.")
    ]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, record: OccurrenceRecord) -> "OccurrenceOut":
        state: Any = record.state
        return cls(record.due_on, state, record.expense_id, record.created_at, record.updated_at)


class OccurrencePage(msgspec.Struct):
    items: list[OccurrenceOut]
    next_cursor: NextCursor


class OccurrenceQuery(msgspec.Struct, forbid_unknown_fields=True):
    state: OccurrenceState | None = None
    limit: Limit = 50
    cursor: Cursor | None = None


class UpcomingOut(msgspec.Struct):
    """An occurrence that is going to fall due."""

    due_on: DueOn
    recurring_id: Id
    payee: Payee | None
    amount: Amount
    currency: Currency
    category_id: Id | None
    is_variable: IsVariable

    @classmethod
    def of(cls, one: Upcoming) -> "UpcomingOut":
        return cls(
            one.due_on,
            one.recurring_id,
            one.payee,
            format_amount(one.amount_minor, one.currency),
            one.currency,
            one.category_id,
            one.is_variable,
        )


class UpcomingPage(msgspec.Struct):
    items: list[UpcomingOut]
    next_cursor: NextCursor


class UpcomingQuery(msgspec.Struct, forbid_unknown_fields=True, rename={"from_day": "from", "to_day": "to"}):
    from_day: Annotated[Day, Meta(description="First day, inclusive. Default: today.")] | None = None
    to_day: (
        Annotated[
            Day,
            Meta(
                description=f"Last day, inclusive; {MAX_UPCOMING_DAYS} days on at most. Default: 30 days on.",
            ),
        ]
        | None
    ) = None
    limit: Limit = 50
    cursor: Cursor | None = None
