"""Workbooks: typed cells, as a library writes them and as other programs do."""

import io
from datetime import date, datetime
from decimal import Decimal

import msgspec
import openpyxl
import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from core.statements.limits import MAX_COLUMNS
from core.statements.mapping import Columns, Mapping
from core.statements.refusals import UnreadableFile
from tests.core.rules.strategies import patient
from tests.core.statements.statement_files import problem_of, proposed, read, roles, row_of, rows_of
from tests.core.statements.workbook_files import packed, parts, workbook

LAST = date(2026, 1, 31)

HEADER = '<row r="1"><c r="A1" t="str"><v>date</v></c><c r="B1" t="str"><v>amount</v></c></row>'
PLAIN = Mapping(currency="EUR", header_row=1, columns=Columns(day=0, amount=1, payee=2))


def test_dates_and_amounts_are_typed() -> None:
    data = workbook(
        ("Kontoauszug",),
        (),
        ("Datum", "Betrag (CHF)", "Empfänger", "Notiz", "Währung"),
        (datetime(2026, 1, 31, 23, 59), -1234.5, "Bäcker", 42, "CHF"),  # noqa: DTZ001 - Excel knows no zones
        (LAST, 7, None, None, None),
        ("31.01.2026", "-12,34", "Text", "=1+1", "EUR"),
    )
    proposal = proposed(data)
    assert (proposal.mapping.header_row, proposal.sheets) == (3, ("Sheet",))
    first, second, third = rows_of(data)
    assert (first.line, first.day, first.amount_minor, first.currency) == (4, LAST, 123_450, "CHF")
    assert (first.payee, first.note) == ("Bäcker", "42")
    assert (second.amount_minor, second.currency, second.payee) == (-700, "CHF", None)
    # A formula that nobody has computed is an empty cell.
    assert (third.day, third.amount_minor, third.currency, third.note) == (LAST, 1234, "EUR", None)


def test_the_sheet_with_the_statement_is_found() -> None:
    data = workbook(
        ("Cover",), Bookings=[("date", "amount", "payee"), (LAST, -5, "Shop")], Sums=[("total", 5)]
    )
    proposal = proposed(data)
    assert (proposal.mapping.sheet, proposal.sheets) == ("Bookings", ("Sheet", "Bookings", "Sums"))
    assert row_of(data).payee == "Shop"
    other = msgspec.structs.replace(proposal.mapping, sheet="Elsewhere")
    with pytest.raises(UnreadableFile) as raised:
        read(data, other)
    assert raised.value.fields[0].pointer == "/mapping/sheet"


def test_numbers_with_traces_of_binary_fractions_are_taken_as_excel_shows_them() -> None:
    sheet = HEADER + '<row r="2"><c r="A2"><v>46053</v></c><c r="B2"><v>-12.340000000000002</v></c></row>'
    data = packed(parts(sheet))
    problem = problem_of(data, PLAIN)
    assert (problem.field, problem.reason) == ("day", '"46053" is no date')
    styles = '<styleSheet><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>'
    data = packed(parts(sheet.replace('r="A2"', 'r="A2" s="1"'), styles=styles))
    row = row_of(data, PLAIN)
    assert (row.day, row.amount_minor) == (LAST, 1234)


@pytest.mark.parametrize(
    ("code", "is_date"),
    [
        ("dd/mm/yyyy", True),
        ("[$-409]d mmm yy;@", True),
        ("yyyy\\-mm\\-dd", True),
        ("General", False),
        ("0.00", False),
        ("#,##0.00 [$€-407]", False),
        ('0.00 "day"', False),
        ("[Red]0.00", False),
        ("hh:mm", False),
    ],
)
def test_a_number_is_a_date_by_its_format(code: str, is_date: bool) -> None:
    quoted = code.replace("&", "&amp;").replace('"', "&quot;")
    styles = (
        f'<styleSheet><numFmts><numFmt numFmtId="164" formatCode="{quoted}"/></numFmts>'
        '<cellXfs><xf numFmtId="164"/></cellXfs></styleSheet>'
    )
    sheet = HEADER + '<row r="2"><c r="A2" s="0"><v>46053.75</v></c><c r="B2"><v>-1</v></c></row>'
    rows = read(packed(parts(sheet, styles=styles)), PLAIN)
    assert [getattr(row, "day", None) for row in rows] == [LAST if is_date else None]


def test_a_workbook_that_counts_from_1904_is_understood() -> None:
    styles = '<styleSheet><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>'
    sheet = HEADER + '<row r="2"><c r="A2" s="0"><v>44591</v></c><c r="B2"><v>-1</v></c></row>'
    members = parts(sheet, styles=styles)
    members["xl/workbook.xml"] = members["xl/workbook.xml"].replace(
        "<sheets>", '<workbookPr date1904="1"/><sheets>'
    )
    assert row_of(packed(members), PLAIN).day == LAST


@pytest.mark.parametrize(
    ("number", "day"),
    [(1, date(1900, 1, 1)), (59, date(1900, 2, 28)), (61, date(1900, 3, 1))],
)
def test_days_before_the_leap_day_that_never_was_are_those_that_excel_shows(number: int, day: date) -> None:
    styles = '<styleSheet><cellXfs><xf numFmtId="14"/></cellXfs></styleSheet>'
    sheet = HEADER + f'<row r="2"><c r="A2" s="0"><v>{number}</v></c><c r="B2"><v>-1</v></c></row>'
    assert row_of(packed(parts(sheet, styles=styles)), PLAIN).day == day


def test_texts_may_be_shared_inline_or_in_several_fonts() -> None:
    fonts = "<r><t>two </t></r><r><t>fonts</t></r><rPh><t>x</t></rPh>"
    shared = f"<sst><si><t>plain_x0020__x005F_x0041_</t></si><si>{fonts}</si></sst>"
    sheet = HEADER.replace("</row>", '<c r="C1" t="str"><v>payee</v></c></row>')
    for line, cell in enumerate(
        ('t="s"><v>0</v>', 't="s"><v>1</v>', 't="inlineStr"><is><t>inline</t></is>', 't="s"><v>99</v>'), 2
    ):
        sheet += (
            f'<row r="{line}"><c r="A{line}" t="d"><v>2026-01-31</v></c><c r="B{line}"><v>-1</v></c>'
            f'<c r="C{line}" {cell}</c></row>'
        )
    payees = [row.payee for row in rows_of(packed(parts(sheet, sharedStrings=shared)), PLAIN)]
    assert payees == ["plain _x0041_", "two fonts", "inline", None]


def test_rows_and_cells_need_no_numbers() -> None:
    sheet = "<row><c t='str'><v>date</v></c><c t='str'><v>amount</v></c></row><row/>"
    sheet += "<row><c t='str'><v>2026-01-31</v></c><c><v>-1</v></c></row>"
    assert row_of(packed(parts(sheet)), PLAIN).line == 3


def test_cells_far_to_the_right_are_refused_only_if_they_hold_something() -> None:
    cells = '<c r="A2" t="str"><v>2026-01-31</v></c><c r="B2"><v>-1</v></c>'
    empty = packed(parts(f'{HEADER}<row r="2">{cells}<c r="XFD2" s="1"/></row>'))
    assert row_of(empty, PLAIN).amount_minor == 100
    filled = packed(parts(f'{HEADER}<row r="2">{cells}<c r="XFD2"><v>1</v></c></row>'))
    with pytest.raises(UnreadableFile, match=f"more than {MAX_COLUMNS} columns"):
        read(filled, PLAIN)


def test_the_header_of_a_workbook_is_kept_with_its_mapping() -> None:
    data = workbook(("date", "amount", "payee"), (LAST, -5, "Shop"))
    assert roles(proposed(data)) == {"day": "date", "amount": "amount", "payee": "payee"}
    assert row_of(data, msgspec.structs.replace(proposed(data).mapping, sheet=None)).payee == "Shop"


CELLS = st.lists(
    st.tuples(
        st.dates(date(1900, 3, 1), date(2199, 12, 31)),
        st.integers(-(10**10), 10**10),
        st.text(
            st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=30
        ),
    ),
    min_size=1,
    max_size=20,
)


@patient
@given(CELLS, st.booleans())
def test_what_a_library_writes_is_read_as_it_reads_it(
    cells: list[tuple[date, int, str]], is_xlsxwriter: bool
) -> None:
    # What begins with "=" openpyxl would write as a formula, which has no result yet.
    texts = (text if is_xlsxwriter else text.lstrip("=") for _, _, text in cells)
    rows = [
        (day, float(Decimal(minor) / 100), text) for (day, minor, _), text in zip(cells, texts, strict=True)
    ]
    data = _by_xlsxwriter(rows) if is_xlsxwriter else workbook(("date", "amount", "payee"), *rows)
    found = rows_of(data, PLAIN)
    assert [(row.day, -row.amount_minor) for row in found] == [(day, minor) for day, minor, _ in cells]
    sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
    payees = [row[2] for row in sheet.iter_rows(min_row=2, min_col=1, max_col=3, values_only=True)]
    assert [row.payee for row in found] == [" ".join(str(one or "").split()) or None for one in payees]


def _by_xlsxwriter(rows: list[tuple[date, float, str]]) -> bytes:
    file = io.BytesIO()
    book = xlsxwriter.Workbook(file, {"in_memory": True})
    sheet, dates = book.add_worksheet(), book.add_format({"num_format": "dd.mm.yyyy"})
    sheet.write_row(0, 0, ("date", "amount", "payee"))
    for number, (day, amount, text) in enumerate(rows, start=1):
        sheet.write_datetime(number, 0, day, dates)
        sheet.write_number(number, 1, amount)
        sheet.write_string(number, 2, text)
    book.close()
    return file.getvalue()
