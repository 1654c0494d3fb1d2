"""Finding out which rows of an import are there already."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from core.models import Expense, table_of
from core.queries.imports import ROW_DATA, ROWS, ImportRecord
from core.rules.duplicates import (
    MAX_PENDING_DAYS,
    Candidate,
    Known,
    Pending,
    Suspicion,
    booked_twins,
    match_key,
    suspect,
    twin_key,
)

EXPENSES = table_of(Expense)
EARLIER = ROWS.alias("earlier")

STREAMED_ROWS = 5_000
"""Of a result that are in memory at a time."""

Days = tuple[date, date]
"""The first and the last day of the rows."""

Existing = Callable[[Connection, ImportRecord, Days], Iterator[tuple[int, UUID]]]
"""Reads what is recorded and looks like one of an import's ready rows: match keys and ids."""


def find_duplicates(rows: Connection, record: ImportRecord, existing: Existing) -> dict[int, Suspicion]:
    """The ready rows of an import that are suspected to be there already, by position.

    All statements on `rows` see the same state of the database; `existing` reads what is recorded.
    """
    user_id, import_id = record.user_id, record.id
    is_ready = is_ready_row(user_id, import_id)
    days = rows.execute(select(func.min(ROWS.c.day), func.max(ROWS.c.day)).where(is_ready)).one()
    if days[0] is None:
        return {}
    query = select(ROWS.c.position, ROWS.c.match_key, ROWS.c.bank_key).where(is_ready)
    candidates = [Candidate(*row) for row in rows.execute(query.order_by(ROWS.c.position))]
    keys = {one.match_key for one in candidates}
    recorded = (one for one in existing(rows, record, (days[0], days[1])) if one[0] in keys)
    found = suspect(candidates, _known(rows, user_id, import_id), recorded)
    if record.group_id is not None:
        # What a bank has not booked yet is in no file of shared expenses.
        return found
    return found | _booked_twins(rows, user_id, import_id, found, *days)


def is_ready_row(user_id: UUID, import_id: UUID) -> ColumnElement[bool]:
    return (ROWS.c.user_id == user_id) & (ROWS.c.import_id == import_id) & (ROWS.c.state == "ready")


def _is_earlier(user_id: UUID, import_id: UUID) -> ColumnElement[bool]:
    return (
        (EARLIER.c.user_id == user_id) & (EARLIER.c.import_id != import_id) & (EARLIER.c.state == "committed")
    )


def _known(rows: Connection, user_id: UUID, import_id: UUID) -> list[Known]:
    """Rows of earlier imports that have one of the file's keys, the last one first."""
    found: dict[tuple[UUID, int], Known] = {}
    columns = (EARLIER.c.import_id, EARLIER.c.position, EARLIER.c.match_key, EARLIER.c.bank_key)
    for name in ("bank_key", "match_key"):
        keys = select(ROWS.c[name]).where(is_ready_row(user_id, import_id), ROWS.c[name].is_not(None))
        query = select(*columns, EARLIER.c.expense_id).where(
            _is_earlier(user_id, import_id), EARLIER.c[name].in_(keys)
        )
        for earlier_id, position, *known in rows.execute(query):
            found[earlier_id, position] = Known(*known)
    return list(found.values())


def own_expenses(rows: Connection, record: ImportRecord, days: Days) -> Iterator[tuple[int, UUID]]:
    """The user's own expenses outside the trash that look like one of the rows, with their match keys."""
    is_ready = is_ready_row(record.user_id, record.id)
    looks = select(ROWS.c.day, ROWS.c.amount_minor, ROWS.c.currency).where(is_ready)
    columns = (EXPENSES.c.spent_on, EXPENSES.c.amount_minor, EXPENSES.c.currency)
    query = select(EXPENSES.c.id, *columns, EXPENSES.c.payee).where(
        EXPENSES.c.user_id == record.user_id,
        EXPENSES.c.deleted_at.is_(None),
        EXPENSES.c.spent_on.between(*days),
        tuple_(*columns).in_(looks),
    )
    for expense_id, *look in rows.execute(query, execution_options={"yield_per": STREAMED_ROWS}):
        yield match_key(*look), expense_id


def _booked_twins(
    rows: Connection,
    user_id: UUID,
    import_id: UUID,
    found: Mapping[int, Suspicion],
    first: date,
    last: date,
) -> dict[int, Suspicion]:
    """Rows that were pending in an earlier file, as far as they have not been found by other means."""
    span = timedelta(days=MAX_PENDING_DAYS)
    is_near = (
        _is_earlier(user_id, import_id)
        & EARLIER.c.is_pending
        & EARLIER.c.day.between(first - span, last + span)
    )
    taken = {one.expense_id for one in found.values()}
    look = ("day", "amount_minor", "currency", "data")
    query = select(EARLIER.c.expense_id, *(EARLIER.c[name] for name in look)).where(is_near)
    pending = [
        Pending(day, _twin_key(amount, currency, data), expense_id)
        for expense_id, day, amount, currency, data in rows.execute(query)
        if expense_id not in taken
    ]
    if not pending:
        return {}
    amounts = select(EARLIER.c.amount_minor, EARLIER.c.currency).where(is_near)
    booked = select(ROWS.c.position, *(ROWS.c[name] for name in look)).where(
        is_ready_row(user_id, import_id),
        ROWS.c.is_pending.is_(False),
        tuple_(ROWS.c.amount_minor, ROWS.c.currency).in_(amounts),
    )
    own = (
        Pending(day, _twin_key(amount, currency, data), position=position)
        for position, day, amount, currency, data in rows.execute(booked)
        if position not in found
    )
    return booked_twins(own, pending)


def _twin_key(amount_minor: int, currency: str, data: str) -> int:
    return twin_key(amount_minor, currency, ROW_DATA.decode(data).payee)
