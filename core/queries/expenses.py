"""Reading expenses: one, or a page of a filtered list."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Table, case, or_, select, tuple_
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import Category, Expense, ExpenseLine, ExpenseTag
from core.rules.currencies import EXPONENTS

EXPENSES: Table = Expense.__table__  # type: ignore[assignment]
LINES: Table = ExpenseLine.__table__  # type: ignore[assignment]
TAGS: Table = ExpenseTag.__table__  # type: ignore[assignment]

COLUMNS = tuple(column for column in EXPENSES.c if column.name not in ("search_text", "payee_key"))

COMPARED_DECIMALS = 4
"""The most decimals that a currency has: amounts are compared across currencies at this scale."""

Sort = Literal["spent_on", "-spent_on", "amount", "-amount", "created_at", "-created_at"]


@dataclass(frozen=True, slots=True)
class Line:
    """A part of an expense under its own category, in minor units of the expense's currency."""

    category_id: UUID | None
    amount_minor: int
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpenseRecord:
    """An expense with its lines and tags."""

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
    tags: tuple[str, ...] = ()
    lines: tuple[Line, ...] = ()


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


def search_key(*texts: str | None) -> str:
    """Texts in the form in which they are searched: compatibility forms unified, case folded."""
    return unicodedata.normalize("NFKC", "\n".join(text for text in texts if text)).casefold()


def load_expense(
    session: Session, *, user_id: UUID, expense_id: UUID, is_in_trash: bool = False, for_update: bool = False
) -> ExpenseRecord:
    """The user's expense; with `for_update` its row stays locked until the transaction ends.

    Raises:
        NotFound: there is none, or it is not where `is_in_trash` says.
    """
    query = select(*COLUMNS).where(EXPENSES.c.user_id == user_id, EXPENSES.c.id == expense_id)
    row = session.execute(query.with_for_update() if for_update else query).one_or_none()
    if row is None or (row.deleted_at is not None) != is_in_trash:
        raise NotFound("no such expense")
    return _records(session, user_id, [row])[0]


def list_expenses(
    session: Session,
    *,
    user_id: UUID,
    filters: ExpenseFilter,
    sort: Sort,
    after: tuple[Any, UUID] | None,
    limit: int,
) -> list[ExpenseRecord]:
    """A page in the order of `sort`, ties by id, beginning behind the `(sort value, id)` of `after`."""
    key, is_descending = sort_key(sort)
    query = select(*COLUMNS).where(EXPENSES.c.user_id == user_id, *_conditions(user_id, filters))
    if after is not None:
        position = tuple_(key, EXPENSES.c.id)
        query = query.where(position < after if is_descending else position > after)
    order = (key.desc(), EXPENSES.c.id.desc()) if is_descending else (key, EXPENSES.c.id)
    return _records(session, user_id, session.execute(query.order_by(*order).limit(limit)).all())


def sort_key(sort: Sort) -> tuple[ColumnElement[Any], bool]:
    """The expression that a list is sorted by, and whether it descends."""
    keys: Mapping[str, ColumnElement[Any]] = {
        "spent_on": EXPENSES.c.spent_on,
        "amount": _comparable_amount(),
        # UUIDv7 begins with the time of its making.
        "created_at": EXPENSES.c.id,
    }
    return keys[sort.removeprefix("-")], sort.startswith("-")


def sort_value(record: ExpenseRecord, sort: Sort) -> date | int | UUID:
    """The record's value of what the list is sorted by: with its id it says where the next page begins."""
    match sort.removeprefix("-"):
        case "spent_on":
            return record.spent_on
        case "amount":
            return record.amount_minor * int(10 ** (COMPARED_DECIMALS - EXPONENTS[record.currency]))
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


def _conditions(user_id: UUID, filters: ExpenseFilter) -> list[ColumnElement[bool]]:
    columns = EXPENSES.c
    found: list[ColumnElement[bool]] = [
        columns.deleted_at.is_not(None) if filters.is_in_trash else columns.deleted_at.is_(None)
    ]
    if filters.from_day is not None:
        found.append(columns.spent_on >= filters.from_day)
    if filters.to_day is not None:
        found.append(columns.spent_on <= filters.to_day)
    if filters.currency is not None:
        found.append(columns.currency == filters.currency)
    if filters.source is not None:
        found.append(columns.source == filters.source)
    if filters.min_amount is not None:
        found.append(_comparable_amount() >= filters.min_amount)
    if filters.max_amount is not None:
        found.append(_comparable_amount() <= filters.max_amount)
    if filters.payee is not None:
        found.append(columns.payee_key == search_key(filters.payee))
    if filters.text is not None:
        found.append(columns.search_text.contains(search_key(filters.text), autoescape=True))
    if filters.tag is not None:
        found.append(_has_tag(user_id, filters.tag))
    if filters.category_id is not None:
        found.append(_is_under(user_id, filters.category_id))
    return found


def _has_tag(user_id: UUID, tag: str) -> ColumnElement[bool]:
    return EXPENSES.c.id.in_(select(TAGS.c.expense_id).where(TAGS.c.user_id == user_id, TAGS.c.tag == tag))


def _is_under(user_id: UUID, category_id: UUID) -> ColumnElement[bool]:
    """The expense or one of its lines belongs to the category or to one of its sub-categories."""
    wanted = select(Category.id).where(
        Category.user_id == user_id, or_(Category.id == category_id, Category.parent_id == category_id)
    )
    lines = select(LINES.c.expense_id).where(LINES.c.user_id == user_id, LINES.c.category_id.in_(wanted))
    return or_(EXPENSES.c.category_id.in_(wanted), EXPENSES.c.id.in_(lines))


def _records(session: Session, user_id: UUID, rows: Sequence[Row[Any]]) -> list[ExpenseRecord]:
    """Rows of `COLUMNS` with their tags and lines, which are asked for only where there are any."""
    tags = _tags(session, user_id, [row.id for row in rows if row.tag_count])
    lines = _lines(session, user_id, [row.id for row in rows if row.line_count])
    return [
        ExpenseRecord(
            user_id=row.user_id,
            id=row.id,
            amount_minor=row.amount_minor,
            currency=row.currency,
            category_id=row.category_id,
            spent_on=row.spent_on,
            payee=row.payee,
            note=row.note,
            source=row.source,
            version=row.version,
            created_at=row.created_at,
            updated_at=row.updated_at,
            deleted_at=row.deleted_at,
            tags=tuple(tags.get(row.id, ())),
            lines=tuple(lines.get(row.id, ())),
        )
        for row in rows
    ]


def _tags(session: Session, user_id: UUID, expense_ids: list[UUID]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    if expense_ids:
        query = select(TAGS.c.expense_id, TAGS.c.tag).order_by(TAGS.c.expense_id, TAGS.c.position)
        query = query.where(TAGS.c.user_id == user_id, TAGS.c.expense_id.in_(expense_ids))
        for row in session.execute(query):
            found.setdefault(row.expense_id, []).append(row.tag)
    return found


def _lines(session: Session, user_id: UUID, expense_ids: list[UUID]) -> dict[UUID, list[Line]]:
    found: dict[UUID, list[Line]] = {}
    if expense_ids:
        query = select(LINES).order_by(LINES.c.expense_id, LINES.c.position)
        query = query.where(LINES.c.user_id == user_id, LINES.c.expense_id.in_(expense_ids))
        for row in session.execute(query):
            line = Line(row.category_id, row.amount_minor, row.note)
            found.setdefault(row.expense_id, []).append(line)
    return found
