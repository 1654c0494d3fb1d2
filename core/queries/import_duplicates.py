"""Finding out which rows of an import are there already."""

from collections.abc import Iterator, Mapping, Set
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, func, select, tuple_

from core.models import Expense, table_of
from core.queries.imports import ROW_DATA, ROWS
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


def find_duplicates(rows: Connection, *, user_id: UUID, import_id: UUID) -> dict[int, Suspicion]:
    """The ready rows of an import that are suspected to be there already, by position.

    All statements on `rows` see the same state of the database.
    """
    is_ready = _is_ready(user_id, import_id)
    days = rows.execute(select(func.min(ROWS.c.day), func.max(ROWS.c.day)).where(is_ready)).one()
    if days[0] is None:
        return {}
    query = select(ROWS.c.position, ROWS.c.match_key, ROWS.c.bank_key).where(is_ready)
    candidates = [Candidate(*row) for row in rows.execute(query.order_by(ROWS.c.position))]
    keys = {one.match_key for one in candidates}
    known = _known(rows, user_id, import_id)
    found = suspect(candidates, known, _expenses(rows, user_id, import_id, keys, *days))
    return found | _booked_twins(rows, user_id, import_id, found, *days)


def _is_ready(user_id: UUID, import_id: UUID) -> ColumnElement[bool]:
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
        keys = select(ROWS.c[name]).where(_is_ready(user_id, import_id), ROWS.c[name].is_not(None))
        query = select(*columns, EARLIER.c.expense_id).where(
            _is_earlier(user_id, import_id), EARLIER.c[name].in_(keys)
        )
        for earlier_id, position, *known in rows.execute(query):
            found[earlier_id, position] = Known(*known)
    return list(found.values())


def _expenses(
    rows: Connection, user_id: UUID, import_id: UUID, keys: Set[int], first: date, last: date
) -> Iterator[tuple[int, UUID]]:
    """Expenses outside the trash that look like one of the rows."""
    looks = select(ROWS.c.day, ROWS.c.amount_minor, ROWS.c.currency).where(_is_ready(user_id, import_id))
    columns = (EXPENSES.c.spent_on, EXPENSES.c.amount_minor, EXPENSES.c.currency)
    query = select(EXPENSES.c.id, *columns, EXPENSES.c.payee).where(
        EXPENSES.c.user_id == user_id,
        EXPENSES.c.deleted_at.is_(None),
        EXPENSES.c.spent_on.between(first, last),
        tuple_(*columns).in_(looks),
    )
    for expense_id, *look in rows.execute(query, execution_options={"yield_per": STREAMED_ROWS}):
        key = match_key(*look)
        if key in keys:
            yield key, expense_id


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
        _is_ready(user_id, import_id),
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
