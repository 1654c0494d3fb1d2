"""Posting what is due of recurring expenses, and reminding of what will be.

Each transaction does one occurrence of each of many recurring expenses: what is late is caught up by the next
ones, in order. Their users' rows are locked first, as everywhere; so nobody changes the time zone, a category
or the recurring expense meanwhile. The key of the occurrences is why none is posted twice in any case.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Update, bindparam, select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import pipelined
from core.errors import InvalidInput, OutlayError
from core.logging import get_logger
from core.many_rows import insert_rows
from core.models.recurring_expenses import RECURRING as SOURCE
from core.queries.expenses import ExpenseRecord
from core.queries.recurring_expenses import (
    COLUMNS,
    IS_DUE,
    OCCURRENCES,
    RECURRING,
    Key,
    RecurringRecord,
    progress_of,
)
from core.rules.money import format_amount
from core.rules.recurring_plans import Progress, days_to_remind_of, due_days, newest_day, plan
from core.services import recurring_notices as notices
from core.services.dialects import recordset
from core.services.expense_drafts import ExpenseInput, LineInput, draft_expenses
from core.services.expenses import insert_many_expenses, spending_of
from core.services.locks import LockedUser, lock_free_users, lock_users
from core.services.notifications import NewNotification, notify
from core.services.spending import apply_spending, refusing_large_totals

MAX_CAUGHT_UP = 31
"""Late occurrences that are still posted, of each recurring expense: a month of days. Whoever was away for
longer is told, and enters what is wanted; a year of expenses at once would be nothing but a surprise."""

MAX_KEPT_MISSED = 1_000
"""Missed occurrences that are kept, the newest: nearly three years of days. All are told by number."""

RETRY_AFTER = timedelta(hours=1)
"""What could not be posted is tried again so much later, or when the recurring expense is changed."""

log = get_logger(__name__)

# Built once: building a statement costs more than running it.
CLAIM = (
    select(*COLUMNS)
    .where(IS_DUE, RECURRING.c.user_id.in_(bindparam("user_ids", expanding=True)))
    .order_by(RECURRING.c.next_at)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
CLAIM_ONE = (
    select(*COLUMNS)
    .where(IS_DUE, RECURRING.c.user_id == bindparam("owner"), RECURRING.c.id == bindparam("its_id"))
    .with_for_update(skip_locked=True)
)
NEWS = ("handled_through", "reminded_through", "next_on", "next_at", "problem", "version", "updated_at")
"""What a turn may change of a recurring expense."""

GO_ON = (
    update(RECURRING)
    .where(RECURRING.c.user_id == bindparam("owner"), RECURRING.c.id == bindparam("its_id"))
    .values({name: bindparam(f"new_{name}") for name in NEWS})
)


def _go_on_many() -> Update:
    """As `GO_ON`, for many in one statement: one by one each takes three times as long."""
    types = {"owner": RECURRING.c.user_id.type, "its_id": RECURRING.c.id.type}
    given = recordset("rows", types | {f"new_{name}": RECURRING.c[name].type for name in NEWS})
    is_its = (RECURRING.c.user_id == given.c.owner, RECURRING.c.id == given.c.its_id)
    return update(RECURRING).where(*is_its).values({name: given.c[f"new_{name}"] for name in NEWS})


GO_ON_MANY = _go_on_many()


@dataclass(frozen=True, slots=True)
class Batch:
    """How many were done, and which are to be done alone, as they have failed before."""

    done: int
    alone: Sequence[Key]


@dataclass(slots=True)
class _Turn:
    """What is to be done for a recurring expense, and what has come of it."""

    record: RecurringRecord
    timezone: str
    today: date
    progress: Progress
    due_on: date | None = None
    missed: Sequence[date] = ()
    messages: list[NewNotification] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    problem: str | None = None
    retry_at: datetime | None = None


def post_due(session: Session, *, user_ids: Collection[UUID], limit: int, but: Collection[Key]) -> Batch:
    """Post what is due of some recurring expenses of these users, one occurrence of each.

    Where somebody else is at a user it is left for later.
    """
    users = lock_free_users(session, user_ids)
    parameters = {"now": clock.now(), "user_ids": list(users), "most": limit}
    records = [RecurringRecord(*row) for row in session.execute(CLAIM, parameters)]
    records = [record for record in records if record.key not in but]
    alone = [record.key for record in records if record.problem is not None]
    together = [record for record in records if record.problem is None]
    _post(session, together, users)
    return Batch(len(together), alone)


def post_one(session: Session, *, key: Key) -> bool:
    """Post what is due of this one; False if nothing is any more."""
    users = lock_users(session, [key[0]])
    row = session.execute(CLAIM_ONE, {"now": clock.now(), "owner": key[0], "its_id": key[1]}).first()
    if row is None or not users:
        return False
    _post(session, [RecurringRecord(*row)], users)
    return True


def set_aside(session: Session, *, key: Key, problem: str) -> None:
    """Let a recurring expense wait that could not be posted, and tell its user unless that was done."""
    users = lock_users(session, [key[0]])
    row = session.execute(CLAIM_ONE, {"now": clock.now(), "owner": key[0], "its_id": key[1]}).first()
    if row is None or not users:
        return
    turn = _begin(session, RecurringRecord(*row), users[key[0]])
    _stop(turn, problem)
    _finish(session, [turn], users)


def _post(session: Session, records: Sequence[RecurringRecord], users: Mapping[UUID, LockedUser]) -> None:
    turns = [_begin(session, record, users[record.user_id]) for record in records]
    posting = [turn for turn in turns if turn.due_on is not None and not turn.record.is_variable]
    inputs = [as_input(turn.record, turn.due_on) for turn in posting]
    drafts = draft_expenses(session, inputs, with_rules=True) if inputs else []
    for turn, draft in zip(posting, drafts, strict=True):
        if isinstance(draft, ExpenseRecord):
            _settle(turn, "posted", draft)
        else:
            _stop(turn, _reason(draft))
    for turn in turns:
        if turn.due_on is not None and turn.record.is_variable:
            _settle(turn, "awaiting", None)
    expenses = [draft for draft in drafts if isinstance(draft, ExpenseRecord)]
    with refusing_large_totals():
        insert_many_expenses(session, expenses)
        with pipelined(session):
            apply_spending(session, (part for expense in expenses for part in spending_of(expense)))
        _finish(session, turns, users)


def _begin(session: Session, record: RecurringRecord, user: LockedUser) -> _Turn:
    """Find out what is to be done, and do what is only to be told."""
    today = newest_day(clock.now(), user.timezone)
    turn = _Turn(record, user.timezone, today, progress_of(session, record))
    rule, remind_days = record.recurrence, record.remind_days_before
    if record.next_on is not None and record.next_on <= today:
        due = due_days(rule, turn.progress, today=today)
        turn.missed, due = due[:-MAX_CAUGHT_UP], due[-MAX_CAUGHT_UP:]
        turn.due_on = due[0] if due else None
    ahead = days_to_remind_of(rule, turn.progress, remind_days=remind_days, today=today)
    turn.messages = [notices.reminder(record, day) for day in ahead]
    if turn.missed:
        log.warning("recurring.missed", recurring_id=record.id, occurrences=len(turn.missed))
        turn.rows = [_row(turn, day, "missed", None) for day in turn.missed[-MAX_KEPT_MISSED:]]
    return turn


def as_input(record: RecurringRecord, due_on: date | None, *, amount: str | None = None) -> ExpenseInput:
    """The expense that an occurrence is to become, as if its user had sent it."""
    return ExpenseInput(
        user_id=record.user_id,
        amount=format_amount(record.amount_minor, record.currency) if amount is None else amount,
        currency=record.currency,
        category_id=record.category_id,
        spent_on=due_on,
        payee=record.payee,
        note=record.note,
        tags=tuple(record.tags),
        lines=tuple(
            LineInput(line.category_id, format_amount(line.amount_minor, record.currency), line.note)
            for line in record.parts
        ),
        source=SOURCE,
    )


def _settle(turn: _Turn, state: str, expense: ExpenseRecord | None) -> None:
    record, due_on = turn.record, turn.due_on
    if due_on is None:
        return
    turn.rows.append(_row(turn, due_on, state, None if expense is None else expense.id))
    message = notices.awaiting(record, due_on) if expense is None else notices.posted(record, due_on, expense)
    turn.messages.insert(0, notices.with_missed(message, turn.missed))
    turn.progress = _handled(turn.progress, due_on)


def _stop(turn: _Turn, problem: str) -> None:
    """The occurrence waits; its user is told once, and the log says so each time.

    What is too long ago meanwhile is told as well: it waits no more.
    """
    record, due_on = turn.record, turn.due_on or turn.today
    log.warning("recurring.not_posted", recurring_id=record.id, due_on=due_on, problem=problem)
    if record.problem is None or turn.missed:
        message = notices.stopped(record, due_on, problem)
        turn.messages.insert(0, notices.with_missed(message, turn.missed))
    if turn.missed:
        turn.progress = _handled(turn.progress, turn.missed[-1])
    turn.problem, turn.retry_at = problem, clock.now() + RETRY_AFTER


def _handled(progress: Progress, day: date) -> Progress:
    return Progress(
        handled_through=max(progress.handled_through, day),
        reminded_through=progress.reminded_through,
        taken=progress.taken,
    )


def _row(turn: _Turn, due_on: date, state: str, expense_id: UUID | None) -> dict[str, Any]:
    now = clock.now()
    return {
        "user_id": turn.record.user_id,
        "recurring_id": turn.record.id,
        "due_on": due_on,
        "state": state,
        "expense_id": expense_id,
        "created_at": now,
        "updated_at": now,
    }


def _finish(session: Session, turns: Sequence[_Turn], users: Mapping[UUID, LockedUser]) -> None:
    """Note what became of them and what comes next, and tell it."""
    insert_rows(session, OCCURRENCES, (row for turn in turns for row in turn.rows))
    with pipelined(session):
        states = [_state_after(turn) for turn in turns]
        if states and session.get_bind().dialect.name == "postgresql":
            session.execute(GO_ON_MANY, {"rows": msgspec.json.encode(states).decode()})
        elif states:
            session.execute(GO_ON, states)
        notify(session, [message for turn in turns for message in turn.messages], users=users)


def _state_after(turn: _Turn) -> dict[str, Any]:
    record = turn.record
    remind_days = record.remind_days_before
    progress = Progress(
        handled_through=turn.progress.handled_through,
        reminded_through=max(turn.progress.reminded_through, turn.today + timedelta(days=remind_days or 0)),
        taken=turn.progress.taken,
    )
    following = plan(record.recurrence, progress, remind_days=remind_days, timezone=turn.timezone)
    # A reminder changes nothing that clients see.
    is_seen = (following.next_on, turn.problem) != (record.next_on, record.problem)
    return {
        "owner": record.user_id,
        "its_id": record.id,
        "new_handled_through": progress.handled_through,
        "new_reminded_through": progress.reminded_through,
        "new_next_on": following.next_on,
        "new_next_at": turn.retry_at or following.next_at,
        "new_problem": turn.problem,
        "new_version": record.version + is_seen,
        "new_updated_at": clock.now() if is_seen else record.updated_at,
    }


def _reason(error: OutlayError) -> str:
    """What is wrong, in words for the user."""
    if isinstance(error, InvalidInput):
        return "; ".join(wrong.detail for wrong in error.fields)
    return error.detail
