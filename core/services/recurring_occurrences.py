"""Skipping an occurrence of a recurring expense, and saying the amount of one that awaits it."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from msgspec import structs
from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.queries.expenses import ExpenseRecord
from core.queries.recurring_expenses import (
    OCCURRENCE_COLUMNS,
    OCCURRENCES,
    OccurrenceRecord,
    RecurringRecord,
    load_recurring,
)
from core.rules.money import AmountError, parse_amount
from core.rules.recurrence import occurrences_between
from core.services import recurring_notices as notices
from core.services.expense_drafts import ExpenseInput, draft_expenses
from core.services.expenses import store_expenses
from core.services.locks import LockedUser, lock_user
from core.services.notifications import notify
from core.services.recurring_expenses import keep
from core.services.recurring_posting import as_input


def skip_occurrence(
    session: Session, *, user_id: UUID, recurring_id: UUID, due_on: date | None
) -> RecurringRecord:
    """Leave out one occurrence: the next one, one ahead, or one that awaits its amount.

    Raises:
        NotFound
        InvalidInput: with the pointer `/due_on`, it falls on no such day.
        Conflict: there is no next one, or it has been posted, missed or skipped already.
    """
    user = _lock(session, user_id)
    record = load_recurring(session, user_id=user_id, recurring_id=recurring_id)
    due_on = record.next_on if due_on is None else due_on
    if due_on is None:
        raise Conflict("nothing comes next: it is paused or has ended")
    found = _find(session, record, due_on)
    if found is not None and found.state != "awaiting":
        raise Conflict(f"the occurrence of {due_on} was {found.state} already")
    if found is not None:
        _set_state(session, found, "skipped", None)
        return keep(session, record, user)
    if due_on <= record.handled_through or not occurrences_between(record.recurrence, due_on, due_on):
        raise invalid("/due_on", "is no day on which it still falls due")
    now = clock.now()
    skipped = OccurrenceRecord(user_id, recurring_id, due_on, "skipped", None, now, now)
    session.execute(insert(OCCURRENCES), structs.asdict(skipped))
    ahead_on = due_on if record.ahead_on is None else max(record.ahead_on, due_on)
    return keep(session, structs.replace(record, ahead_on=ahead_on, problem=None), user)


def confirm_occurrence(
    session: Session, *, user_id: UUID, recurring_id: UUID, due_on: date, amount: str
) -> ExpenseRecord:
    """Record the expense of an occurrence that awaits its amount, dated on its day; told as posting is.

    Lines that it was given since are left out if they sum up to something else.

    Raises:
        NotFound, InvalidInput
        Conflict: nothing awaits an amount on that day.
    """
    user = _lock(session, user_id)
    record = load_recurring(session, user_id=user_id, recurring_id=recurring_id)
    found = _find(session, record, due_on)
    if found is None or found.state != "awaiting":
        was = "nothing awaits an amount on" if found is None else f"was {found.state} already:"
        raise Conflict(f"{was} {due_on}")
    (draft,) = draft_expenses(session, [_with_amount(record, due_on, amount)], with_rules=True)
    if not isinstance(draft, ExpenseRecord):
        raise draft
    store_expenses(session, [draft])
    _set_state(session, found, "posted", draft.id)
    # A new version, as what still awaits its amount is part of what clients see.
    keep(session, record, user)
    notify(session, [notices.posted(record, due_on, draft)], users={user_id: user})
    return draft


def _with_amount(record: RecurringRecord, due_on: date, amount: str) -> ExpenseInput:
    """The expense with the amount that was given: lines that were set up since are parts of another one."""
    given = as_input(record, due_on, amount=amount)
    try:
        is_usual = parse_amount(amount, record.currency) == record.amount_minor
    except AmountError:
        return given  # drafting says what is wrong with it
    return given if is_usual else replace(given, lines=())


def _find(session: Session, record: RecurringRecord, due_on: date) -> OccurrenceRecord | None:
    row = session.execute(select(*OCCURRENCE_COLUMNS).where(*_is(record.user_id, record.id, due_on))).first()
    return None if row is None else OccurrenceRecord(*row)


def _set_state(session: Session, found: OccurrenceRecord, state: str, expense_id: UUID | None) -> None:
    session.execute(
        update(OCCURRENCES)
        .where(*_is(found.user_id, found.recurring_id, found.due_on))
        .values(state=state, expense_id=expense_id, updated_at=clock.now())
    )


def _is(user_id: UUID, recurring_id: UUID, due_on: date) -> tuple[ColumnElement[bool], ...]:
    return (
        OCCURRENCES.c.user_id == user_id,
        OCCURRENCES.c.recurring_id == recurring_id,
        OCCURRENCES.c.due_on == due_on,
    )


def _lock(session: Session, user_id: UUID) -> LockedUser:
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise NotFound("no such user")
    return user
