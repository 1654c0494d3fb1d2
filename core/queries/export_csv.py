"""Expenses as CSV (RFC 4180): UTF-8, a header, CRLF, ISO dates, amounts with their currency's decimals.

The columns are `HEADER`, and an import takes them back as they are. `category` is `Parent: Child`, `tags` are
joined by `core.sheets.texts.join_tags`, `exchange_rate` is the user's own, in units of `rate_currency`, and
`lines` is a JSON array of `{"amount", "category", "note"}`, without what is not there. Texts are escaped by
`core.sheets.texts.escape`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from core.queries.export_rows import (
    Building,
    ExpenseRow,
    PartRow,
    category_paths,
    count_expenses,
    expense_batches,
    id_text,
    lines_in,
    tags_in,
)
from core.queries.exports import CsvDialect
from core.rules.conversion import format_rate
from core.rules.currencies import EXPONENTS
from core.rules.money import format_amount
from core.sheets.money import decimal_text
from core.sheets.texts import csv_cell, join_tags

HEADER = (
    "date", "amount", "currency", "category", "payee", "note", "tags", "exchange_rate", "rate_currency",
    "source", "lines", "id",
)  # fmt: skip
"""Names that others may rely on: more may come at the end."""


@dataclass(frozen=True, slots=True)
class Style:
    """How the cells of a dialect are parted, how numbers are written, and what comes before all."""

    delimiter: str
    point: str
    mark: str


STANDARD = Style(",", ".", "")
SPREADSHEET = Style(";", ",", "\ufeff")
"""For programs of countries with a comma as decimal sign. By the mark they know UTF-8."""

STYLES: Mapping[CsvDialect, Style] = {"standard": STANDARD, "spreadsheet": SPREADSHEET}


def build_csv(building: Building) -> int:
    """Write the file; answers its rows without the header."""
    style = STYLES[building.dialect or "standard"]
    paths = category_paths(building.rows, user_id=building.user_id)
    total, done = count_expenses(building), 0
    building.write(f"{style.mark}{style.delimiter.join(HEADER)}\r\n".encode())
    for batch in expense_batches(building):
        building.write("".join(_rows(batch, style, paths)).encode())
        done += len(batch)
        building.tell(done, total)
    return done


def _rows(batch: Sequence[ExpenseRow], style: Style, paths: Mapping[str | None, str]) -> Iterator[str]:
    """The rows as text. Most is done right here, as calls are what takes the time."""
    delimiter, point = style.delimiter, style.point
    categories = {category_id: csv_cell(path) for category_id, path in paths.items()}
    # The same names come up again and again.
    cells: dict[str | None, str] = {None: ""}
    for id_, day, minor, currency, category_id, payee, note, source, into, rate, tags, lines in batch:
        for name in (payee, source):
            if name not in cells:
                cells[name] = csv_cell(name or "")
        yield delimiter.join(
            (
                day,
                decimal_text(minor, EXPONENTS[currency], point),
                currency,
                categories[category_id],
                cells[payee],
                csv_cell(note) if note else "",
                csv_cell(join_tags(tags_in(tags))) if tags else "",
                format_rate(rate).replace(".", point) if rate else "",
                into or "",
                cells[source],
                csv_cell(lines_text(lines_in(lines), currency, paths)) if lines else "",
                f"{id_text(id_)}\r\n",
            )
        )


def lines_text(lines: Iterable[PartRow], currency: str, paths: Mapping[str | None, str]) -> str:
    """The parts of an expense as they stand in one cell."""
    parts = (
        {
            "amount": format_amount(line.amount_minor, currency),
            "category": paths[line.category_id],
            "note": line.note,
        }
        for line in lines
    )
    return msgspec.json.encode(
        [{name: value for name, value in part.items() if value} for part in parts]
    ).decode()
