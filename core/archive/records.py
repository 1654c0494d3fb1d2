"""What is a user's own, as it stands in an archive: a struct for each kind of record.

Amounts are decimal strings, and what has a name in the API has the same one here. Structs say what a record
may look like; whether it makes sense is for `core/services/archives` to say.
"""

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from core.archive.fields import (
    PLAIN,
    Amount,
    CategoryName,
    Color,
    Count,
    Currency,
    Hash,
    Icon,
    Instant,
    Name,
    Note,
    Payee,
    Rate,
    Source,
    Tag,
    Version,
)
from core.rules.expense_rules import MAX_TAGS
from core.rules.periods import MAX_EVERY, PeriodKind
from core.rules.recurrence import MAX_COUNT
from core.rules.recurrence_texts import MAX_TEXT_CHARS
from core.rules.recurring_plans import MAX_REMIND_DAYS
from core.rules.thresholds import MAX_THRESHOLD, MAX_THRESHOLDS, MIN_THRESHOLD, RolloverMode

MAX_LINES = 100
"""Of an expense."""

MAX_BUDGET_CATEGORIES = 500
"""As many as a user may have."""

MAX_BUDGET_AMOUNTS = 5_000
"""Of a budget: its amount has changed every day for more than ten years."""

MAX_POSITION = 10_000
"""Of a rule among the others: far more than there may be."""

PART_BYTES = 96 * 1024
"""Of a file in one record: small enough to be held in memory many times over, and a multiple of three, so
that the parts in base64 make one text."""

MAX_PART_CHARS = PART_BYTES * 4 // 3


class Record(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is unknown is refused: whoever has written it meant something that would be lost."""


class Profile(Record):
    """Whose archive it is, and the settings of the account."""

    id: UUID
    username: str
    email: str
    email_verified_at: Instant | None
    display_name: Name
    timezone: Annotated[str, Meta(max_length=64)]
    currency: Currency
    created_at: Instant
    updated_at: Instant
    muted_kinds: list[str] = []


class CategoryItem(Record):
    id: UUID
    parent_id: UUID | None
    name: CategoryName
    color: Color | None
    icon: Icon | None
    version: Version
    created_at: Instant
    updated_at: Instant


class TextTest(Record, omit_defaults=True):
    """One way to compare a text."""

    equals: Payee | UnsetType = UNSET
    contains: Payee | UnsetType = UNSET
    starts_with: Payee | UnsetType = UNSET


class AmountTest(Record, omit_defaults=True):
    equals: Amount | UnsetType = UNSET
    at_least: Amount | UnsetType = UNSET
    at_most: Amount | UnsetType = UNSET


class EqualTest(Record):
    equals: Annotated[str, Meta(max_length=20)]


class Condition(Record, omit_defaults=True, rename={"all_": "all", "any_": "any", "not_": "not"}):
    """The form of a condition: what `core/rules/conditions.py` may be given to read."""

    all_: "list[Condition] | UnsetType" = UNSET
    any_: "list[Condition] | UnsetType" = UNSET
    not_: "Condition | UnsetType" = UNSET
    payee: TextTest | UnsetType = UNSET
    note: TextTest | UnsetType = UNSET
    amount: AmountTest | UnsetType = UNSET
    currency: EqualTest | UnsetType = UNSET
    source: EqualTest | UnsetType = UNSET


class RuleAction(Record):
    category_id: UUID | None
    add_tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)]
    payee: Payee | None


class RuleItem(Record):
    """`when` has the form of a `Condition`."""

    id: UUID
    name: Name
    position: Annotated[int, Meta(ge=1, le=MAX_POSITION)]
    when: dict[str, Any]
    then: RuleAction
    is_active: bool
    version: Version
    created_at: Instant
    updated_at: Instant


class LineItem(Record):
    category_id: UUID | None
    amount: Amount
    note: Note | None


class OwnRate(Record):
    """Units of a currency for one of the expense's."""

    currency: Currency
    rate: Rate


class ExpenseItem(Record):
    """With `deleted_at` it lies in the trash."""

    id: UUID
    amount: Amount
    currency: Currency
    category_id: UUID | None
    spent_on: date
    payee: Payee | None
    note: Note | None
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)]
    lines: Annotated[list[LineItem], Meta(max_length=MAX_LINES)]
    exchange_rate: OwnRate | None
    source: Source
    version: Version
    created_at: Instant
    updated_at: Instant
    deleted_at: Instant | None


class FilePart(Record):
    """A piece of a file's content in base64, at an offset; `bytes` is how long the whole file is.

    Each file is in the archive once, its parts one after the other.
    """

    sha256: Hash
    bytes: Count
    offset: Count
    content: Annotated[str, Meta(max_length=MAX_PART_CHARS)]


class AttachmentItem(Record):
    id: UUID
    expense_id: UUID
    name: Annotated[str, Meta(min_length=1, max_length=200, pattern=PLAIN)]
    type: Annotated[str, Meta(max_length=50)]
    bytes: Count
    sha256: Hash
    created_at: Instant


class BudgetPeriod(Record):
    kind: PeriodKind
    every: Annotated[int, Meta(ge=1, le=MAX_EVERY)]
    anchor: date
    ends_on: date | None


class BudgetAmountItem(Record):
    """What the budget allows in the periods that start on that day or later."""

    effective_on: date
    amount: Amount


class BudgetItem(Record):
    id: UUID
    name: Name
    currency: Currency
    period: BudgetPeriod
    amounts: Annotated[list[BudgetAmountItem], Meta(min_length=1, max_length=MAX_BUDGET_AMOUNTS)]
    category_ids: Annotated[list[UUID], Meta(max_length=MAX_BUDGET_CATEGORIES)]
    thresholds: Annotated[
        list[Annotated[int, Meta(ge=MIN_THRESHOLD, le=MAX_THRESHOLD)]], Meta(max_length=MAX_THRESHOLDS)
    ]
    rollover: RolloverMode
    pace_alert: bool
    starts_on: date
    version: Version
    created_at: Instant
    updated_at: Instant
    archived_at: Instant | None


class AlertItem(Record):
    """The figures are those of the moment when the threshold was crossed."""

    id: UUID
    budget_id: UUID
    period_start: date
    period_end: date
    threshold: Annotated[int, Meta(ge=MIN_THRESHOLD, le=MAX_THRESHOLD)]
    spent: Amount
    limit: Amount
    currency: Currency
    created_at: Instant
    resolved_at: Instant | None


class PaceAlertItem(Record):
    budget_id: UUID
    period_start: date
    created_at: Instant


class RecurringItem(Record):
    """What is recorded again and again; occurrences up to `handled_through` are done with."""

    id: UUID
    amount: Amount
    currency: Currency
    category_id: UUID | None
    payee: Payee | None
    note: Note | None
    tags: Annotated[list[Tag], Meta(max_length=MAX_TAGS)]
    lines: Annotated[list[LineItem], Meta(max_length=MAX_LINES)]
    rrule: Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
    starts_on: date
    ends_on: date | None
    count: Annotated[int, Meta(ge=1, le=MAX_COUNT)] | None
    remind_days_before: Annotated[int, Meta(ge=1, le=MAX_REMIND_DAYS)] | None
    is_variable: bool
    is_paused: bool
    handled_through: date
    reminded_through: date
    version: Version
    created_at: Instant
    updated_at: Instant


class OccurrenceItem(Record):
    """What became of an occurrence."""

    recurring_id: UUID
    due_on: date
    state: Literal["posted", "skipped", "awaiting", "missed"]
    expense_id: UUID | None
    created_at: Instant
    updated_at: Instant


class NotificationItem(Record):
    seq: int
    kind: str
    created_at: Instant
    read_at: Instant | None
    data: dict[str, Any]


class SessionItem(Record):
    """A login, without anything that one could log in with."""

    id: UUID
    user_agent: str | None
    ip_address: str | None
    created_at: Instant
    last_used_at: Instant
    expires_at: Instant
    revoked_at: Instant | None


class ExportItem(Record):
    """A file that was asked for, without its content: it can be built again."""

    id: UUID
    format: str
    dialect: str | None
    filters: dict[str, Any]
    sort: str
    name: str
    state: str
    row_count: int | None
    size: int | None
    error: str | None
    created_at: Instant
    finished_at: Instant | None
    expires_at: Instant | None


class ImportItem(Record):
    """A file that was imported: its expenses are among the others."""

    id: UUID
    state: str
    format: str | None
    name: str
    size: int
    group_id: UUID | None
    row_count: int
    problem_count: int
    duplicate_count: int
    committed_count: int
    first_day: date | None
    last_day: date | None
    created_at: Instant
    updated_at: Instant
    finished_at: Instant | None


class ImportMappingItem(Record):
    """How the columns of a bank's files are read."""

    fingerprint: str
    mapping: dict[str, Any]
    used_at: Instant


class ReportItem(Record):
    """A report that was asked for, without its figures: it can be built again."""

    id: UUID
    kind: str
    period_start: date
    currency: Currency
    state: str
    created_at: Instant
    updated_at: Instant
    built_at: Instant | None
