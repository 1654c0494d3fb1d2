"""Recording, revising, deleting and restoring expenses."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.database import pipelined
from core.errors import Conflict, InvalidInput, NotFound, OutlayError
from core.many_rows import insert_rows
from core.models import Expense, ExpenseLine, ExpenseTag, table_of
from core.models.expenses import MIRROR
from core.queries.expenses import ExpenseRecord, load_expense
from core.rules.conversion import convert_parts, format_rate
from core.rules.money import format_amount
from core.rules.texts import search_key
from core.services.changes import delete_for_good
from core.services.expense_drafts import ExpenseInput, LineInput, RateInput, draft_expenses
from core.services.purging import some_of
from core.services.report_upkeep import mark_stale
from core.services.spending import Spending, apply_spending, refusing_large_totals
from core.services.versions import check_version

TRASH_LIFETIME = timedelta(days=30)
"""Time enough to notice a mistake; after that the expense is gone for good."""

GROUPS_OWN = ("amount_minor", "currency", "spent_on", "payee", "lines", "rate")
"""What the group decides of a mirror; the rest is its owner's."""

EXPENSES = table_of(Expense)
LINES = table_of(ExpenseLine)
TAGS = table_of(ExpenseTag)
INSERT_EXPENSES = insert(EXPENSES)


def record_expenses(session: Session, *, items: Sequence[ExpenseInput]) -> list[ExpenseRecord]:
    """Record all of the expenses, or none.

    Raises:
        InvalidInput: what is wrong, with pointers that begin with the item's position: `/3/amount`.
        NotFound: the user is gone.
    """
    drafts = draft_expenses(session, items, with_rules=True)
    for draft in drafts:
        if isinstance(draft, NotFound):
            raise draft
    wrong = [
        draft.below(f"/{position}")
        for position, draft in enumerate(drafts)
        if isinstance(draft, InvalidInput)
    ]
    if wrong:
        raise InvalidInput(*(field for error in wrong for field in error.fields))
    return store_expenses(session, drafts)


def record_each_expense(
    session: Session, *, items: Sequence[ExpenseInput]
) -> list[ExpenseRecord | OutlayError]:
    """Record the expenses that are right; in the place of each other one stands what is wrong with it."""
    drafts = draft_expenses(session, items, with_rules=True)
    with refusing_large_totals(), pipelined(session):
        store_expenses(session, drafts)
    return list(drafts)


def store_expenses(session: Session, drafts: Sequence[ExpenseRecord | OutlayError]) -> list[ExpenseRecord]:
    """Insert drafts with their lines, tags and totals and have budgets evaluated; errors are passed over."""
    records = [draft for draft in drafts if isinstance(draft, ExpenseRecord)]
    if records:
        insert_expenses(session, records)
        apply_spending(session, (part for record in records for part in spending_of(record)))
    return records


def insert_expenses(session: Session, records: Sequence[ExpenseRecord]) -> None:
    """Without their totals, which are the caller's to keep."""
    session.execute(INSERT_EXPENSES, [_row(record) for record in records])
    _insert_parts(session, records)


def insert_many_expenses(session: Session, coming: Iterable[ExpenseRecord]) -> list[ExpenseRecord]:
    """As `insert_expenses`, for thousands at a time; those that follow are made while others are stored."""
    records: list[ExpenseRecord] = []

    def rows() -> Iterator[dict[str, Any]]:
        for record in coming:
            records.append(record)
            yield _row(record)

    insert_rows(session, EXPENSES, rows())
    insert_rows(session, LINES, _line_rows(records))
    insert_rows(session, TAGS, _tag_rows(records))
    return records


def revise_expense(
    session: Session,
    *,
    user_id: UUID,
    expense_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> ExpenseRecord:
    """Change fields of `ExpenseInput`; giving a category drops the lines, and giving lines the category.

    Raises:
        NotFound, StaleVersion
        InvalidInput: the expense would not be right any more.
        Conflict: it is a group's to change.
    """
    record = load_expense(session, user_id=user_id, expense_id=expense_id, for_update=True)
    check_version(record.version, expected_versions)
    given = replace(_as_input(record), **_consistent(changes))
    draft = draft_expenses(session, [given], with_rules=False)[0]
    if not isinstance(draft, ExpenseRecord):
        raise draft
    revised = structs.replace(draft, id=record.id, created_at=record.created_at, version=record.version + 1)
    if record.source == MIRROR:
        _check_mirror(record, revised)
    _update(session, record, **_row(revised))
    for table in (LINES, TAGS):
        session.execute(delete(table).where(table.c.user_id == user_id, table.c.expense_id == expense_id))
    _insert_parts(session, [revised])
    before, after = spending_of(record), spending_of(revised)
    if before != after:
        apply_spending(session, [*(part.reversed() for part in before), *after])
    elif (record.payee, record.tags) != (revised.payee, revised.tags):
        # Budgets are none the wiser; reports tell of payees and tags.
        mark_stale(session, {user_id: record.spent_on})
    return revised


def _check_mirror(record: ExpenseRecord, revised: ExpenseRecord) -> None:
    changed = [name for name in GROUPS_OWN if getattr(record, name) != getattr(revised, name)]
    if changed:
        fields = ", ".join(changed).replace("amount_minor", "amount").replace("rate", "exchange_rate")
        raise Conflict(f"it is your share of a group's expense, where {fields} can be changed")


def _consistent(changes: Mapping[str, Any]) -> dict[str, Any]:
    if changes.get("category_id") is not None and "lines" not in changes:
        return {**changes, "lines": ()}
    if changes.get("lines") and "category_id" not in changes:
        return {**changes, "category_id": None}
    return dict(changes)


def _as_input(record: ExpenseRecord) -> ExpenseInput:
    return ExpenseInput(
        user_id=record.user_id,
        amount=format_amount(record.amount_minor, record.currency),
        currency=record.currency,
        category_id=record.category_id,
        spent_on=record.spent_on,
        payee=record.payee,
        note=record.note,
        tags=record.tags,
        lines=tuple(
            LineInput(line.category_id, format_amount(line.amount_minor, record.currency), line.note)
            for line in record.lines
        ),
        source=record.source,
        exchange_rate=_rate_input(record),
    )


def _rate_input(record: ExpenseRecord) -> RateInput | None:
    if record.rate_currency is None or record.rate is None:
        return None
    return RateInput(record.rate_currency, format_rate(record.rate))


def delete_expense(
    session: Session, *, user_id: UUID, expense_id: UUID, expected_versions: Set[int] | None = None
) -> None:
    """Move the expense to the trash, where it counts no more and stays for `TRASH_LIFETIME`.

    Raises:
        NotFound, StaleVersion
    """
    record = load_expense(session, user_id=user_id, expense_id=expense_id, for_update=True)
    check_version(record.version, expected_versions)
    now = clock.now()
    _update(session, record, version=record.version + 1, updated_at=now, deleted_at=now)
    apply_spending(session, [part.reversed() for part in spending_of(record)])


def restore_expense(session: Session, *, user_id: UUID, expense_id: UUID) -> ExpenseRecord:
    """Bring the expense back from the trash.

    Raises:
        NotFound: it is not in the trash.
    """
    record = load_expense(session, user_id=user_id, expense_id=expense_id, is_in_trash=True, for_update=True)
    restored = structs.replace(record, version=record.version + 1, updated_at=clock.now(), deleted_at=None)
    _update(session, restored, version=restored.version, updated_at=restored.updated_at, deleted_at=None)
    apply_spending(session, spending_of(restored))
    return restored


def purge_trash(session: Session) -> int:
    """Delete for good a batch of what has lain in the trash for too long; answers how many there were."""
    doomed = some_of(session, EXPENSES, EXPENSES.c.deleted_at < clock.now() - TRASH_LIFETIME)
    if doomed:
        delete_for_good(session, "expense", [(row.user_id, row.id) for row in doomed])
    return len(doomed)


def spending_of(record: ExpenseRecord) -> list[Spending]:
    """The expense as the daily totals count it: each line under its category, or the whole under its own."""
    if not record.lines:
        whole = (record.user_id, record.spent_on, record.category_id, record.currency, record.amount_minor)
        return [Spending(*whole)] if record.rate is None else _converted(record, [Spending(*whole)])
    parts = [
        Spending(record.user_id, record.spent_on, line.category_id, record.currency, line.amount_minor)
        for line in record.lines
    ]
    return parts if record.rate is None else _converted(record, parts)


def _converted(record: ExpenseRecord, parts: Sequence[Spending]) -> list[Spending]:
    """The parts with what the user's own rate makes of them."""
    if record.rate is None or record.rate_currency is None:
        return list(parts)
    minors = [part.amount_minor for part in parts]
    converted = convert_parts(minors, record.currency, record.rate_currency, record.rate)
    return [
        structs.replace(part, into_currency=record.rate_currency, converted_minor=minor)
        for part, minor in zip(parts, converted, strict=True)
    ]


def _update(session: Session, record: ExpenseRecord, **values: Any) -> None:
    session.execute(
        update(EXPENSES)
        .where(EXPENSES.c.user_id == record.user_id, EXPENSES.c.id == record.id)
        .values(**values)
    )


def _row(record: ExpenseRecord) -> dict[str, Any]:
    return {
        "user_id": record.user_id,
        "id": record.id,
        "amount_minor": record.amount_minor,
        "currency": record.currency,
        "category_id": record.category_id,
        "spent_on": record.spent_on,
        "payee": record.payee,
        "payee_key": search_key(record.payee),
        "note": record.note,
        "search_text": search_key(
            record.payee, record.note, *record.tags, *(line.note for line in record.lines)
        ),
        "source": record.source,
        "line_count": len(record.lines),
        "tag_count": len(record.tags),
        "version": record.version,
        "created_at": record.created_at,
        "updated_at": record.updated_at,
        "deleted_at": record.deleted_at,
        "rate_currency": record.rate_currency,
        "rate": record.rate,
    }


def _insert_parts(session: Session, records: Sequence[ExpenseRecord]) -> None:
    if lines := _line_rows(records):
        session.execute(insert(LINES), lines)
    if tags := _tag_rows(records):
        session.execute(insert(TAGS), tags)


def _line_rows(records: Iterable[ExpenseRecord]) -> list[dict[str, Any]]:
    return [
        {
            "user_id": record.user_id,
            "expense_id": record.id,
            "position": position,
            "category_id": line.category_id,
            "amount_minor": line.amount_minor,
            "note": line.note,
        }
        for record in records
        for position, line in enumerate(record.lines)
    ]


def _tag_rows(records: Iterable[ExpenseRecord]) -> list[dict[str, Any]]:
    return [
        {"user_id": record.user_id, "expense_id": record.id, "tag": tag, "position": position}
        for record in records
        for position, tag in enumerate(record.tags)
    ]
