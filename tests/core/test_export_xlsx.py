"""Workbooks of expenses, read back by openpyxl."""

import json
import re
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.queries import export_rows, export_xlsx
from core.queries.export_csv import HEADER
from core.queries.export_rows import FileTooLarge
from core.queries.export_xlsx import build_xlsx
from core.rules.money import scale
from core.services.expense_drafts import ExpenseInput, LineInput, RateInput
from core.sheets import data_sheets
from core.sheets.texts import split_tags
from tests.core.exporting import Owner, expenses, file_of, new_owner
from tests.core.test_export_csv import expected

DAY = date(2026, 5, 4)


@pytest.fixture
def owner(database: Database) -> Owner:
    return new_owner(database)


def book_of(content: bytes) -> Any:
    return openpyxl.load_workbook(BytesIO(content))


def text_of(value: Any) -> str:
    """A text of a cell, with the format's escapes (ISO/IEC 29500-1, 22.9.2.19) as what they stand for."""
    return re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), value or "")


def read_back(book: Any, title: str = "Expenses") -> list[dict[str, Any]]:
    """The rows of a sheet, each cell typed as it should be."""
    header, *rows = book[title].iter_rows()
    names = [cell.value for cell in header]
    found = []
    for cells in rows:
        row = dict(zip(names, cells, strict=True))
        for name, cell in row.items():
            if cell.value is not None and name not in ("date", "amount", "exchange_rate"):
                assert cell.data_type in ("s", "inlineStr"), f"{name} {cell.value!r} is {cell.data_type}"
                assert cell.number_format == "@"
        assert row["date"].is_date
        assert row["amount"].data_type == "n"
        found.append({name: cell.value for name, cell in row.items()})
    return found


def understood(row: dict[str, Any]) -> dict[str, Any]:
    decimals = scale(row["currency"])
    rate = row["exchange_rate"]
    texts = {
        name: text_of(row[name]) for name in ("category", "payee", "note", "source", "tags", "lines", "id")
    }
    return {
        **texts,
        "date": row["date"].date().isoformat(),
        "amount": f"{Decimal(repr(row['amount'])):.{decimals}f}",
        "currency": row["currency"],
        "tags": split_tags(texts["tags"]),
        "exchange_rate": "" if rate is None else f"{Decimal(repr(rate)):f}",
        "rate_currency": text_of(row["rate_currency"]),
        "lines": json.loads(texts["lines"] or "[]"),
    }


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_everything_comes_back_as_it_was(owner: Owner, data: st.DataObject) -> None:
    records = owner.record(data.draw(st.lists(expenses(owner), min_size=1, max_size=8)))
    ids = {str(record.id) for record in records}
    book = book_of(file_of(owner, build_xlsx))
    wanted = [expected(one, owner) for one in sorted(records, key=lambda one: (one.spent_on, one.id))]
    assert [understood(row) for row in read_back(book) if row["id"] in ids] == wanted
    lines = [
        (one["id"], line["amount"], line.get("category", ""), line.get("note", ""))
        for one in wanted
        for line in one["lines"]
    ]
    found = read_back(book, "Lines") if "Lines" in book.sheetnames else []
    assert [
        (row["id"], f"{Decimal(repr(row['amount'])):.{scale(row['currency'])}f}",
         text_of(row["category"]), text_of(row["note"]))
        for row in found
        if row["id"] in ids
    ] == lines  # fmt: skip


def test_amounts_have_the_decimals_of_their_currency(owner: Owner) -> None:
    for amount, currency in (("1.50", "EUR"), ("700", "JPY"), ("1.234", "KWD"), ("0.0001", "CLF")):
        owner.record([ExpenseInput(user_id=owner.id, amount=amount, currency=currency, spent_on=DAY)])
    sheet = book_of(file_of(owner, build_xlsx))["Expenses"]
    shown = {row[2].value: row[1].number_format for row in sheet.iter_rows(min_row=2)}
    assert shown == {"EUR": "#,##0.00", "JPY": "#,##0", "KWD": "#,##0.000", "CLF": "#,##0.0000"}
    assert {row[0].number_format for row in sheet.iter_rows(min_row=2)} == {"yyyy-mm-dd"}


def test_sheets_have_a_header_a_filter_and_a_frozen_pane(owner: Owner) -> None:
    owner.record([ExpenseInput(user_id=owner.id, amount="1", spent_on=DAY)] * 3)
    book = book_of(file_of(owner, build_xlsx))
    assert book.sheetnames == ["Summary", "Expenses"]
    sheet = book["Expenses"]
    assert tuple(cell.value for cell in sheet[1]) == HEADER
    assert (sheet.auto_filter.ref, sheet.freeze_panes, sheet.print_title_rows) == ("A1:L4", "A2", "$1:$1")
    assert all(sheet.column_dimensions[letter].width > 5 for letter in "ABCDEFGHIJKL")
    assert book["Summary"].freeze_panes is None
    assert len(book["Summary"]._charts) == 2


@pytest.mark.parametrize("count", [0, 1, 4, 5, 8, 9])
def test_a_full_sheet_is_followed_by_another(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    monkeypatch.setattr(data_sheets, "MAX_ROWS", 5)
    lines = (LineInput(None, "1"), LineInput(None, "-1"))
    if count:
        one = ExpenseInput(user_id=owner.id, amount="0", spent_on=DAY, lines=lines)
        owner.record([one] * count)
    book = book_of(file_of(owner, build_xlsx))
    sheets = max(-(-count // 4), 1)
    assert book.sheetnames == [
        "Summary",
        *("Expenses" if number == 1 else f"Expenses {number}" for number in range(1, sheets + 1)),
        *("Lines" if number == 1 else f"Lines {number}" for number in range(1, -(-2 * count // 4) + 1)),
    ]
    rows = [row for title in book.sheetnames[1:] if "Exp" in title for row in read_back(book, title)]
    assert len({row["id"] for row in rows}) == len(rows) == count
    for title in book.sheetnames[1:]:
        sheet = book[title]
        assert [row[0].row for row in sheet.iter_rows()] == list(range(1, sheet.max_row + 1))
        assert sheet.auto_filter.ref.endswith(str(sheet.max_row))


def test_a_sheet_of_too_many_bytes_is_followed_by_another(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_sheets, "MAX_SHEET_BYTES", 3_000)
    monkeypatch.setattr(export_rows, "BATCH", 2)
    owner.record([ExpenseInput(user_id=owner.id, amount="1", spent_on=DAY, note="x" * 500)] * 7)
    book = book_of(file_of(owner, build_xlsx))
    titles = [title for title in book.sheetnames if title.startswith("Expenses")]
    assert len(titles) > 2
    assert sum(len(read_back(book, title)) for title in titles) == 7


def test_what_no_program_opens_is_refused_before_it_is_written(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_xlsx, "MAX_XLSX_ROWS", 1)
    owner.record([ExpenseInput(user_id=owner.id, amount="1", spent_on=DAY)] * 2)
    with pytest.raises(FileTooLarge, match="may have 1 expenses"):
        file_of(owner, build_xlsx)


def test_lines_that_are_too_long_for_a_cell_are_on_their_own_sheet(owner: Owner) -> None:
    long = tuple(LineInput(None, "1", "\N{FAMILY}" * 1_000) for _ in range(20))
    short = tuple(LineInput(None, "1", "x" * 1_000) for _ in range(20))
    for lines in (long, short):
        owner.record([ExpenseInput(user_id=owner.id, amount="20", spent_on=DAY, lines=lines)])
    book = book_of(file_of(owner, build_xlsx))
    shown = [row["lines"] for row in read_back(book)]
    assert shown[0] == export_xlsx.SEE_LINES
    assert len(json.loads(shown[1])) == 20
    assert len(read_back(book, "Lines")) == 40


def test_a_rate_beyond_the_digits_of_a_number_is_a_text(owner: Owner) -> None:
    for rate in ("1.1684", "123456789.12345678"):
        given = RateInput("GBP", rate)
        owner.record([ExpenseInput(user_id=owner.id, amount="0.01", spent_on=DAY, exchange_rate=given)])
    assert [row["exchange_rate"] for row in read_back(book_of(file_of(owner, build_xlsx)))] == [
        1.1684,
        "123456789.12345678",
    ]


def test_the_largest_amounts_are_exact(owner: Owner) -> None:
    for amount in ("1000000000000.00", "-999999999999.99", "0.01"):
        owner.record([ExpenseInput(user_id=owner.id, amount=amount, spent_on=DAY)])
    found = [row["amount"] for row in read_back(book_of(file_of(owner, build_xlsx)))]
    assert [f"{Decimal(repr(amount)):.2f}" for amount in found] == [
        "1000000000000.00",
        "-999999999999.99",
        "0.01",
    ]


def test_an_archive_that_is_given_up_is_let_go_of(owner: Owner) -> None:
    owner.record([ExpenseInput(user_id=owner.id, amount="1", spent_on=DAY)])

    def refuse(_done: int, _total: int) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        file_of(owner, build_xlsx, tell=refuse)


def test_programs_tell_by_its_first_bytes_that_it_is_a_workbook(owner: Owner) -> None:
    import filetype

    content = file_of(owner, build_xlsx)
    assert filetype.guess(content[:8192]).extension == "xlsx"
    with ZipFile(BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == len(set(archive.namelist()))
