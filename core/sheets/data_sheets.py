"""Worksheets of any number of rows, written straight into the file they are part of.

XlsxWriter and openpyxl write a tenth as many rows a second, as they look at each cell several times. So the
rows are XML that the caller has made of its data at once; everything else of the workbook is XlsxWriter's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import IO

from core.sheets.xlsx_cells import text_cell

MAX_ROWS = 1_048_576
"""Of a sheet, its header included: the format has no more."""

MAX_SHEET_BYTES = 1024**3
"""Of a sheet before it is compressed. From two on the archive would need an extension that not all programs
read."""

SPREADSHEETML = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"

HEAD = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    f'<worksheet xmlns="{SPREADSHEETML}">'
    '<sheetPr><pageSetUpPr fitToPage="1"/></sheetPr>'
    '<sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    '<selection pane="bottomLeft" activeCell="A2" sqref="A2"/>'
    '</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>'
)
"""The header stays in sight, and printed all columns fit on a page."""

TAIL = (
    '<pageMargins left="0.7" right="0.7" top="0.75" bottom="0.75" header="0.3" footer="0.3"/>'
    '<pageSetup paperSize="9" orientation="landscape" fitToHeight="0"/></worksheet>'
)


@dataclass(frozen=True, slots=True)
class Column:
    """Of a sheet: its header, and its width in letters."""

    name: str
    width: int


@dataclass(frozen=True, slots=True)
class FilledSheet:
    """A sheet that is written: its title, and its last row."""

    title: str
    last_row: int


class _Sheet:
    """One that is being written."""

    def __init__(self, file: IO[bytes], columns: Sequence[Column], header_style: int) -> None:
        self._file = file
        self._last_column = letter(len(columns) - 1)
        self.size = 0
        widths = "".join(
            f'<col min="{number}" max="{number}" width="{column.width}" customWidth="1"/>'
            for number, column in enumerate(columns, 1)
        )
        cells = "".join(
            f'<c r="{letter(number)}1" s="{header_style}"{text_cell(column.name)}'
            for number, column in enumerate(columns)
        )
        self.last_row = 0
        self.write(f'{HEAD}<cols>{widths}</cols><sheetData><row r="1">{cells}</row>', 1)

    @property
    def is_full(self) -> bool:
        return self.last_row >= MAX_ROWS or self.size >= MAX_SHEET_BYTES

    def write(self, text: str, rows: int) -> None:
        data = text.encode()
        self._file.write(data)
        self.size += len(data)
        self.last_row += rows

    def close(self) -> None:
        self.write(f'</sheetData><autoFilter ref="A1:{self._last_column}{self.last_row}"/>{TAIL}', 0)
        self._file.close()


class DataSheets:
    """The sheets of one table, another one whenever one is full: `Expenses`, `Expenses 2`, …

    `open_part` opens the next sheet's part of the workbook.
    """

    def __init__(
        self, title: str, columns: Sequence[Column], *, header_style: int, open_part: Callable[[], IO[bytes]]
    ) -> None:
        self.filled: list[FilledSheet] = []
        self._title = title
        self._columns = columns
        self._header_style = header_style
        self._open_part = open_part
        self._sheet = self._begin()

    def room(self) -> tuple[int, int]:
        """The number of the row that is written next, and how many more there is room for: one at least."""
        if self._sheet.is_full:
            self._end()
            self._sheet = self._begin()
        return self._sheet.last_row + 1, MAX_ROWS - self._sheet.last_row

    def write(self, rows: str, count: int) -> None:
        """Add rows, numbered from where `room` says, and no more than that."""
        self._sheet.write(rows, count)

    def close(self) -> None:
        """End the last sheet, before another part of the workbook is begun."""
        self._end()

    def _begin(self) -> _Sheet:
        return _Sheet(self._open_part(), self._columns, self._header_style)

    def _end(self) -> None:
        self._sheet.close()
        number = len(self.filled) + 1
        title = self._title if number == 1 else f"{self._title} {number}"
        self.filled.append(FilledSheet(title, self._sheet.last_row))


def letter(column: int) -> str:
    """The name of a column that counts from 0: no sheet of ours has more of them than there are letters."""
    return chr(ord("A") + column)
