"""Reading what goes into a file of expenses, piece by piece, however many there are.

Rows are as the driver has them: objects for each of a million would take longer than all the rest.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby
from operator import itemgetter
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    bindparam,
    case,
    cast,
    func,
    select,
    type_coerce,
)

from core.files import FileStore
from core.many_rows import raw_rows
from core.models import Category, table_of
from core.queries.expenses import EXPENSES, LINES, TAGS, ExpenseFilter, Sort, listing
from core.queries.exports import CsvDialect

BATCH = 1_000
"""Rows read at a time: a few hundred kilobytes, at most some ten megabytes. With more it is hardly faster."""

CATEGORIES = table_of(Category)

ExpenseRow = tuple[
    str, str, int, str, str | None, str | None, str | None, str, str | None, int | None, str | None, int
]
"""Id (see `id_text`), ISO date, minor units, currency, id of the category, payee, note, source, currency of
the user's own rate and the rate itself (in parts of `RATE_SCALE`), tags (see `tags_in`), number of lines."""

LineRow = tuple[str, str, int, str, str | None, str | None, str | None]
"""Id and date of the expense, minor units, currency, id of the category, payee, note."""


class FileTooLarge(Exception):
    """The file would be larger than is allowed or makes sense; the message is for the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """What a file is built with.

    `rows` sees the same in all queries, whoever writes meanwhile. `tell` is told how many rows are done, of
    how many; it raises what ends the work when the file is not wanted any more.
    """

    rows: Connection
    user_id: UUID
    filters: ExpenseFilter
    sort: Sort
    dialect: CsvDialect | None
    files: FileStore
    write: Callable[[bytes], None]
    tell: Callable[[int, int], None]


BuildFile = Callable[[Building], int]
"""Writes a file; answers how many rows it has."""

COUNT_ALL = select(func.count()).where(EXPENSES.c.user_id == bindparam("user_id"))
TAGS_DECODER = msgspec.json.Decoder(list[tuple[int, str]])


def count_expenses(building: Building) -> int:
    """About how many the file will have: without filters the trash is counted too, as an index tells all."""
    query, parameters = listing([], user_id=building.user_id, filters=building.filters, sort=building.sort)
    if building.filters == ExpenseFilter():
        query, parameters = COUNT_ALL, {"user_id": building.user_id}
    return int(building.rows.execute(query, parameters).scalar_one())


def category_paths(rows: Connection, *, user_id: UUID) -> dict[str | None, str]:
    """Each of the user's categories as `Name` or `Parent: Child`, by the id that it has in rows; nothing for
    none."""
    query = select(_as_text(CATEGORIES.c.id, rows), _as_text(CATEGORIES.c.parent_id, rows), CATEGORIES.c.name)
    found = {row[0]: row for row in rows.execute(query.where(CATEGORIES.c.user_id == user_id))}
    paths: dict[str | None, str] = {None: ""}
    for id_, parent_id, name in found.values():
        paths[id_] = name if parent_id is None else f"{found[parent_id].name}: {name}"
    return paths


@contextmanager
def reading_expenses(building: Building) -> Iterator[Iterator[Sequence[ExpenseRow]]]:
    """The expenses of the file in its order, `BATCH` at a time."""
    rows, columns = building.rows, EXPENSES.c
    chosen = [
        _as_text(columns.id, rows),
        cast(columns.spent_on, Text),
        columns.amount_minor,
        columns.currency,
        _as_text(columns.category_id, rows),
        *(columns[name] for name in ("payee", "note", "source", "rate_currency", "rate")),
        case((columns.tag_count > 0, _tags(rows))),
        columns.line_count,
    ]
    query, parameters = listing(
        chosen, user_id=building.user_id, filters=building.filters, sort=building.sort
    )
    with raw_rows(rows, query, parameters, size=BATCH) as batches:
        yield batches


@contextmanager
def reading_lines(building: Building) -> Iterator[Iterator[Sequence[LineRow]]]:
    """The lines of the expenses of the file in its order, `BATCH` at a time."""
    rows, columns = building.rows, EXPENSES.c
    chosen = [
        _as_text(columns.id, rows),
        cast(columns.spent_on, Text),
        LINES.c.amount_minor,
        columns.currency,
        _as_text(LINES.c.category_id, rows),
        columns.payee,
        LINES.c.note,
    ]
    query, parameters = listing(
        chosen, user_id=building.user_id, filters=building.filters, sort=building.sort
    )
    # An index has those with lines.
    query = query.where(
        columns.line_count > 0, LINES.c.user_id == columns.user_id, LINES.c.expense_id == columns.id
    )
    with raw_rows(rows, query.order_by(LINES.c.position), parameters, size=BATCH) as batches:
        yield batches


class LinesOfExpenses:
    """The lines of one expense at a time, for whoever asks in the order of the file.

    They are not read with the expenses: a hundred long lines take as much memory as thousands of expenses.
    """

    def __init__(self, batches: Iterator[Sequence[LineRow]]) -> None:
        self._found = groupby(chain.from_iterable(batches), key=itemgetter(0))

    def of(self, expense_id: str) -> list[LineRow]:
        """The lines of an expense that has any, in the order in which the user gave them."""
        found, lines = next(self._found)
        if found != expense_id:
            raise RuntimeError(f"lines of {found} come where those of {expense_id} were expected")
        return list(lines)


def id_text(id_: str) -> str:
    """An id of a row with its hyphens; SQLite stores none."""
    return id_ if len(id_) > 32 else f"{id_[:8]}-{id_[8:12]}-{id_[12:16]}-{id_[16:20]}-{id_[20:]}"


def tags_in(found: str) -> list[str]:
    """The tags of a row in the order in which the user gave them."""
    return [tag for _position, tag in sorted(TAGS_DECODER.decode(found))]


def _tags(rows: Connection) -> ColumnElement[Any]:
    """The tags of an expense as a JSON array of arrays, each tag behind its position: in no order."""
    is_own = (TAGS.c.user_id == EXPENSES.c.user_id) & (TAGS.c.expense_id == EXPENSES.c.id)
    if rows.dialect.name == "postgresql":
        found: ColumnElement[Any] = cast(
            func.json_agg(func.json_build_array(TAGS.c.position, TAGS.c.tag)), Text
        )
    else:
        found = func.json_group_array(func.json_array(TAGS.c.position, TAGS.c.tag))
    return select(found).where(is_own).scalar_subquery()


def _as_text(column: ColumnElement[Any], rows: Connection) -> ColumnElement[str]:
    """An id as a text, such as it is stored."""
    return cast(column, Text) if rows.dialect.name == "postgresql" else type_coerce(column, Text)
