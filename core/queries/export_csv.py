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
    LineRow,
    LinesOfExpenses,
    category_paths,
    count_expenses,
    id_text,
    reading_expenses,
    reading_lines,
    tags_in,
)
from core.queries.exports import CsvDialect
from core.rules.conversion import format_rate
from core.rules.currencies import EXPONENTS
from core.rules.money import format_amount
from core.sheets.money import decimal_text
from core.sheets.texts import csv_cell, in_pieces, join_tags

HEADER = (
    "date", "amount", "currency", "category", "payee", "note", "tags", "exchange_rate", "rate_currency",
    "source", "lines", "id",
)  # fmt: skip
"""Names that others may rely on: more may come at the end."""

MAX_NAMES = 20_000
"""Payees whose cells are kept in memory, a few megabytes."""


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
    rows = _Rows(style, category_paths(building.rows, user_id=building.user_id))
    total, done = count_expenses(building), 0
    building.write(f"{style.mark}{style.delimiter.join(HEADER)}\r\n".encode())
    with reading_expenses(building) as batches, reading_lines(building) as line_batches:
        lines = LinesOfExpenses(line_batches)
        for batch in batches:
            for text, count in in_pieces(rows.of(batch, lines)):
                building.write(text.encode())
                done += count
            building.tell(done, total)
    return done


class _Rows:
    """Makes rows of expenses. The cells of names are kept, as the same ones come up again and again."""

    def __init__(self, style: Style, paths: Mapping[str | None, str]) -> None:
        self._style = style
        self._paths = paths
        self._categories = {category_id: csv_cell(path) for category_id, path in paths.items()}
        self._names: dict[str | None, str] = {}

    def of(self, batch: Sequence[ExpenseRow], lines: LinesOfExpenses) -> Iterator[str]:
        """The rows as text. Most is done right here, as calls are what takes the time."""
        delimiter, point, names = self._style.delimiter, self._style.point, self._names
        if len(names) > MAX_NAMES:
            names.clear()
        for found in batch:
            id_, day, minor, currency, category_id, payee, note, source, into, rate, tags, line_count = found
            if payee not in names:
                names[payee] = csv_cell(payee or "")
            if source not in names:
                names[source] = csv_cell(source)
            yield delimiter.join(
                (
                    day,
                    decimal_text(minor, EXPONENTS[currency], point),
                    currency,
                    self._categories[category_id],
                    names[payee],
                    csv_cell(note) if note else "",
                    csv_cell(join_tags(tags_in(tags))) if tags else "",
                    format_rate(rate).replace(".", point) if rate else "",
                    into or "",
                    names[source],
                    self._lines(lines.of(id_), currency) if line_count else "",
                    f"{id_text(id_)}\r\n",
                )
            )

    def _lines(self, lines: Iterable[LineRow], currency: str) -> str:
        return csv_cell(lines_text(lines, currency, self._paths))


def lines_text(lines: Iterable[LineRow], currency: str, paths: Mapping[str | None, str]) -> str:
    """The parts of an expense as they stand in one cell."""
    parts = (
        {"amount": format_amount(minor, currency), "category": paths[category_id], "note": note}
        for _id, _day, minor, _currency, category_id, _payee, note in lines
    )
    return msgspec.json.encode(
        [{name: value for name, value in part.items() if value} for part in parts]
    ).decode()
