"""CSV as banks and programs write it: any delimiter and encoding, remarks before and below the table."""

import csv
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO, get_args

from core.statements.cells import Cell, Record, RecordReader, problem
from core.statements.limits import MAX_COLUMNS, MAX_PREAMBLE_LINES
from core.statements.mapping import Delimiter, Encoding, Mapping
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from core.statements.tables import find_header, has_movement
from core.statements.text_lines import RecordTooLong, TextLines
from core.statements.vocabulary import ROLES_BY_NAME, header_key

MAX_REREADS = 100
"""Quotation marks that never close and are put right by reading their lines again, in a file."""

SNIFFED_LINES = 200
"""By which the delimiter is found out."""

MAX_HEAD_LINES = 50_000
"""Among which good records are looked for before the preview: ten for each, as notes may have several."""

UNCLOSED = "has a quotation mark that never closes"


class BrokenRecord(ValueError):
    """A record that is none; the message is meant for the user."""


class TooManyUnclosed(UnreadableFile):
    """To read the lines again from each quotation mark that never closes would take too long."""


def read_csv(file: BinaryIO, mapping: Mapping) -> Iterator[StatementRow | RowProblem]:
    """As `reading.read_statement`, for CSV."""
    reader = RecordReader(mapping)
    lines = TextLines(file, mapping.encoding)
    for _ in islice(lines, (mapping.header_row or 1) - 1):
        lines.begin_record()
    header: list[Cell] | None = None
    widest = 0
    for line, cells in records_of(
        lines, mapping.delimiter, is_exact=mapping.texts == "exact", is_strict=True
    ):
        if header is None and mapping.header_row is not None:
            header = _header(line, cells, reader.width)
        elif isinstance(cells, RowProblem):
            yield cells
        else:
            widest = max(widest, len(cells))
            # Some banks repeat the header every few lines.
            if cells != header and (row := reader.read(line, cells)) is not None:
                yield row
    if header is None and mapping.header_row is not None:
        reason = f"has no line {mapping.header_row} that names the columns"
        raise UnreadableFile(reason, pointer="/mapping/header_row")
    if header is None and 0 < widest < reader.least:
        raise UnreadableFile(f"has no column {reader.least} in any line", pointer="/mapping/columns")


def _header(line: int, cells: list[Cell] | RowProblem, width: int) -> list[Cell]:
    if isinstance(cells, RowProblem):
        raise UnreadableFile(f"should name its columns in line {line}, which {cells.reason}")
    if len(cells) < width:
        reason = f"has no column {width} in line {line}, which names the columns"
        raise UnreadableFile(reason, pointer="/mapping/columns")
    return cells


def records_of(
    lines: TextLines, delimiter: Delimiter, *, is_exact: bool = False, is_strict: bool = False
) -> Iterator[tuple[int, list[Cell] | RowProblem]]:
    """The first line and the cells of each record, or what is wrong with it.

    A quotation mark that never closes swallows what follows, up to the next one. So a record of several
    lines must be one by the letter of RFC 4180 and, if `is_strict`, have as many cells as the first record:
    otherwise only its first line is given up, and what follows is read again.

    Raises:
        UnreadableFile: also where that happens too often.
    """
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=not is_exact)
    width: int | None = None
    rereads = 0
    while True:
        line = lines.begin_record()
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if not cells:
                continue
            _check(cells, lines.taken, delimiter, width)
        except (csv.Error, RecordTooLong, BrokenRecord) as error:
            is_reread = len(lines.taken) > 1
            if is_reread and rereads == MAX_REREADS:
                reason = f"has more than {MAX_REREADS} quotation marks that never close, one in line {line}"
                raise TooManyUnclosed(reason) from error
            rereads += is_reread
            yield line, _given_up(line, lines, error)
            continue
        width = (width or len(cells)) if is_strict else None
        yield line, cells  # type: ignore[misc]  # a list of texts is a list of cells that nobody adds to


def _check(cells: list[str], lines: list[str], delimiter: Delimiter, width: int | None) -> None:
    if len(cells) > MAX_COLUMNS:
        raise BrokenRecord(f"has more than {MAX_COLUMNS} columns")
    if len(lines) > 1:
        again = list(csv.reader(lines, delimiter=delimiter, strict=True, skipinitialspace=True))
        if len(again) != 1 or (width is not None and len(cells) != width):
            raise BrokenRecord(UNCLOSED)


def _given_up(line: int, lines: TextLines, error: Exception) -> RowProblem:
    first, *rest = lines.taken
    lines.give_back(rest)
    reason = str(error) if isinstance(error, BrokenRecord) else UNCLOSED
    return problem(line, [first], None, reason)


def find_delimiter(file: BinaryIO, encoding: Encoding) -> Delimiter:
    """The one with which the most columns have names that are known; failing that, the most regular rows."""
    return max(get_args(Delimiter), key=lambda delimiter: _fitness(file, encoding, delimiter))


def _fitness(file: BinaryIO, encoding: Encoding, delimiter: Delimiter) -> tuple[int, int, float]:
    records = head_of(file, encoding, delimiter, SNIFFED_LINES)
    header = find_header(records[:MAX_PREAMBLE_LINES])
    names = records[header][1] if header is not None else []
    known = sum(header_key(str(name)) in ROLES_BY_NAME for name in names)
    widths = Counter(len(cells) for _, cells in records)
    regular = max((count * (width - 1) / len(records) for width, count in widths.items()), default=0.0)
    return known, sum(has_movement(cells) for _, cells in records), regular


def head_of(file: BinaryIO, encoding: Encoding, delimiter: Delimiter, count: int) -> list[Record]:
    """The first good records of the file, as far as there are any in its first lines."""
    found: list[Record] = []
    # With a delimiter that is not the file's, quotation marks may seem not to close.
    with suppress(TooManyUnclosed):
        for line, cells in records_of(TextLines(file, encoding, last=MAX_HEAD_LINES), delimiter):
            if not isinstance(cells, RowProblem):
                found.append((line, cells))
            if len(found) == count:
                break
    return found
