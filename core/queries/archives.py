"""All that is a user's own, as the records of an archive (`core/archive`), each read when it is asked for."""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, Table, select

from core.archive.records import (
    PART_BYTES,
    AlertItem,
    AttachmentItem,
    BudgetAmountItem,
    BudgetItem,
    BudgetPeriod,
    CategoryItem,
    ExpenseItem,
    FilePart,
    LineItem,
    OwnRate,
    Profile,
    Record,
    RecurringItem,
    RuleAction,
    RuleItem,
)
from core.archive.sections import SECTIONS
from core.errors import NotFound
from core.files import FileStore
from core.logging import get_logger
from core.models import (
    Alert,
    ApiKey,
    Attachment,
    AuditEvent,
    Category,
    Channel,
    DigestRun,
    EmailChange,
    Export,
    Identity,
    Import,
    ImportMapping,
    KnownDevice,
    LoginSession,
    Notification,
    NotificationSettings,
    PaceAlert,
    Passkey,
    Report,
    SecondFactor,
    User,
    table_of,
)
from core.queries.archived_groups import group_records
from core.queries.budgets import BudgetRecord, list_budgets
from core.queries.expense_parts import Line, lines_of, tags_of
from core.queries.expense_rules import list_rules
from core.queries.expenses import COLUMNS, EXPENSES, ExpenseRecord
from core.queries.recurring_expenses import OCCURRENCES, RecurringRecord, list_recurring
from core.rules.conversion import format_rate
from core.rules.money import format_amount

BATCH = 2_000
"""Rows read at a time: about a megabyte."""

ALERTS = table_of(Alert)
ATTACHMENTS = table_of(Attachment)
CATEGORIES = table_of(Category)
NOTIFICATIONS = table_of(Notification)
USERS = table_of(User)

Section = tuple[str, Iterator[Record]]

log = get_logger(__name__)


def load_profile(rows: Connection, *, user_id: UUID) -> Profile:
    """Raises:
    NotFound
    """
    columns = [USERS.c[name] for name in Profile.__struct_fields__]
    row = rows.execute(select(*columns).where(USERS.c.id == user_id)).first()
    if row is None:
        raise NotFound("no such user")
    return Profile(**row._mapping)


def archive_records(rows: Connection, *, user_id: UUID, files: FileStore) -> Iterator[Section]:
    """The lists of the user's archive, in the order of `core/archive/sections.py`.

    `rows` sees the same in all queries, whoever writes meanwhile.
    """
    yield "categories", _categories(rows, user_id)
    yield "rules", _rules(rows, user_id)
    yield "expenses", _expenses(rows, user_id)
    yield "files", _files(rows, user_id, files)
    yield "attachments", _attachments(rows, user_id)
    yield "budgets", _budgets(rows, user_id)
    yield "alerts", _alerts(rows, user_id)
    yield _plain("pace_alerts", rows, user_id)
    yield "recurring_expenses", _recurring(rows, user_id)
    yield _plain("recurring_occurrences", rows, user_id)
    for name in ("notifications", "notification_settings", "channels", "digests"):
        yield _plain(name, rows, user_id)
    yield from group_records(rows, user_id=user_id)
    for name in ("imports", "import_mappings", "exports", "reports", *ABOUT_LOGINS):
        yield _plain(name, rows, user_id)


def _streamed(rows: Connection, query: Select[Any]) -> Iterator[Any]:
    streaming = rows.execution_options(stream_results=True, max_row_buffer=BATCH)
    with streaming.execute(query) as found:
        yield from found


def _categories(rows: Connection, user_id: UUID) -> Iterator[Record]:
    """Those of the top level before those below them."""
    columns = [CATEGORIES.c[name] for name in CategoryItem.__struct_fields__]
    order = (CATEGORIES.c.parent_id.is_not(None), CATEGORIES.c.id)
    for row in rows.execute(select(*columns).where(CATEGORIES.c.user_id == user_id).order_by(*order)):
        yield CategoryItem(**row._mapping)


def _rules(rows: Connection, user_id: UUID) -> Iterator[Record]:
    for rule in list_rules(rows, user_id=user_id):
        yield RuleItem(
            id=rule.id,
            name=rule.name,
            position=rule.position,
            when=rule.condition,
            then=RuleAction(category_id=rule.category_id, add_tags=rule.add_tags, payee=rule.payee),
            is_active=rule.is_active,
            version=rule.version,
            created_at=rule.created_at,
            updated_at=rule.updated_at,
        )


def _expenses(rows: Connection, user_id: UUID) -> Iterator[Record]:
    """The oldest first, those in the trash as well."""
    query = select(*COLUMNS, EXPENSES.c.tag_count, EXPENSES.c.line_count)
    query = query.where(EXPENSES.c.user_id == user_id).order_by(EXPENSES.c.id)
    streaming = rows.execution_options(stream_results=True, max_row_buffer=BATCH)
    with streaming.execute(query) as found:
        for batch in found.partitions(BATCH):
            tags = tags_of(rows, user_id, [row.id for row in batch if row.tag_count])
            lines = lines_of(rows, user_id, [row.id for row in batch if row.line_count])
            for row in batch:
                record = ExpenseRecord(*row[:-2])
                key = (record.id, record.version)
                yield _expense(record, tags.get(key, ()), lines.get(key, ()))


def _expense(record: ExpenseRecord, tags: tuple[str, ...], lines: tuple[Line, ...]) -> ExpenseItem:
    currency = record.currency
    return ExpenseItem(
        id=record.id,
        amount=format_amount(record.amount_minor, currency),
        currency=currency,
        category_id=record.category_id,
        spent_on=record.spent_on,
        payee=record.payee,
        note=record.note,
        tags=list(tags),
        lines=_lines(lines, currency),
        exchange_rate=None
        if record.rate is None or record.rate_currency is None
        else OwnRate(currency=record.rate_currency, rate=format_rate(record.rate)),
        source=record.source,
        version=record.version,
        created_at=record.created_at,
        updated_at=record.updated_at,
        deleted_at=record.deleted_at,
    )


def _lines(lines: Iterable[Line], currency: str) -> list[LineItem]:
    return [
        LineItem(
            category_id=line.category_id,
            amount=format_amount(line.amount_minor, currency),
            note=line.note,
        )
        for line in lines
    ]


def _files(rows: Connection, user_id: UUID, files: FileStore) -> Iterator[Record]:
    """The content of all attachments, that of several alike once."""
    query = select(ATTACHMENTS.c.sha256, ATTACHMENTS.c.size).where(ATTACHMENTS.c.user_id == user_id)
    for sha256, size in _streamed(rows, query.distinct().order_by(ATTACHMENTS.c.sha256)):
        try:
            file = files.open(sha256)
        except FileNotFoundError:
            # The rest of the archive is worth having all the same.
            log.exception("archive.file_missing", user_id=user_id, sha256=sha256)
            continue
        with file:
            offset = 0
            while piece := file.read(PART_BYTES):
                content = b64encode(piece).decode()
                yield FilePart(sha256=sha256, bytes=size, offset=offset, content=content)
                offset += len(piece)


def _attachments(rows: Connection, user_id: UUID) -> Iterator[Record]:
    query = select(ATTACHMENTS).where(ATTACHMENTS.c.user_id == user_id).order_by(ATTACHMENTS.c.id)
    for row in _streamed(rows, query):
        yield AttachmentItem(
            id=row.id,
            expense_id=row.expense_id,
            name=row.name,
            type=row.media_type,
            bytes=row.size,
            sha256=row.sha256,
            created_at=row.created_at,
        )


def _budgets(rows: Connection, user_id: UUID) -> Iterator[Record]:
    """In use or not, the oldest first."""
    found = [
        *list_budgets(rows, user_id=user_id),
        *list_budgets(rows, user_id=user_id, is_archived=True),
    ]
    yield from map(_budget, sorted(found, key=lambda budget: budget.id))


def _budget(budget: BudgetRecord) -> BudgetItem:
    rule = budget.rule
    return BudgetItem(
        id=budget.id,
        name=budget.name,
        currency=budget.currency,
        period=BudgetPeriod(kind=rule.kind, every=rule.every, anchor=rule.anchor, ends_on=rule.ends_on),
        amounts=[
            BudgetAmountItem(effective_on=day, amount=format_amount(minor, budget.currency))
            for day, minor in budget.amounts
        ],
        category_ids=list(budget.category_ids),
        thresholds=list(budget.thresholds),
        rollover=budget.rollover,
        pace_alert=budget.has_pace_alert,
        starts_on=budget.starts_on,
        version=budget.version,
        created_at=budget.created_at,
        updated_at=budget.updated_at,
        archived_at=budget.archived_at,
    )


def _alerts(rows: Connection, user_id: UUID) -> Iterator[Record]:
    query = select(ALERTS).where(ALERTS.c.user_id == user_id).order_by(ALERTS.c.id)
    for row in _streamed(rows, query):
        yield AlertItem(
            id=row.id,
            budget_id=row.budget_id,
            period_start=row.period_start,
            period_end=row.period_end,
            threshold=row.threshold,
            spent=format_amount(row.spent_minor, row.currency),
            limit=format_amount(row.limit_minor, row.currency),
            currency=row.currency,
            created_at=row.created_at,
            resolved_at=row.resolved_at,
        )


def _recurring(rows: Connection, user_id: UUID) -> Iterator[Record]:
    for record in list_recurring(rows, user_id=user_id):
        yield RecurringItem(
            amount=format_amount(record.amount_minor, record.currency),
            lines=_lines(record.parts, record.currency),
            rrule=record.rule,
            **{name: getattr(record, name) for name in SAME},
        )


SAME = [
    name
    for name in RecurringItem.__struct_fields__
    if name in RecurringRecord.__struct_fields__ and name != "lines"
]
"""Fields that an archive has as they are."""

ABOUT_LOGINS = (
    "sessions", "known_devices", "api_keys", "second_factors", "passkeys", "identities", "email_changes",
    "activity",
)  # fmt: skip

PLAIN: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "pace_alerts": (table_of(PaceAlert), ("budget_id", "period_start")),
    "recurring_occurrences": (OCCURRENCES, ("recurring_id", "due_on")),
    "notifications": (NOTIFICATIONS, ("seq",)),
    "notification_settings": (table_of(NotificationSettings), ("user_id",)),
    "channels": (table_of(Channel), ("id",)),
    "digests": (table_of(DigestRun), ("id",)),
    "imports": (table_of(Import), ("id",)),
    "import_mappings": (table_of(ImportMapping), ("fingerprint",)),
    "exports": (table_of(Export), ("id",)),
    "reports": (table_of(Report), ("id",)),
    "sessions": (table_of(LoginSession), ("id",)),
    "known_devices": (table_of(KnownDevice), ("seen_at",)),
    "api_keys": (table_of(ApiKey), ("id",)),
    "second_factors": (table_of(SecondFactor), ("user_id",)),
    "passkeys": (table_of(Passkey), ("id",)),
    "identities": (table_of(Identity), ("provider",)),
    "email_changes": (table_of(EmailChange), ("id",)),
    "activity": (table_of(AuditEvent), ("seq",)),
}
"""Lists whose records have columns of a table, in this order."""


def _plain(name: str, rows: Connection, user_id: UUID) -> Section:
    table, order = PLAIN[name]
    kind = SECTIONS[name]
    query = select(*(table.c[field] for field in kind.__struct_fields__)).where(table.c.user_id == user_id)
    query = query.order_by(*(table.c[column] for column in order))
    return name, (kind(**row._mapping) for row in _streamed(rows, query))
