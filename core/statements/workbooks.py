"""Workbooks of Excel (XLSX, ISO/IEC 29500), of which only the cells of a sheet are looked at, as a stream.

A library would load all of a workbook's parts, styles and pictures, and grow with the rows; see
docs/decisions/0016-reading-files.md.
"""

import posixpath
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from core.statements.archives import read_member
from core.statements.cells import Cell, Record
from core.statements.limits import MAX_CELL_CHARS, MAX_COLUMNS
from core.statements.refusals import UnreadableFile
from core.statements.xml_events import Elements, parse

MAX_SHEETS = 100
MAX_SHEET_ROWS = 1_048_576
"""Of Excel; rows that are empty count too."""

MAX_CELLS = 4_000_000
"""`MAX_ROWS` of twenty cells, empty ones included."""

MAX_SHARED_BYTES = 96 * 1024 * 1024
"""In memory: texts that stand once for the whole workbook have to be kept until the last row."""

MAX_STYLES = 65_500
"""Of Excel."""

MAX_NUMBER_CHARS = 40

_EPOCHS = {False: date(1899, 12, 30), True: date(1904, 1, 1)}
"""Day 0, by whether the workbook counts from 1904, as once on the Macintosh."""

NO_LEAP_DAY = 60
"""Excel's 29 February 1900, which never was: the days before it are counted from one day later."""

_BUILTIN_DATES = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
"""Formats without a code of their own that are dates or times, in any language of Excel."""


_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True, slots=True)
class Sheet:
    name: str
    member: str
    is_visible: bool


class Workbook:
    """The sheets of an open archive, and what their cells refer to."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        """Raises:
        UnreadableFile
        """
        self._archive = archive
        self._members = frozenset(archive.namelist())
        root = self._targets("", "_rels/.rels")
        main = next((part for kind, part in root.values() if kind.endswith("/officeDocument")), None)
        main = main or "xl/workbook.xml"
        if main not in self._members:
            raise UnreadableFile("is a zip, but no workbook of Excel")
        folder, name = posixpath.split(main)
        parts = self._targets(folder, f"{folder}/_rels/{name}.rels")
        content = _WorkbookPart()
        self._run(main, content)
        self._epoch = _EPOCHS[content.counts_from_1904]
        self.sheets = [
            Sheet(name, parts[key][1], is_visible)
            for name, key, is_visible in content.sheets
            if key in parts and parts[key][1] in self._members
        ]
        self._dates = self._date_styles(parts)
        self._shared = self._shared_texts(parts)

    def records(self, sheet: Sheet) -> Iterator[Record]:
        """The rows that have something in them, with their numbers, each when it is asked for.

        Raises:
            UnreadableFile
        """
        elements = _SheetPart(self._shared, self._dates, self._epoch)
        for _ in parse(read_member(self._archive, sheet.member), elements):
            done, elements.done = elements.done, []
            yield from done

    def _run(self, member: str, elements: Elements) -> None:
        for _ in parse(read_member(self._archive, member), elements):
            pass

    def _targets(self, folder: str, member: str) -> dict[str, tuple[str, str]]:
        """The kind and the member of each relation, by its id."""
        elements = _Relations()
        if member in self._members:
            self._run(member, elements)
        return {
            key: (kind, posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/"))
            for key, kind, target in elements.found
        }

    def _date_styles(self, parts: dict[str, tuple[str, str]]) -> frozenset[int]:
        elements = _Styles()
        for kind, member in parts.values():
            if kind.endswith("/styles") and member in self._members:
                self._run(member, elements)
        return frozenset(
            index for index, number_format in enumerate(elements.formats) if elements.is_date(number_format)
        )

    def _shared_texts(self, parts: dict[str, tuple[str, str]]) -> Sequence[str]:
        elements = _SharedTexts()
        for kind, member in parts.values():
            if kind.endswith("/sharedStrings") and member in self._members:
                self._run(member, elements)
        return elements.texts


class _Relations(Elements):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str]] = []

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            self.found.append(
                (attributes.get("Id", ""), attributes.get("Type", ""), attributes.get("Target", ""))
            )


class _WorkbookPart(Elements):
    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[tuple[str, str, bool]] = []
        self.counts_from_1904 = False

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            self.counts_from_1904 = attributes.get("date1904") in ("1", "true")
        elif name == "sheet" and len(self.sheets) < MAX_SHEETS:
            # The prefix before "id" is whatever the program chose.
            key = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            is_visible = attributes.get("state", "visible") == "visible"
            self.sheets.append((attributes.get("name", ""), key, is_visible))


class _Styles(Elements):
    def __init__(self) -> None:
        super().__init__()
        self.formats: list[str] = []
        """The number of the format of each style of cells."""
        self._codes: dict[str, str] = {}

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt" and len(self._codes) < MAX_STYLES:
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "xf" and self.path[-2:-1] == ["cellXfs"] and len(self.formats) < MAX_STYLES:
            self.formats.append(attributes.get("numFmtId", "0"))

    def is_date(self, number: str) -> bool:
        if (code := self._codes.get(number)) is not None:
            return _is_date_code(code)
        return number.isdecimal() and len(number) < 4 and int(number) in _BUILTIN_DATES


def _is_date_code(code: str) -> bool:
    """Whether a format such as "dd/mm/yyyy" has days or years outside of quotes and brackets."""
    bare: list[str] = []
    closing = ""
    characters = iter(code[:MAX_CELL_CHARS].partition(";")[0])
    for character in characters:
        if closing:
            closing = "" if character == closing else closing
        elif character in '"[':
            closing = '"' if character == '"' else "]"
        elif character in "\\_*":
            next(characters, None)
        else:
            bare.append(character.lower())
    return any(letter in bare for letter in "dy") and "general" not in "".join(bare)


class _Parts:
    """A text that comes in parts. They are kept until a cell can have no more, however many follow."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._chars = 0

    def add(self, text: str) -> None:
        if text and self._chars < MAX_CELL_CHARS:
            self._parts.append(text)
            self._chars += len(text)

    def take(self) -> str:
        """The whole text; the next one begins."""
        if not self._chars:
            return ""
        text = "".join(self._parts)
        self._parts.clear()
        self._chars = 0
        return text


class _SharedTexts(Elements):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._bytes = 0
        self._parts = _Parts()

    def closed(self, name: str, text: str) -> None:
        # A text in several fonts comes in parts; how it is pronounced is no part of it.
        if name == "t" and "rPh" not in self.path:
            self._parts.add(text)
        elif name == "si":
            whole = _unescaped(self._parts.take())[:MAX_CELL_CHARS]
            self._bytes += sys.getsizeof(whole)
            if self._bytes > MAX_SHARED_BYTES:
                raise UnreadableFile("has too much text in it")
            self.texts.append(whole)


class _SheetPart(Elements):
    """Gathers the rows in `done`."""

    def __init__(self, shared: Sequence[str], dates: frozenset[int], epoch: date) -> None:
        super().__init__()
        self.done: list[Record] = []
        self._shared = shared
        self._dates = dates
        self._epoch = epoch
        self._row = 0
        self._column = -1
        self._cells: list[Cell] = []
        self._kind = "n"
        self._is_date = False
        self._parts = _Parts()
        self._count = 0

    def opened(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self._begin_cell(attributes)
        elif name == "row":
            number = _small_number(attributes.get("r"))
            # What goes back would be read as an earlier row, so it is counted on.
            self._row = number if number is not None and number > self._row else self._row + 1
            if self._row > MAX_SHEET_ROWS:
                raise UnreadableFile(f"has more than {MAX_SHEET_ROWS} rows")
            self._cells, self._column = [], -1

    def closed(self, name: str, text: str) -> None:
        if name == "v" or (name == "t" and "rPh" not in self.path):
            self._parts.add(text)
        elif name == "c" and (whole := self._parts.take()):
            self._end_cell(whole)
        elif name == "row" and self._cells:
            self.done.append((self._row, self._cells))
            self._cells = []

    def _begin_cell(self, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > MAX_CELLS:
            raise UnreadableFile(f"has more than {MAX_CELLS} cells")
        column = _column_number(attributes.get("r", ""))
        self._column = column if column is not None and column > self._column else self._column + 1
        self._kind = attributes.get("t", "n")
        self._is_date = _small_number(attributes.get("s")) in self._dates
        self._parts.take()

    def _end_cell(self, text: str) -> None:
        if self._column >= MAX_COLUMNS:
            raise UnreadableFile(f"has more than {MAX_COLUMNS} columns")
        value = self._value(text[:MAX_CELL_CHARS])
        if value != "":
            self._cells.extend([""] * (self._column - len(self._cells)))
            self._cells.append(value)

    def _value(self, text: str) -> Cell:
        if self._kind == "s":
            index = _small_number(text)
            return self._shared[index] if index is not None and index < len(self._shared) else ""
        if self._kind != "n":
            return _unescaped(text)
        number = _number(text)
        if number is None:
            return text
        if self._is_date and 0 <= number < 3_000_000:  # the year 9999
            is_before_leap_day = number < NO_LEAP_DAY and self._epoch == _EPOCHS[False]
            try:
                return self._epoch + timedelta(days=int(number) + is_before_leap_day)
            except OverflowError:
                return number
        return number


def _unescaped(text: str) -> str:
    """What XML cannot hold is written by its code, such as "_x000D_"."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _number(text: str) -> Decimal | None:
    if len(text) > MAX_NUMBER_CHARS:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _small_number(text: str | None) -> int | None:
    return int(text) if text and len(text) < 8 and text.isascii() and text.isdecimal() else None


def _column_number(reference: str) -> int | None:
    """Of "AB12", counted from 0."""
    number = 0
    for letter in reference[:4]:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1 if number else None
