"""A workbook that is written piece by piece: sheets of data as they come, all else at the end.

XlsxWriter makes the whole of it, but has placeholders for the sheets of data: it knows their names, filters
and formats of cells. What it has made is then copied beside them. The archive is written in one go, never
going back, so it needs neither memory nor room for as much as it holds.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from io import BytesIO
from types import TracebackType
from typing import IO, Any, Self
from zipfile import ZIP_DEFLATED, ZipFile

from core.sheets.data_sheets import Column, DataSheets

COMPRESSION = 1
"""The quickest: the usual one takes more than twice as long and saves a quarter of the size."""

EARLY_PARTS = ("_rels/.rels", "docProps/core.xml", "xl/theme/theme1.xml")
"""Parts that do not depend on the sheets. They come first: by them programs tell what the archive is."""

OPTIONS = {
    "in_memory": True,
    # What looks like a formula, an address or a number in a name stays a text.
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


class StreamedWorkbook:
    """A workbook of which `book` is XlsxWriter's part, with sheets that come before those of data.

    They are added to it before the first sheet of data is begun, and may be filled until `finish`.
    """

    def __init__(self, write: Callable[[bytes], None], *, title: str, created_at: datetime) -> None:
        self._properties = {"title": title, "created": created_at.replace(tzinfo=None)}
        self._made = BytesIO()
        self.book = self._new_book(self._made)
        self._sink = _Sink(write)
        self._archive = ZipFile(self._sink, "w", ZIP_DEFLATED, compresslevel=COMPRESSION)
        self._part: IO[bytes] = BytesIO()
        self._series: list[tuple[DataSheets, int]] = []
        self._parts = 0

    def style(self, cell_format: Any) -> int:
        """The number by which cells of data name a format of the book."""
        return int(cell_format._get_xf_index())

    def data_sheets(self, title: str, columns: Sequence[Column], *, header: Any) -> DataSheets:
        """Begin the sheets of a table, after those of the one before have been closed."""
        sheets = DataSheets(title, columns, header_style=self.style(header), open_part=self._open_part)
        self._series.append((sheets, len(columns)))
        return sheets

    def finish(self) -> None:
        """Write all that is not data, and the end of the archive."""
        for sheets, columns in self._series:
            for filled in sheets.filled:
                placeholder = self.book.add_worksheet(filled.title)
                placeholder.autofilter(0, 0, filled.last_row - 1, columns - 1)
                # On each page that is printed.
                placeholder.repeat_rows(0)
        self.book.close()
        written = set(self._archive.namelist())
        with ZipFile(self._made) as made:
            for name in made.namelist():
                if name not in written:
                    self._archive.writestr(name, made.read(name))
        self._archive.close()

    def _copy_early_parts(self) -> None:
        made = BytesIO()
        book = self._new_book(made)
        book.close()
        with ZipFile(made) as parts:
            for name in EARLY_PARTS:
                self._archive.writestr(name, parts.read(name))

    def _new_book(self, file: BytesIO) -> Any:
        # Not at import: only the process that builds workbooks needs it.
        import xlsxwriter

        book = xlsxwriter.Workbook(file, OPTIONS)
        book.set_properties(self._properties)
        return book

    def _open_part(self) -> IO[bytes]:
        self._parts = max(self._parts, len(self.book.worksheets())) + 1
        self._part = self._archive.open(f"xl/worksheets/sheet{self._parts}.xml", "w")
        return self._part

    def _give_up(self) -> None:
        """Close what is open, without writing any more."""
        self._sink.is_given_up = True
        with suppress(ValueError):  # it is closed already
            self._part.close()
        self._archive.close()

    def __enter__(self) -> Self:
        try:
            self._copy_early_parts()
        except BaseException:
            self._give_up()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._give_up()


class _Sink:
    """A file that can only be added to, for `ZipFile`. What is given up takes the rest and drops it."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self.is_given_up = False

    def write(self, data: bytes) -> int:
        if not self.is_given_up:
            self._write(data)
        return len(data)

    def flush(self) -> None:
        """Whoever takes the bytes sees to that."""

    def close(self) -> None:
        """There is nothing of its own to be closed."""
