"""Expenses as a workbook (XLSX): sheets of expenses and of their lines, and a summary in front.

The columns of an expense are those of the CSV file, but typed: days are days, amounts are numbers with their
currency's decimals. (The largest amount has fifteen digits, which is what numbers in workbooks are exact to.)
Texts are texts, whatever they begin with, so nothing is escaped. `lines` that are too long for a cell are
`SEE_LINES` there; the sheet of lines has all of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import TypeVar

from core import clock
from core.queries.export_csv import HEADER, lines_text
from core.queries.export_rows import (
    Building,
    ExpenseRow,
    FileTooLarge,
    LineRow,
    LinesOfExpenses,
    category_paths,
    count_expenses,
    id_text,
    reading_expenses,
    reading_lines,
    tags_in,
)
from core.rules.conversion import format_rate
from core.rules.currencies import EXPONENTS
from core.sheets.data_sheets import MAX_ROWS, Column, DataSheets
from core.sheets.formats import Formats
from core.sheets.money import decimal_text
from core.sheets.summary import Sheets, Totals, fill_summary
from core.sheets.texts import in_pieces, join_tags
from core.sheets.workbook import StreamedWorkbook
from core.sheets.xlsx_cells import day_number, fits_cell, fits_number, number_cell, text_cell

Key = TypeVar("Key")
Row = TypeVar("Row")

TITLE, LINES_TITLE = "Expenses", "Lines"

WIDTHS = (11, 13, 9, 28, 30, 40, 24, 14, 14, 10, 20, 38)
COLUMNS = tuple(Column(name, width) for name, width in zip(HEADER, WIDTHS, strict=True))
LINE_COLUMNS = (*COLUMNS[:4], Column("note", 40), Column("payee", 30), Column("id", 38))

MAX_XLSX_ROWS = 20 * (MAX_ROWS - 1)
"""No program opens more, and each formula of the summary names all sheets."""

SEE_LINES = "(see the sheet Lines)"
ITEMISED = "lines"
"""In place of a category's id: its amount is divided among those of its lines."""

MAX_NAMES = 50_000
"""Payees and the like that are kept in memory at a time, some ten megabytes."""


def build_xlsx(building: Building) -> int:
    """Write the file; answers how many expenses it has.

    Raises:
        FileTooLarge
    """
    total = count_expenses(building)
    if total > MAX_XLSX_ROWS:
        raise FileTooLarge(f"a workbook may have {MAX_XLSX_ROWS:,} expenses; take csv, or narrow it down")
    paths = category_paths(building.rows, user_id=building.user_id)
    with StreamedWorkbook(building.write, title=TITLE, created_at=clock.now()) as workbook:
        book = _ExpenseBook(workbook, paths)
        with reading_expenses(building) as batches, reading_lines(building) as line_batches:
            lines = LinesOfExpenses(line_batches)
            for batch in batches:
                book.add_expenses(batch, lines)
                building.tell(book.count, total)
        book.end_expenses()
        with reading_lines(building) as line_batches:
            for line_batch in line_batches:
                book.add_lines(line_batch)
                building.tell(book.count, total)
        book.finish()
    return book.count


class _ExpenseBook:
    """A workbook of expenses, and what they add up to while they are written.

    What cells are made of is kept, as the same names and days come up again and again.
    """

    def __init__(self, workbook: StreamedWorkbook, paths: Mapping[str | None, str]) -> None:
        self.count = 0
        self._workbook = workbook
        self._summary = workbook.book.add_worksheet("Summary")
        self._formats = Formats(workbook.book)
        self._paths = paths
        self._text = workbook.style(self._formats.text)
        self._day = workbook.style(self._formats.day)
        self._rate = workbook.style(self._formats.rate)
        self._amounts = {code: workbook.style(self._formats.amount(code)) for code in sorted(EXPONENTS)}
        self._names: dict[str, str] = {}
        self._categories = {id_: text_cell(path) for id_, path in paths.items() if id_}
        self._days: dict[str, int] = {}
        self._counts: dict[str, int] = {}
        self._sums: dict[tuple[str, str | None, str], int] = {}
        self._line_sums: dict[tuple[str, str | None], int] = {}
        self._expenses = workbook.data_sheets(TITLE, COLUMNS, header=self._formats.header)
        self._lines: DataSheets | None = None

    def add_expenses(self, batch: Sequence[ExpenseRow], lines: LinesOfExpenses) -> None:
        self.count += len(batch)
        _add_rows(self._expenses, batch, partial(self._expense_rows, lines))

    def end_expenses(self) -> None:
        """After the last of them, before lines are added."""
        self._expenses.close()

    def add_lines(self, batch: Sequence[LineRow]) -> None:
        if self._lines is None:
            self._lines = self._workbook.data_sheets(LINES_TITLE, LINE_COLUMNS, header=self._formats.header)
        _add_rows(self._lines, batch, self._line_rows)

    def finish(self) -> None:
        lines = []
        if self._lines is not None:
            self._lines.close()
            lines = self._lines.filled
        span = f" from {min(self._days)} to {max(self._days)}" if self._days else ""
        fill_summary(
            self._summary,
            self._formats,
            totals=self._totals(),
            sheets=Sheets(expenses=self._expenses.filled, lines=lines),
            remark=f"{self.count:,} expenses{span}, as of {clock.now():%Y-%m-%d %H:%M} UTC",
        )
        self._workbook.finish()

    def _expense_rows(self, lines: LinesOfExpenses, batch: Sequence[ExpenseRow], first: int) -> Iterator[str]:
        """The rows as XML. Most is done right here, as calls are what takes the time."""
        text, sums, counts = f's="{self._text}"', self._sums, self._counts
        begin, name = self._begin, self._name
        for n, found in enumerate(batch, first):
            id_, day, minor, currency, category_id, payee, note, source, into, rate, tags, line_count = found
            counts[currency] = counts.get(currency, 0) + 1
            key = (currency, ITEMISED if line_count else category_id, day[:7])
            sums[key] = sums.get(key, 0) + minor
            yield "".join(
                (
                    begin(n, day, minor, currency),
                    f'<c r="D{n}" {text}{self._categories[category_id]}' if category_id else "",
                    f'<c r="E{n}" {text}{name(payee)}' if payee else "",
                    f'<c r="F{n}" {text}{text_cell(note)}' if note else "",
                    f'<c r="G{n}" {text}{name(join_tags(tags_in(tags)))}' if tags else "",
                    f'<c r="H{n}" {self._rate_cell(rate)}' if rate else "",
                    f'<c r="I{n}" {text}{name(into)}' if into else "",
                    f'<c r="J{n}" {text}{name(source)}',
                    f'<c r="K{n}" {text}{self._lines_cell(lines.of(id_), currency)}' if line_count else "",
                    f'<c r="L{n}" {text} t="inlineStr"><is><t>{id_text(id_)}</t></is></c></row>',
                )
            )

    def _line_rows(self, batch: Sequence[LineRow], first: int) -> Iterator[str]:
        text, sums = f's="{self._text}"', self._line_sums
        for n, (id_, day, minor, currency, category_id, payee, note) in enumerate(batch, first):
            sums[currency, category_id] = sums.get((currency, category_id), 0) + minor
            yield "".join(
                (
                    self._begin(n, day, minor, currency),
                    f'<c r="D{n}" {text}{self._categories[category_id]}' if category_id else "",
                    f'<c r="E{n}" {text}{text_cell(note)}' if note else "",
                    f'<c r="F{n}" {text}{self._name(payee)}' if payee else "",
                    f'<c r="G{n}" {text} t="inlineStr"><is><t>{id_text(id_)}</t></is></c></row>',
                )
            )

    def _begin(self, n: int, day: str, minor: int, currency: str) -> str:
        """The row up to its currency."""
        number = self._days.get(day)
        if number is None:
            number = self._days[day] = day_number(date.fromisoformat(day))
        amount = decimal_text(minor, EXPONENTS[currency])
        return (
            f'<row r="{n}"><c r="A{n}" s="{self._day}"><v>{number}</v></c>'
            f'<c r="B{n}" s="{self._amounts[currency]}"><v>{amount}</v></c>'
            f'<c r="C{n}" s="{self._text}" t="inlineStr"><is><t>{currency}</t></is></c>'
        )

    def _name(self, text: str) -> str:
        """The cell of a text that others may have, too."""
        cell = self._names.get(text)
        if cell is None:
            if len(self._names) >= MAX_NAMES:
                self._names.clear()
            cell = self._names[text] = text_cell(text)
        return cell

    def _rate_cell(self, rate: int) -> str:
        written = format_rate(rate)
        if fits_number(written):
            return f's="{self._rate}"{number_cell(written)}'
        return f's="{self._text}"{text_cell(written)}'

    def _lines_cell(self, lines: Sequence[LineRow], currency: str) -> str:
        written = lines_text(lines, currency, self._paths)
        return text_cell(written if fits_cell(written) else SEE_LINES)

    def _totals(self) -> Totals:
        months: dict[date, dict[str, int]] = {}
        categories: dict[str, dict[str, int]] = {}
        for (currency, category_id, month), minor in self._sums.items():
            _add(months, date.fromisoformat(f"{month}-01"), currency, minor)
            if category_id != ITEMISED:
                _add(categories, self._paths[category_id], currency, minor)
        for (currency, category_id), minor in self._line_sums.items():
            _add(categories, self._paths[category_id], currency, minor)
        return Totals(counts=self._counts, categories=categories, months=months)


def _add(sums: dict[Key, dict[str, int]], key: Key, currency: str, minor: int) -> None:
    by_currency = sums.setdefault(key, {})
    by_currency[currency] = by_currency.get(currency, 0) + minor


def _add_rows(
    sheets: DataSheets, batch: Sequence[Row], rows: Callable[[Sequence[Row], int], Iterator[str]]
) -> None:
    """As many on each sheet as there is room for."""
    while batch:
        first, room = sheets.room()
        for text, count in in_pieces(rows(batch[:room], first)):
            sheets.write(text, count)
        batch = batch[room:]
