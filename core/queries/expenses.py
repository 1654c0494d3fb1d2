"""Reading expenses: one, or a page of a filtered list."""

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)

from core.database import Reader
from core.errors import NotFound
from core.models import Category, Expense, ExpenseLine, ExpenseTag, table_of
from core.queries.expense_parts import Line, lines_of, tags_of
from core.rules.currencies import EXPONENTS
from core.rules.money import COMPARED_DECIMALS, comparable_amount
from core.rules.texts import search_key

EXPENSES = table_of(Expense)
LINES = table_of(ExpenseLine)
TAGS = table_of(ExpenseTag)

MAX_PREPARED_QUERIES = 256
"""Shapes of lists kept ready: building one takes three times as long as running it."""

Sort = Literal["spent_on", "-spent_on", "amount", "-amount", "created_at", "-created_at"]


class ExpenseRecord(msgspec.Struct, frozen=True):
    """An expense with its lines and tags. A struct, as pages of them are made all the time.

    `rate` is the user's own: units of `rate_currency` for one of the currency, in parts of `RATE_SCALE`.
    """

    user_id: UUID
    id: UUID
    amount_minor: int
    currency: str
    category_id: UUID | None
    spent_on: date
    payee: str | None
    note: str | None
    source: str
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    rate_currency: str | None = None
    rate: int | None = None
    tags: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()


COLUMNS = tuple(EXPENSES.c[name] for name in ExpenseRecord.__struct_fields__ if name in EXPENSES.c)
"""The record's own columns, in its order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseFilter:
    """What a list is narrowed to; dates are inclusive, `category_id` includes its sub-categories.

    `min_amount` and `max_amount` count in ten-thousandths of a major unit, whatever the currency.
    """

    from_day: date | None = None
    to_day: date | None = None
    category_id: UUID | None = None
    currency: str | None = None
    min_amount: int | None = None
    max_amount: int | None = None
    tag: str | None = None
    payee: str | None = None
    text: str | None = None
    source: str | None = None
    is_in_trash: bool = False


def load_expense(
    session: Reader, *, user_id: UUID, expense_id: UUID, is_in_trash: bool = False, for_update: bool = False
) -> ExpenseRecord:
    """The user's expense; with `for_update` its row stays locked until the transaction ends.

    Raises:
        NotFound: there is none, or it is not where `is_in_trash` says.
    """
    query = ONE_FOR_UPDATE if for_update else ONE
    rows = session.execute(query, {"user_id": user_id, "expense_id": expense_id}).all()
    records = _records(session, user_id, rows)
    if not records or (records[0].deleted_at is not None) != is_in_trash:
        raise NotFound("no such expense")
    return records[0]


def expenses_by_id(
    session: Reader, *, user_id: UUID, expense_ids: Sequence[UUID], for_update: bool = False
) -> list[ExpenseRecord]:
    """Those of the user's expenses that are there, in whatever order, also those in the trash.

    With `for_update` their rows stay locked until the transaction ends.
    """
    if not expense_ids:
        return []
    query = SOME_FOR_UPDATE if for_update else SOME
    rows = session.execute(query, {"user_id": user_id, "expense_ids": expense_ids}).all()
    return _records(session, user_id, rows)


def list_expenses(
    session: Reader,
    *,
    user_id: UUID,
    filters: ExpenseFilter,
    sort: Sort,
    after: tuple[Any, UUID] | None,
    limit: int,
) -> list[ExpenseRecord]:
    """A page in the order of `sort`, ties by id, beginning behind the `(sort value, id)` of `after`."""
    given = _parameters(filters)
    parameters = {"user_id": user_id, **given}
    if after is not None:
        parameters |= {"after_value": after[0], "after_id": after[1]}
    query = _page_query(frozenset(given), filters.is_in_trash, sort, after is not None, limit)
    return _records(session, user_id, session.execute(query, parameters).all())


def listing(
    columns: Sequence[ColumnElement[Any]], *, user_id: UUID, filters: ExpenseFilter, sort: Sort
) -> tuple[Select[Any], dict[str, Any]]:
    """All that a list has, in its order and without a limit, for whoever reads it piece by piece: the query
    and its parameters. Without columns it counts them.
    """
    given = _parameters(filters)
    query = _narrowed(select(*columns or [func.count()]), frozenset(given), filters.is_in_trash)
    return query.order_by(*_order(sort)) if columns else query, {"user_id": user_id, **given}


def sort_value(record: ExpenseRecord, sort: Sort) -> date | int | UUID:
    """The record's value of what the list is sorted by: with its id it says where the next page begins."""
    match sort.removeprefix("-"):
        case "spent_on":
            return record.spent_on
        case "amount":
            return comparable_amount(record.amount_minor, record.currency)
        case _:
            return record.id


def _comparable_amount() -> ColumnElement[Any]:
    """The amount in ten-thousandths of a major unit, so that 5 EUR stands before 600 JPY."""
    factors = [
        (
            EXPENSES.c.currency.in_([code for code, n in EXPONENTS.items() if n == exponent]),
            10 ** (COMPARED_DECIMALS - exponent),
        )
        for exponent in sorted(set(EXPONENTS.values()) - {2})
    ]
    return EXPENSES.c.amount_minor * case(*factors, else_=10 ** (COMPARED_DECIMALS - 2))


def _has_tag() -> ColumnElement[bool]:
    tagged = select(TAGS.c.expense_id).where(TAGS.c.user_id == _bound("user_id"), TAGS.c.tag == _bound("tag"))
    return EXPENSES.c.id.in_(tagged)


def _is_under() -> ColumnElement[bool]:
    """The expense or one of its lines belongs to the category or to one of its sub-categories."""
    category_id, user_id = _bound("category_id"), _bound("user_id")
    wanted = select(Category.id).where(
        Category.user_id == user_id, or_(Category.id == category_id, Category.parent_id == category_id)
    )
    lines = select(LINES.c.expense_id).where(LINES.c.user_id == user_id, LINES.c.category_id.in_(wanted))
    return or_(EXPENSES.c.category_id.in_(wanted), EXPENSES.c.id.in_(lines))


def _bound(name: str, type_: Any = None) -> BindParameter[Any]:
    return bindparam(name, type_=type_)


CONDITIONS: Mapping[str, Callable[[], ColumnElement[bool]]] = {
    "from_day": lambda: EXPENSES.c.spent_on >= _bound("from_day"),
    "to_day": lambda: EXPENSES.c.spent_on <= _bound("to_day"),
    "category_id": _is_under,
    "currency": lambda: EXPENSES.c.currency == _bound("currency"),
    "min_amount": lambda: _comparable_amount() >= _bound("min_amount"),
    "max_amount": lambda: _comparable_amount() <= _bound("max_amount"),
    "tag": _has_tag,
    "payee": lambda: EXPENSES.c.payee_key == _bound("payee"),
    "text": lambda: EXPENSES.c.search_text.like(_bound("text"), escape="\\"),
    "source": lambda: EXPENSES.c.source == _bound("source"),
}
"""How each field of a filter narrows a list down."""


def _parameters(filters: ExpenseFilter) -> dict[str, Any]:
    given = {name: getattr(filters, name) for name in CONDITIONS if getattr(filters, name) is not None}
    if "payee" in given:
        given["payee"] = search_key(given["payee"])
    if "text" in given:
        literal = re.sub(r"([\\%_])", r"\\\1", search_key(given["text"]))
        given["text"] = f"%{literal}%"
    return given


@lru_cache(MAX_PREPARED_QUERIES)
def _page_query(
    given: frozenset[str], is_in_trash: bool, sort: Sort, is_continued: bool, limit: int
) -> Select[Any]:
    """The limit is part of the text: PostgreSQL plans for a tenth of all rows where it is a parameter."""
    query = _narrowed(_SELECT, given, is_in_trash)
    if is_continued:
        key = _sort_key(sort)
        after = tuple_(_bound("after_value", key.type), _bound("after_id", EXPENSES.c.id.type))
        position = tuple_(key, EXPENSES.c.id)
        query = query.where(position < after if sort.startswith("-") else position > after)
    return query.order_by(*_order(sort)).limit(literal_column(str(limit)))


def _narrowed(query: Select[Any], given: Set[str], is_in_trash: bool) -> Select[Any]:
    deleted_at = EXPENSES.c.deleted_at
    trash = deleted_at.is_not(None) if is_in_trash else deleted_at.is_(None)
    own = EXPENSES.c.user_id == _bound("user_id")
    return query.where(own, trash, *(CONDITIONS[name]() for name in sorted(given)))


def _sort_key(sort: Sort) -> ColumnElement[Any]:
    keys: Mapping[str, ColumnElement[Any]] = {
        "spent_on": EXPENSES.c.spent_on,
        "amount": _comparable_amount(),
        # UUIDv7 begins with the time of its making.
        "created_at": EXPENSES.c.id,
    }
    return keys[sort.removeprefix("-")]


def _order(sort: Sort) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    key, tie = _sort_key(sort), EXPENSES.c.id
    return (key.desc(), tie.desc()) if sort.startswith("-") else (key, tie)


_SELECT = select(*COLUMNS, EXPENSES.c.tag_count, EXPENSES.c.line_count)
_OWN = _SELECT.where(EXPENSES.c.user_id == _bound("user_id"))
ONE = _OWN.where(EXPENSES.c.id == _bound("expense_id"))
ONE_FOR_UPDATE = ONE.with_for_update()
SOME = _OWN.where(EXPENSES.c.id.in_(bindparam("expense_ids", expanding=True)))
# In key order, so that two transactions never wait for each other in a circle.
SOME_FOR_UPDATE = SOME.order_by(EXPENSES.c.id).with_for_update()


def _records(session: Reader, user_id: UUID, rows: Sequence[Any]) -> list[ExpenseRecord]:
    """Rows with their tags and lines, which are asked for only where there are any."""
    records = [ExpenseRecord(*row[:-2]) for row in rows]
    tagged = [row.id for row in rows if row.tag_count]
    itemised = [row.id for row in rows if row.line_count]
    if not tagged and not itemised:
        return records
    tags = tags_of(session, user_id, tagged)
    lines = lines_of(session, user_id, itemised)
    changed = {
        row.id
        for row in rows
        if (row.tag_count and (row.id, row.version) not in tags)
        or (row.line_count and (row.id, row.version) not in lines)
    }
    found = [
        msgspec.structs.replace(
            record,
            tags=tags.get((record.id, record.version), ()),
            lines=lines.get((record.id, record.version), ()),
        )
        for record in records
    ]
    return _read_again(session, user_id, found, changed) if changed else found


def _read_again(
    session: Reader, user_id: UUID, records: Sequence[ExpenseRecord], changed: Set[UUID]
) -> list[ExpenseRecord]:
    """The records, those anew whose parts were changed while they were read; nobody sees half a change."""
    rows = session.execute(SOME, {"user_id": user_id, "expense_ids": list(changed)}).all()
    news = {record.id: record for record in _records(session, user_id, rows)}
    fresh = [(record, news.get(record.id) if record.id in changed else record) for record in records]
    # Whatever has moved into the trash or out of it meanwhile is not what was asked for.
    return [
        new for old, new in fresh if new is not None and (new.deleted_at is None) == (old.deleted_at is None)
    ]
