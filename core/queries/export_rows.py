"""Reading what goes into a file of expenses, piece by piece, however many there are."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, select

from core.files import FileStore
from core.models import Category, table_of
from core.queries.expense_parts import Line, lines_of, tags_of
from core.queries.expenses import EXPENSES, ExpenseFilter, Sort, listing
from core.queries.exports import CsvDialect

BATCH = 2_000
"""Rows read at a time: about a megabyte."""

CATEGORIES = table_of(Category)
COLUMNS = [
    EXPENSES.c[name]
    for name in (
        "id", "spent_on", "amount_minor", "currency", "category_id", "payee", "note", "source",
        "rate_currency", "rate", "version", "tag_count", "line_count",
    )
]  # fmt: skip


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


class ExpenseRow(NamedTuple):
    """An expense of a file: ids and dates as text, the category as `Parent: Child`."""

    id: str
    spent_on: str
    amount_minor: int
    currency: str
    category: str | None
    payee: str | None
    note: str | None
    source: str
    rate_currency: str | None
    rate: int | None
    tags: tuple[str, ...]
    lines: tuple[Line, ...]


def count_expenses(building: Building) -> int:
    query, parameters = listing([], user_id=building.user_id, filters=building.filters, sort=building.sort)
    return int(building.rows.execute(query, parameters).scalar_one())


def category_paths(rows: Connection, *, user_id: UUID) -> dict[UUID | None, str]:
    """Each of the user's categories as `Name` or `Parent: Child`; nothing for none."""
    query = select(CATEGORIES.c.id, CATEGORIES.c.parent_id, CATEGORIES.c.name)
    found = {row.id: row for row in rows.execute(query.where(CATEGORIES.c.user_id == user_id))}
    return {
        None: "",
        **{
            one.id: one.name if one.parent_id is None else f"{found[one.parent_id].name}: {one.name}"
            for one in found.values()
        },
    }


def expense_batches(building: Building, paths: Mapping[UUID | None, str]) -> Iterator[list[ExpenseRow]]:
    """The expenses of the file in its order, `BATCH` at a time."""
    query, parameters = listing(
        COLUMNS, user_id=building.user_id, filters=building.filters, sort=building.sort
    )
    streaming = building.rows.execution_options(stream_results=True, max_row_buffer=BATCH)
    with streaming.execute(query, parameters) as found:
        for batch in found.partitions(BATCH):
            yield [*_with_parts(building, batch, paths)]


def _with_parts(building: Building, batch: Any, paths: Mapping[UUID | None, str]) -> Iterator[ExpenseRow]:
    tags = tags_of(building.rows, building.user_id, [row.id for row in batch if row.tag_count])
    lines = lines_of(building.rows, building.user_id, [row.id for row in batch if row.line_count])
    for (
        id_,
        spent_on,
        minor,
        currency,
        category_id,
        payee,
        note,
        source,
        *rate,
        version,
        _tags,
        _lines,
    ) in batch:
        yield ExpenseRow(
            str(id_), spent_on.isoformat(), minor, currency, paths[category_id], payee, note, source,
            rate[0], rate[1], tags.get((id_, version), ()), lines.get((id_, version), ()),
        )  # fmt: skip
