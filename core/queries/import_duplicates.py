"""Finding out which rows of an import are there already."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from datetime import date, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, and_, any_, literal, select

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
ASKED_ROWS = 2_000
"""Keys in a statement, whose parameters are limited. A join of what is large with what was written a moment
ago would need fewer, but PostgreSQL, which knows nothing of that yet, may take an hour for it."""

STREAMED_ROWS = 5_000
"""Of a result that are in memory at a time."""

Looks = Set[tuple[date, int]]
"""Days and amounts of rows."""

Existing = Callable[[Connection, ImportRecord, Looks], Iterator[tuple[int, UUID]]]
"""Reads what is recorded and has the look of one of an import's rows: match keys and ids."""


def find_duplicates(rows: Connection, record: ImportRecord, existing: Existing) -> dict[int, Suspicion]:
    """The ready rows of an import that are suspected to be there already, by position.

    Those that are suspected by now take part: what they are matched with is not there for others. All
    statements on `rows` see the same state of the database; `existing` reads what is recorded.
    """
    user_id, import_id = record.user_id, record.id
    columns = ("position", "match_key", "bank_key", "day", "amount_minor", "state")
    query = select(*(ROWS.c[name] for name in columns)).where(_is_candidate(user_id, import_id))
    candidates: list[Candidate] = []
    looks, suspected = set[tuple[date, int]](), set[int]()
    for position, match, bank, day, amount, state in stream(rows, query.order_by(ROWS.c.position)):
        candidates.append(Candidate(position, match, bank))
        looks.add((day, amount))
        if state == "duplicate":
            suspected.add(position)
    if not candidates:
        return {}
    known = _known(rows, user_id, import_id, candidates)
    found = suspect(candidates, known, existing(rows, record, looks))
    if record.group_id is None:
        # What a bank has not booked yet is in no file of a group.
        days = [day for day, _amount in looks]
        found |= _booked_twins(rows, user_id, import_id, found, min(days), max(days))
    return {position: one for position, one in found.items() if position not in suspected}


def stream(rows: Connection, query: Any) -> Any:
    """The rows of a query, without having all of them in memory."""
    return rows.execute(query, execution_options={"yield_per": STREAMED_ROWS})


def _is_candidate(user_id: UUID, import_id: UUID) -> ColumnElement[bool]:
    """Rows of formats that know no duplicates have no key; what is twice in the file is matched once."""
    return and_(
        ROWS.c.user_id == user_id,
        ROWS.c.import_id == import_id,
        ROWS.c.state.in_(("ready", "duplicate")),
        ROWS.c.duplicate_reason.is_distinct_from("same_file"),
        ROWS.c.match_key.is_not(None),
    )


def _is_earlier(user_id: UUID, import_id: UUID) -> ColumnElement[bool]:
    return and_(ROWS.c.user_id == user_id, ROWS.c.import_id != import_id, ROWS.c.state == "committed")


def _known(rows: Connection, user_id: UUID, import_id: UUID, candidates: Sequence[Candidate]) -> list[Known]:
    """Rows of earlier imports that have one of the file's keys."""
    found: dict[tuple[UUID, int], Known] = {}
    if rows.execute(select(ROWS.c.position).where(_is_earlier(user_id, import_id)).limit(1)).first() is None:
        return []
    for name in ("match_key", "bank_key"):
        given = dict.fromkeys(getattr(one, name) for one in candidates)
        given.pop(None, None)
        keys = iter(given)
        while asked := list(islice(keys, ASKED_ROWS)):
            query = select(
                ROWS.c.import_id, ROWS.c.position, ROWS.c.match_key, ROWS.c.bank_key, ROWS.c.expense_id
            ).where(_is_earlier(user_id, import_id), _is_one_of(rows, ROWS.c[name], asked))
            for earlier_id, position, *known in rows.execute(query):
                found[earlier_id, position] = Known(*known)
    return list(found.values())


def _is_one_of(rows: Connection, column: ColumnElement[int], keys: list[int]) -> ColumnElement[bool]:
    """On PostgreSQL all keys are one parameter: to read as many of them takes longer than to find them."""
    if rows.dialect.name == "postgresql":
        return column == any_(literal(keys, ARRAY(BigInteger)))
    return column.in_(keys)


def own_expenses(rows: Connection, record: ImportRecord, looks: Looks) -> Iterator[tuple[int, UUID]]:
    """The user's own expenses outside the trash that have the look of one of the rows."""
    days = [day for day, _amount in looks]
    query = select(
        EXPENSES.c.id, EXPENSES.c.spent_on, EXPENSES.c.amount_minor, EXPENSES.c.currency, EXPENSES.c.payee
    ).where(
        EXPENSES.c.user_id == record.user_id,
        EXPENSES.c.spent_on.between(min(days), max(days)),
        EXPENSES.c.deleted_at.is_(None),
    )
    for expense_id, day, amount, currency, payee in stream(rows, query):
        if (day, amount) in looks:
            yield match_key(day, amount, currency, payee), expense_id


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
    is_near = ROWS.c.day.between(first - span, last + span)
    taken = {one.expense_id for one in found.values()}
    columns = (ROWS.c.day, ROWS.c.amount_minor, ROWS.c.currency, ROWS.c.data)
    waiting = select(ROWS.c.expense_id, *columns).where(
        _is_earlier(user_id, import_id), ROWS.c.is_pending, is_near
    )
    pending, amounts = list[Pending](), set[int]()
    for expense_id, day, amount, currency, data in rows.execute(waiting):
        if expense_id not in taken:
            pending.append(Pending(day, _twin_key(amount, currency, data), expense_id))
            amounts.add(amount)
    if not pending:
        return {}
    booked = select(ROWS.c.position, *columns).where(
        _is_candidate(user_id, import_id), ROWS.c.is_pending.is_(False)
    )
    own = (
        Pending(day, _twin_key(amount, currency, data), position=position)
        for position, day, amount, currency, data in stream(rows, booked)
        if position not in found and amount in amounts
    )
    return booked_twins(own, pending)


def _twin_key(amount_minor: int, currency: str, data: str) -> int:
    return twin_key(amount_minor, currency, ROW_DATA.decode(data).payee)
