"""The tags and lines of expenses, each with the version that they belong to.

They are rows of their own, read after the expenses. What was changed in between is of another version, and
the caller can tell.
"""

from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, Table, bindparam, select

from core.database import Reader
from core.models import Expense, ExpenseLine, ExpenseTag, table_of

EXPENSES = table_of(Expense)
LINES = table_of(ExpenseLine)
TAGS = table_of(ExpenseTag)

Version = tuple[UUID, int]
"""An expense's id and version."""


class Line(msgspec.Struct, frozen=True):
    """A part of an expense under its own category, in minor units of the expense's currency."""

    category_id: UUID | None
    amount_minor: int
    note: str | None


def tags_of(session: Reader, user_id: UUID, expense_ids: list[UUID]) -> dict[Version, tuple[str, ...]]:
    """The tags in the order in which the user gave them."""
    found: dict[Version, list[str]] = {}
    for expense_id, version, tag in _parts(session, TAGS_QUERY, user_id, expense_ids):
        found.setdefault((expense_id, version), []).append(tag)
    return {key: tuple(tags) for key, tags in found.items()}


def lines_of(session: Reader, user_id: UUID, expense_ids: list[UUID]) -> dict[Version, tuple[Line, ...]]:
    """The lines in the order in which the user gave them."""
    found: dict[Version, list[Line]] = {}
    for expense_id, version, *line in _parts(session, LINES_QUERY, user_id, expense_ids):
        found.setdefault((expense_id, version), []).append(Line(*line))
    return {key: tuple(lines) for key, lines in found.items()}


def _parts(session: Reader, query: Select[Any], user_id: UUID, expense_ids: list[UUID]) -> Any:
    if not expense_ids:
        return ()
    return session.execute(query, {"owner": user_id, "expense_ids": expense_ids})


def _query(table: Table, *columns: str) -> Select[Any]:
    """Not a join: where PostgreSQL takes a user for one who has hardly any, as somebody whose expenses have
    all come in a moment ago, it would read all of the user's expenses for each part."""
    is_part = (EXPENSES.c.user_id == table.c.user_id) & (EXPENSES.c.id == table.c.expense_id)
    version = select(EXPENSES.c.version).where(is_part).correlate(table).scalar_subquery()
    return (
        select(table.c.expense_id, version.label("version"), *(table.c[name] for name in columns))
        .where(
            table.c.user_id == bindparam("owner"),
            table.c.expense_id.in_(bindparam("expense_ids", expanding=True)),
        )
        .order_by(table.c.expense_id, table.c.position)
    )


TAGS_QUERY = _query(TAGS, "tag")
LINES_QUERY = _query(LINES, "category_id", "amount_minor", "note")
