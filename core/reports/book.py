"""Workbooks: sheets with a title, and tables, words and pictures below it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, Literal

from core.charts.labels import width_of
from core.charts.theme import LIGHT
from core.reports.cells import Cell, Day, Formula, Share, Text, cell_name, column_name, look_of

FONT, FONT_SIZE, TITLE_SIZE = "Arial", 10, 16

TEXT_SIZE, LINE_PIXELS, LETTER_PIXELS = 13, 22, 7
"""Pixels of the letters' height, of a row, and of a column for each letter of its width."""

POINTS_OF_PIXEL = 0.75
TITLE_POINTS, HEADER_POINTS = 26, 18

A4 = 9
"""Paper, in the numbers of the format (ISO/IEC 29500-1, 18.3.1.63)."""

PNG_HEIGHT = slice(20, 24)
"""Where a PNG says how high it is: in its first chunk (RFC 2083, section 4.1.1)."""

PICTURE_SCALE = 72 / 96 / 2
"""The charts' PNGs have two pixels for each of theirs, and say that 72 of them are an inch; here 96 are."""

SHARE_COLOR = "#c3d7ef"
"""Pale enough for the number that stands on it."""

_LETTERS = {"name": FONT, "size": FONT_SIZE - 1, "color": LIGHT.muted, "bold": False}
AXIS: dict[str, Any] = {
    "num_font": _LETTERS,
    "name_font": _LETTERS,
    "line": {"color": LIGHT.grid},
    "major_gridlines": {"visible": True, "line": {"color": LIGHT.grid}},
}
"""How the axes of charts look."""

TITLE_ROW, SUBTITLE_ROW, FIRST_ROW = 0, 1, 3


@dataclass(frozen=True, slots=True)
class Header:
    """Of a column; `width` in letters."""

    name: str
    width: int
    is_number: bool = True


class Book:
    """A workbook in memory, and the formats that its cells share."""

    def __init__(self, *, title: str, created_at: datetime) -> None:
        # Not at import: only the process that builds workbooks needs it.
        import xlsxwriter

        self.title = title
        self._file = BytesIO()
        self._workbook = xlsxwriter.Workbook(
            self._file,
            {
                "in_memory": True,
                # What looks like a formula, an address or a number in a name stays a text.
                "strings_to_formulas": False,
                "strings_to_urls": False,
                "strings_to_numbers": False,
                "default_format_properties": {"font_name": FONT, "font_size": FONT_SIZE},
            },
        )
        # The format has no time zones.
        self._workbook.set_properties({"title": title, "created": created_at.replace(tzinfo=None)})
        self._formats: dict[tuple[tuple[str, Any], ...], Any] = {}

    def sheet(
        self, name: str, title: str, subtitle: str, *, is_landscape: bool = False, is_one_page: bool = False
    ) -> "Sheet":
        """Prints on as many pages as it is long, unless it is to be one; never more than one wide."""
        worksheet = self._workbook.add_worksheet(name)
        if is_landscape:
            worksheet.set_landscape()
        worksheet.fit_to_pages(1, int(is_one_page))
        worksheet.center_horizontally()
        return Sheet(self, worksheet, name, title, subtitle)

    def chart(self, kind: Literal["bar", "column", "line"]) -> Any:
        """A chart of the program that opens the workbook; `Sheet.add_chart` puts it somewhere."""
        return self._workbook.add_chart({"type": kind})

    def format(self, **properties: Any) -> Any:
        key = tuple(sorted(properties.items()))
        if key not in self._formats:
            shared = {"font_name": FONT, "font_size": FONT_SIZE, "valign": "vcenter"}
            self._formats[key] = self._workbook.add_format(shared | properties)
        return self._formats[key]

    def finish(self) -> bytes:
        self._workbook.close()
        return self._file.getvalue()


class Sheet:
    """A title, and whatever is put below it."""

    def __init__(self, book: Book, worksheet: Any, name: str, title: str, subtitle: str) -> None:
        self.book = book
        self.name = name
        self._worksheet = worksheet
        worksheet.hide_gridlines(2)
        worksheet.set_default_row(LINE_PIXELS * POINTS_OF_PIXEL)
        worksheet.set_paper(A4)
        worksheet.set_margins(left=0.5, right=0.5, top=0.6, bottom=0.7)
        worksheet.set_footer(f"&L{book.title}&C{name}&RPage &P of &N")
        worksheet.set_row(TITLE_ROW, TITLE_POINTS)
        worksheet.write_string(TITLE_ROW, 0, title, self._letters(bold=True, font_size=TITLE_SIZE))
        self.remark(SUBTITLE_ROW, subtitle)

    def table(
        self, headers: Sequence[Header], *, row: int = FIRST_ROW, column: int = 0, is_frozen: bool = True
    ) -> "Table":
        """A table that begins there; a frozen header stays in sight, and comes again on each printed page."""
        for position, header in enumerate(headers, start=column):
            self._worksheet.set_column(position, position, header.width)
            side = {"align": "right"} if header.is_number else {"align": "left", "indent": 1}
            style = self.book.format(bold=True, font_color=LIGHT.background, bg_color=LIGHT.bar, **side)
            self._worksheet.write_string(row, position, header.name, style)
        self._worksheet.set_row(row, HEADER_POINTS)
        if is_frozen:
            self._worksheet.freeze_panes(row + 1, 0)
            self._worksheet.repeat_rows(row)
        return Table(self, row, column, [header.width for header in headers])

    def heading(self, row: int, text: str) -> None:
        self._worksheet.write_string(row, 0, text, self._letters(bold=True, font_size=FONT_SIZE + 2))

    def remark(self, row: int, text: str) -> None:
        self._worksheet.write_string(row, 0, text, self._letters(font_color=LIGHT.muted))

    def note(self, row: int, text: str, *, last_column: int, width: int, is_alarming: bool = False) -> None:
        """Words over all columns up to the last one, which together are so many pixels wide."""
        color = LIGHT.over if is_alarming else LIGHT.text
        style = self._letters(font_color=color, text_wrap=True)
        # No program finds the height of a merged cell by itself.
        self.set_lines(row, [(text, width)])
        self._worksheet.merge_range(row, 0, row, last_column, "", style)
        self._worksheet.write_string(row, 0, text, style)

    def set_lines(self, row: int, texts: Iterable[tuple[str, int]]) -> None:
        """Make the row as high as texts need it that have so many pixels of width each."""
        lines = max((lines_of(text, width) for text, width in texts), default=1)
        if lines > 1:
            self._worksheet.set_row(row, lines * LINE_PIXELS * POINTS_OF_PIXEL)

    def picture(self, row: int, png: bytes, description: str) -> int:
        """A chart, half as large as its pixels; answers the row that comes after it."""
        size = {"x_scale": PICTURE_SCALE, "y_scale": PICTURE_SCALE}
        options: dict[str, Any] = {"image_data": BytesIO(png), **size}
        self._worksheet.insert_image(row, 0, "chart.png", {**options, "description": description})
        height = int.from_bytes(png[PNG_HEIGHT]) // 2
        after = row + -(-height // LINE_PIXELS)
        # Some programs make empty rows lower than others.
        for covered in range(row, after):
            self._worksheet.set_row(covered, LINE_PIXELS * POINTS_OF_PIXEL)
        return after + 1

    def add_chart(self, chart: Any, *, column: int, width: int, lines: int) -> None:
        """To the right of a table that begins in `FIRST_ROW`, over so many of its rows."""
        chart.set_title({"none": True})
        chart.set_legend({"none": True})
        chart.set_size({"width": width, "height": lines * LINE_PIXELS})
        chart.set_chartarea({"border": {"none": True}})
        self._worksheet.insert_chart(FIRST_ROW, column, chart)

    def mark_shares(self, table: "Table", column: int) -> None:
        """A bar in each cell of the column, full at 100 %."""
        bar = {"type": "data_bar", "bar_solid": True, "bar_color": SHARE_COLOR, "bar_no_border": True}
        ends = {"min_type": "num", "min_value": 0, "max_type": "num", "max_value": 1}
        self._worksheet.conditional_format(table.range(column), {**bar, **ends})

    def put(self, row: int, column: int, cell: Cell, *, is_total: bool = False) -> None:
        style = self.book.format(**look_of(cell, is_total=is_total))
        match cell:
            case None | Share(None):
                self._worksheet.write_blank(row, column, None, style)
            case Text(text):
                self._worksheet.write_string(row, column, text, style)
            case Day(day):
                self._worksheet.write_datetime(row, column, day, style)
            case Formula(expression, result):
                self._worksheet.write_formula(row, column, f"={expression}", style, result.number)
            case _:
                self._worksheet.write_number(row, column, cell.number, style)

    def _letters(self, **properties: Any) -> Any:
        return self.book.format(**{"font_color": LIGHT.text, **properties})


def lines_of(text: str, width: int) -> int:
    """About so many lines does a text take in a cell of so many pixels."""
    return -(-width_of(text, TEXT_SIZE) // (width - TEXT_SIZE))


class Table:
    """Rows below a header."""

    def __init__(self, sheet: Sheet, row: int, column: int, widths: Sequence[int]) -> None:
        self._sheet = sheet
        self._column = column
        self._widths = widths
        self.first_row = row + 1
        self.next_row = row + 1

    def add(self, *cells: Cell, is_total: bool = False) -> None:
        """The next row, with a cell for each header."""
        for position, cell in enumerate(cells, start=self._column):
            self._sheet.put(self.next_row, position, cell, is_total=is_total)
        texts = [
            (cell.text, width * LETTER_PIXELS)
            for cell, width in zip(cells, self._widths, strict=True)
            if isinstance(cell, Text)
        ]
        self._sheet.set_lines(self.next_row, texts)
        self.next_row += 1

    def here(self, column: int) -> str:
        """The cell of a column in the row that comes next."""
        return cell_name(self.next_row, self._column + column)

    def range(self, column: int) -> str:
        """The cells of a column so far, such as `B5:B20`; there must be some."""
        first, last = (cell_name(row, self._column + column) for row in (self.first_row, self.next_row - 1))
        return f"{first}:{last}"

    def until_here(self, column: int) -> str:
        """As `range`, with the row that comes next: `B$5:B20`."""
        letter = column_name(self._column + column)
        return f"{letter}${self.first_row + 1}:{letter}{self.next_row + 1}"

    def reference(self, column: int, count: int) -> str:
        """The first cells of a column, for a chart: `='Sheet'!$B$5:$B$20`."""
        letter = column_name(self._column + column)
        return f"='{self._sheet.name}'!${letter}${self.first_row + 1}:${letter}${self.first_row + count}"
