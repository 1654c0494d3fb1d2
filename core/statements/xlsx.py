"""Statements in workbooks of Excel."""

from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

import msgspec

from core.statements.archives import open_archive
from core.statements.cells import Cell, Record, RecordReader, text_of
from core.statements.limits import MAX_PREAMBLE_LINES
from core.statements.mapping import Mapping, Proposal
from core.statements.proposals import PROPOSED_FROM, propose_table
from core.statements.refusals import UnreadableFile
from core.statements.rows import RowProblem, StatementRow
from core.statements.tables import find_header, has_movement
from core.statements.vocabulary import ROLES_BY_NAME, header_key
from core.statements.workbooks import Sheet, Workbook

MAX_SHEETS_TRIED = 10
"""In search of the table; those before it are covers and sums."""


def propose_xlsx(file: BinaryIO, default_currency: str) -> Proposal:
    """As `reading.propose_mapping`, for XLSX: of the sheet that looks most like a statement."""
    with open_archive(file) as archive:
        workbook = Workbook(archive)
        sheet = _best_sheet(workbook)
        records = list(islice(workbook.records(sheet), PROPOSED_FROM))
        names = tuple(sheet.name for sheet in workbook.sheets)
    if not records:
        raise UnreadableFile("has no rows in it")
    header = find_header(records[:MAX_PREAMBLE_LINES])
    headers = [] if header is None else [text_of(cell) for cell in records[header][1]]
    rows = [cells for _, cells in records[0 if header is None else header + 1 :]]
    base = Mapping(
        currency=default_currency,
        header_row=None if header is None else records[header][0],
        sheet=sheet.name,
    )
    proposal = propose_table("xlsx", base, headers, rows, comma_is_usual=False)
    return msgspec.structs.replace(proposal, sheets=names)


def read_xlsx(file: BinaryIO, mapping: Mapping) -> Iterator[StatementRow | RowProblem]:
    """As `reading.read_statement`, for XLSX."""
    reader = RecordReader(mapping)
    header: list[Cell] | None = None
    number = widest = 0
    with open_archive(file) as archive:
        workbook = Workbook(archive)
        for number, cells in workbook.records(_sheet(workbook, mapping.sheet)):
            widest = max(widest, len(cells))
            if mapping.header_row is not None and number <= mapping.header_row:
                header = cells
            # Some banks repeat the header every few lines.
            elif cells != header and (row := reader.read(number, cells)) is not None:
                yield row
    if number < (mapping.header_row or 0):
        reason = f"has no row {mapping.header_row} that names the columns"
        raise UnreadableFile(reason, pointer="/mapping/header_row")
    if 0 < widest < reader.least:
        raise UnreadableFile(f"has no column {reader.least} in any row", pointer="/mapping/columns")


def _sheet(workbook: Workbook, name: str | None) -> Sheet:
    if not workbook.sheets:
        raise UnreadableFile("is a workbook without sheets")
    if name is None:
        return workbook.sheets[0]
    for sheet in workbook.sheets:
        if sheet.name == name:
            return sheet
    raise UnreadableFile("has no sheet of this name", pointer="/mapping/sheet")


def _best_sheet(workbook: Workbook) -> Sheet:
    sheets = [sheet for sheet in workbook.sheets if sheet.is_visible][:MAX_SHEETS_TRIED]
    if not sheets:
        return _sheet(workbook, None)
    return max(sheets, key=lambda sheet: _fitness(list(islice(workbook.records(sheet), MAX_PREAMBLE_LINES))))


def _fitness(records: list[Record]) -> tuple[int, int]:
    header = find_header(records)
    names = [] if header is None else records[header][1]
    known = sum(header_key(str(name)) in ROLES_BY_NAME for name in names)
    return known, sum(has_movement(cells) for _, cells in records)
