"""Recurring expenses of an archive, with what became of their occurrences.

What was handled elsewhere is not handled again here: an archive says how far each has come. What has fallen
due since then is caught up, as after any time away.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.archive.fields import NOTHING
from core.archive.reading import Entry
from core.archive.records import OccurrenceItem, RecurringItem
from core.errors import invalid
from core.many_rows import insert_rows
from core.queries.expenses import ExpenseRecord
from core.queries.recurring_expenses import (
    OCCURRENCES,
    RECURRING,
    RecurringRecord,
    kept_line,
    list_recurring,
)
from core.rules.periods import MAX_DAY
from core.rules.recurrence import next_occurrence
from core.services.archived_budgets import FIRST_START
from core.services.archived_drafts import Drafts, draft_each, items_of
from core.services.changes import forget_deleted
from core.services.expense_drafts import DraftContext, ExpenseInput, LineInput, draft_expense
from core.services.recurring_expenses import MAX_RECURRING
from core.services.recurring_input import ScheduleInput, checked_schedule

Row = dict[str, Any]


def draft_recurring(
    session: Session, *, user_id: UUID, entries: Iterable[Entry], category_ids: Mapping[UUID, UUID]
) -> Drafts[RecurringRecord]:
    """`category_ids` lead from the archive's categories to the user's.

    The caller holds the user's lock if they are to be stored.
    """
    ids = {record.id for record in list_recurring(session, user_id=user_id)}

    def draft(item: RecurringItem) -> RecurringRecord | None:
        if item.id in ids:
            return None
        if len(ids) >= MAX_RECURRING:
            raise invalid("", f"there are {MAX_RECURRING} recurring expenses already, which is the most")
        drafted = _draft(item, user_id, category_ids)
        ids.add(item.id)
        return drafted

    return draft_each(items_of(entries, RecurringItem), draft)


def _draft(item: RecurringItem, user_id: UUID, category_ids: Mapping[UUID, UUID]) -> RecurringRecord:
    """Raises: InvalidInput."""
    if item.id == NOTHING:
        raise invalid("/id", "is no id of its own")
    for name in ("handled_through", "reminded_through"):
        _check_day(f"/{name}", getattr(item, name))
    if item.is_variable and item.lines:
        raise invalid("/lines", "cannot be given ahead of an amount that varies")
    template = _template(item, user_id, category_ids)
    schedule = ScheduleInput(
        rrule=item.rrule, starts_on=item.starts_on, ends_on=item.ends_on, count=item.count
    )
    drafted = RecurringRecord(
        user_id=user_id,
        id=item.id,
        amount_minor=template.amount_minor,
        currency=template.currency,
        category_id=template.category_id,
        payee=template.payee,
        note=template.note,
        tags=list(template.tags),
        lines=[kept_line(line) for line in template.lines],
        **checked_schedule(schedule, today=item.starts_on),
        remind_days_before=item.remind_days_before,
        is_variable=item.is_variable,
        is_paused=item.is_paused,
        handled_through=item.handled_through,
        reminded_through=item.reminded_through,
        ahead_on=None,
        next_on=None,
        next_at=None,
        problem=None,
        version=item.version,
        created_at=item.created_at,
        updated_at=item.updated_at,
    )
    next_on = next_occurrence(drafted.recurrence, after=drafted.handled_through)
    if drafted.is_paused or next_on is None:
        return drafted
    # The next tick finds out when it is due.
    return structs.replace(drafted, next_on=next_on, next_at=clock.now())


def _check_day(pointer: str, day: date) -> None:
    """No occurrence is older than the program; all since then are looked at."""
    if not FIRST_START <= day <= MAX_DAY:
        raise invalid(pointer, f"must be between {FIRST_START} and {MAX_DAY}")


def _template(item: RecurringItem, user_id: UUID, category_ids: Mapping[UUID, UUID]) -> ExpenseRecord:
    """Checked as an expense is."""

    def own(category_id: UUID | None) -> UUID | None:
        # What is not there is found to be wrong.
        return None if category_id is None else category_ids.get(category_id, NOTHING)

    context = DraftContext(
        now=clock.now(),
        users={user_id: ("", "UTC")},
        categories={(user_id, category_id) for category_id in category_ids.values()},
        rules={},
    )
    given = ExpenseInput(
        user_id=user_id,
        amount=item.amount,
        currency=item.currency,
        category_id=own(item.category_id),
        spent_on=item.handled_through,
        payee=item.payee,
        note=item.note,
        tags=tuple(item.tags),
        lines=tuple(LineInput(own(line.category_id), line.amount, line.note) for line in item.lines),
    )
    return draft_expense(given, context)


def store_recurring(session: Session, *, user_id: UUID, records: Sequence[RecurringRecord]) -> None:
    forget_deleted(session, user_id=user_id, ids=[record.id for record in records])
    session.execute(insert(RECURRING), [structs.asdict(record) for record in records])


class OccurrenceDrafting:
    """Drafts the occurrences of recurring expenses that have just come; others have theirs already."""

    def __init__(self, user_id: UUID, recurring_ids: Iterable[UUID]) -> None:
        self._user_id = user_id
        self._recurring_ids = frozenset(recurring_ids)
        self._known = set[tuple[UUID, date]]()

    def draft(self, entries: Iterable[Entry]) -> Drafts[Row]:
        return draft_each(items_of(entries, OccurrenceItem), self._draft)

    def _draft(self, item: OccurrenceItem) -> Row | None:
        key = (item.recurring_id, item.due_on)
        if item.recurring_id not in self._recurring_ids or key in self._known:
            return None
        _check_day("/due_on", item.due_on)
        self._known.add(key)
        return {"user_id": self._user_id, **structs.asdict(item)}


def store_occurrences(session: Session, *, user_id: UUID, rows: Sequence[Row]) -> None:
    """Those that were handled ahead of their day will be passed over when it comes."""
    insert_rows(session, OCCURRENCES, rows)
    newest = dict[UUID, date]()
    for row in rows:
        newest[row["recurring_id"]] = max(row["due_on"], newest.get(row["recurring_id"], FIRST_START))
    is_own = RECURRING.c.user_id == user_id
    known = select(RECURRING.c.id, RECURRING.c.ahead_on).where(is_own, RECURRING.c.id.in_(newest))
    for recurring_id, ahead_on in session.execute(known).all():
        day = max(newest[recurring_id], ahead_on or FIRST_START)
        session.execute(
            update(RECURRING)
            .where(is_own, RECURRING.c.id == recurring_id, RECURRING.c.handled_through < day)
            .values(ahead_on=day)
        )
