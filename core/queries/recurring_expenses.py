"""Reading recurring expenses: to show them, to post what is due, and to tell what is coming."""

import heapq
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select, text

from core.database import Reader
from core.errors import NotFound
from core.models import RecurringExpense, RecurringOccurrence, table_of
from core.queries.expense_parts import Line
from core.rules.recurrence import Pattern, RecurrenceRule, occurrences_from
from core.rules.recurrence_texts import read_rule
from core.rules.recurring_plans import Progress

MAX_KEPT_PATTERNS = 2_000
"""Of all users, a megabyte. Most rules are one of a few."""

RECURRING = table_of(RecurringExpense)
OCCURRENCES = table_of(RecurringOccurrence)

Key = tuple[UUID, UUID]
"""User id and id of a recurring expense."""


class RecurringRecord(msgspec.Struct, frozen=True):
    """A recurring expense as it is kept; see `core/models/recurring_expenses.py`."""

    user_id: UUID
    id: UUID
    amount_minor: int
    currency: str
    category_id: UUID | None
    payee: str | None
    note: str | None
    tags: list[str]
    lines: list[dict[str, Any]]
    rule: str
    starts_on: date
    ends_on: date | None
    count: int | None
    last_on: date | None
    remind_days_before: int | None
    is_variable: bool
    is_paused: bool
    handled_through: date
    reminded_through: date
    ahead_on: date | None
    next_on: date | None
    next_at: datetime | None
    problem: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> Key:
        return self.user_id, self.id

    @property
    def pattern(self) -> Pattern:
        return _pattern(self.rule)

    @property
    def recurrence(self) -> RecurrenceRule:
        return RecurrenceRule(pattern=self.pattern, starts_on=self.starts_on, last_on=self.last_on)

    @property
    def parts(self) -> tuple[Line, ...]:
        return tuple(read_line(line) for line in self.lines)

    @property
    def category_ids(self) -> set[UUID]:
        """Its own, and those of its lines."""
        named = {self.category_id, *(part.category_id for part in self.parts)}
        return {one for one in named if one is not None}


class OccurrenceRecord(msgspec.Struct, frozen=True):
    """What became of an occurrence."""

    user_id: UUID
    recurring_id: UUID
    due_on: date
    state: str
    expense_id: UUID | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Upcoming:
    """An occurrence that is going to fall due. What is variable has no amount yet, but an expected one."""

    due_on: date
    recurring_id: UUID
    amount_minor: int
    currency: str
    payee: str | None
    category_id: UUID | None
    is_variable: bool


@dataclass(frozen=True, slots=True)
class Awaiting:
    """How many occurrences of a recurring expense await their amount, and the day of the first of them."""

    count: int = 0
    first_on: date | None = None


NOTHING_AWAITED = Awaiting()

WITH_RECURRING = (
    select(RECURRING.c.user_id)
    .where(RECURRING.c.user_id.in_(bindparam("user_ids", expanding=True)), RECURRING.c.next_on.is_not(None))
    .distinct()
)
COLUMNS = tuple(RECURRING.c[name] for name in RecurringRecord.__struct_fields__)
OCCURRENCE_COLUMNS = tuple(OCCURRENCES.c[name] for name in OccurrenceRecord.__struct_fields__)

# Built once: a tick runs them all the time, and building a statement costs more than running it.
_OWN = select(*COLUMNS).where(RECURRING.c.user_id == bindparam("user_id"))
ALL = _OWN.order_by(RECURRING.c.id)
ONE = _OWN.where(RECURRING.c.id == bindparam("recurring_id"))
SOME = _OWN.where(RECURRING.c.id.in_(bindparam("ids", expanding=True)))
IS_DUE = RECURRING.c.next_at <= bindparam("now")
DUE = (
    select(RECURRING.c.user_id, RECURRING.c.id)
    .where(IS_DUE)
    .order_by(RECURRING.c.next_at)
    .limit(bindparam("most"))
)
HANDLED_AHEAD = select(OCCURRENCES.c.due_on).where(
    OCCURRENCES.c.user_id == bindparam("user_id"),
    OCCURRENCES.c.recurring_id == bindparam("recurring_id"),
    OCCURRENCES.c.due_on > bindparam("after"),
)

# Written out, so that the partial index is known to hold all of them.
IS_AWAITING = text("recurring_occurrences.state = 'awaiting'")

AWAITING = (
    select(OCCURRENCES.c.recurring_id, func.count(), func.min(OCCURRENCES.c.due_on))
    .where(
        OCCURRENCES.c.user_id == bindparam("user_id"),
        OCCURRENCES.c.recurring_id.in_(bindparam("ids", expanding=True)),
        IS_AWAITING,
    )
    .group_by(OCCURRENCES.c.recurring_id)
)
_AWAITED = (
    select(
        OCCURRENCES.c.user_id,
        OCCURRENCES.c.recurring_id,
        OCCURRENCES.c.due_on,
        func.row_number()
        .over(partition_by=OCCURRENCES.c.user_id, order_by=(OCCURRENCES.c.due_on, OCCURRENCES.c.recurring_id))
        .label("place"),
    )
    .where(OCCURRENCES.c.user_id.in_(bindparam("user_ids", expanding=True)), IS_AWAITING)
    .subquery()
)
AWAITED_BY_USERS = (
    select(
        _AWAITED.c.user_id,
        _AWAITED.c.due_on,
        _AWAITED.c.recurring_id,
        RECURRING.c.amount_minor,
        RECURRING.c.currency,
        RECURRING.c.payee,
        RECURRING.c.category_id,
        RECURRING.c.is_variable,
    )
    .join(
        RECURRING,
        (RECURRING.c.user_id == _AWAITED.c.user_id) & (RECURRING.c.id == _AWAITED.c.recurring_id),
    )
    .where(_AWAITED.c.place <= bindparam("most"))
    .order_by(_AWAITED.c.user_id, _AWAITED.c.place)
)


def load_recurring(reader: Reader, *, user_id: UUID, recurring_id: UUID) -> RecurringRecord:
    """The user's recurring expense.

    Raises:
        NotFound
    """
    row = reader.execute(ONE, {"user_id": user_id, "recurring_id": recurring_id}).first()
    if row is None:
        raise NotFound("no such recurring expense")
    return RecurringRecord(*row)


def list_recurring(reader: Reader, *, user_id: UUID) -> list[RecurringRecord]:
    """All of the user's, the oldest first; there are few."""
    return [RecurringRecord(*row) for row in reader.execute(ALL, {"user_id": user_id})]


def recurring_by_id(reader: Reader, *, user_id: UUID, ids: Sequence[UUID]) -> list[RecurringRecord]:
    """Those of the user's that are there, in whatever order."""
    if not ids:
        return []
    return [RecurringRecord(*row) for row in reader.execute(SOME, {"user_id": user_id, "ids": list(ids)})]


def awaiting_of(reader: Reader, records: Sequence[RecurringRecord]) -> dict[UUID, Awaiting]:
    """What awaits its amount, by the ids of one user's recurring expenses; one query for all of them.

    One that varies no more may still have some.
    """
    found = {record.id: NOTHING_AWAITED for record in records}
    if records:
        rows = reader.execute(AWAITING, {"user_id": records[0].user_id, "ids": list(found)})
        found.update((recurring_id, Awaiting(count, first_on)) for recurring_id, count, first_on in rows)
    return found


def due_keys(reader: Reader, *, now: datetime, limit: int) -> list[Key]:
    """Those for which there is something to do, the longest due first."""
    return [(row.user_id, row.id) for row in reader.execute(DUE, {"now": now, "most": limit})]


def progress_of(reader: Reader, record: RecurringRecord) -> Progress:
    """How far it has come; a query only where something was handled ahead of its day."""
    taken = set[date]()
    if record.ahead_on is not None and record.ahead_on > record.handled_through:
        parameters = {"user_id": record.user_id, "recurring_id": record.id, "after": record.handled_through}
        taken = set(reader.execute(HANDLED_AHEAD, parameters).scalars())
    return Progress(
        handled_through=record.handled_through, reminded_through=record.reminded_through, taken=taken
    )


def list_occurrences(
    reader: Reader,
    *,
    user_id: UUID,
    recurring_id: UUID,
    state: str | None = None,
    before: date | None = None,
    limit: int,
) -> list[OccurrenceRecord]:
    """What became of occurrences, the newest first, those before a day.

    Raises:
        NotFound
    """
    load_recurring(reader, user_id=user_id, recurring_id=recurring_id)
    query = select(*OCCURRENCE_COLUMNS).where(
        OCCURRENCES.c.user_id == user_id, OCCURRENCES.c.recurring_id == recurring_id
    )
    if state is not None:
        query = query.where(OCCURRENCES.c.state == state)
    if before is not None:
        query = query.where(OCCURRENCES.c.due_on < before)
    rows = reader.execute(query.order_by(OCCURRENCES.c.due_on.desc()).limit(limit))
    return [OccurrenceRecord(*row) for row in rows]


def users_with_recurring(reader: Reader, *, user_ids: Collection[UUID]) -> set[UUID]:
    """Those of them for whom something is still to come."""
    return set(reader.execute(WITH_RECURRING, {"user_ids": list(user_ids)}).scalars())


def awaited_by_users(reader: Reader, *, user_ids: Collection[UUID], limit: int) -> dict[UUID, list[Upcoming]]:
    """By user what was due and awaits its amount, the oldest first; who has nothing of it is missing."""
    found: dict[UUID, list[Upcoming]] = {}
    for user_id, *one in reader.execute(AWAITED_BY_USERS, {"user_ids": list(user_ids), "most": limit}):
        found.setdefault(user_id, []).append(Upcoming(*one))
    return found


def upcoming(
    reader: Reader,
    *,
    user_id: UUID,
    first: date,
    last: date,
    after: tuple[date, UUID] | None = None,
    limit: int | None = None,
) -> list[Upcoming]:
    """What will fall due in [first, last] over all of the user's, by day and id; not what is paused.

    With `after` it begins behind that day and recurring expense. Without a limit there may be as many as
    there are recurring expenses, for each of the days.
    """
    found = [
        _upcoming(reader, record, max(first, after[0]) if after else first, last)
        for record in list_recurring(reader, user_id=user_id)
        if record.next_on is not None and record.next_on <= last
    ]
    merged = heapq.merge(*found, key=lambda one: (one.due_on, one.recurring_id))
    return list(islice((one for one in merged if after is None or _place(one) > after), limit))


def _place(one: Upcoming) -> tuple[date, UUID]:
    return one.due_on, one.recurring_id


def _upcoming(reader: Reader, record: RecurringRecord, first: date, last: date) -> Iterator[Upcoming]:
    progress = progress_of(reader, record)
    begin = max(first, progress.handled_through + timedelta(days=1))
    return (
        Upcoming(
            due_on=day,
            recurring_id=record.id,
            amount_minor=record.amount_minor,
            currency=record.currency,
            payee=record.payee,
            category_id=record.category_id,
            is_variable=record.is_variable,
        )
        for day in occurrences_from(record.recurrence, begin, last)
        if day not in progress.taken
    )


@lru_cache(MAX_KEPT_PATTERNS)
def _pattern(text: str) -> Pattern:
    return read_rule(text).pattern


def read_line(line: dict[str, Any]) -> Line:
    """A line as it is kept in JSON."""
    return msgspec.convert(line, Line)


def kept_line(line: Line) -> dict[str, Any]:
    """A line as JSON keeps it."""
    found: dict[str, Any] = msgspec.to_builtins(line)
    return found
