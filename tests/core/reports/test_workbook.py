"""Workbooks of reports: typed cells, formulas that come to what they say, and names that stay names."""

import re
import zipfile
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from openpyxl.cell.cell import Cell

from core.charts.rendering import PNG_SIGNATURE
from core.database import Database
from core.queries.report_documents import ReportFigures
from core.rate_files import DailyRate
from core.reports.workbook import build_workbook
from core.rules.conversion import RATE_SCALE
from core.services.exchange_rates import store_rates
from tests.core.services.household import Household
from tests.core.services.spender import Spender, at
from tests.core.test_report_figures import figures_of

pytestmark = pytest.mark.filterwarnings("ignore:.*extension is not supported:UserWarning")

BUILT_AT = datetime(2026, 6, 10, 12, tzinfo=UTC)

ATTACKS = ["=SUM(A1:A9)", "+1+1", "-2+3", "@SUM(1)", "\uff1d1+1", '=HYPERLINK("http://a.example")', "1e5"]
ADDRESS = "https://shop.example/?a=1"


@pytest.fixture
def home(database: Database) -> Household:
    """Somebody with a bit of everything, whose names all mean harm."""
    home = Household(database, "=Ada", "=Ben")
    me = home.people["=Ada"]
    days = [date(2026, 5, number) for number in range(1, 32)]
    with database.transaction() as session:
        rates = [DailyRate(day, "JPY", 160 * RATE_SCALE) for day in days]
        store_rates(session, rates=rates, source="test")
    with at("2026-05-01T12:00:00"):
        me.budget("50.00", name="=Food", categories=["food"], thresholds=[])
        me.budget("8000", name="+Yen", currency="JPY", kind="weekly")
    for number, attack in enumerate([*ATTACKS, ADDRESS], start=1):
        me.spend(f"{number}.01", date(2026, 5, number), payee=attack, tags=(attack,), category="food")
    for number in range(1, 13):
        me.spend("20.00", date(2026, 5, number), payee="Kiosk", category="dining")
    me.spend("999.99", "2026-05-20", payee="=Hotel", category="dining")
    me.spend("1500", "2026-05-21", currency="JPY", payee="Tokyo")
    me.spend("1.234", "2026-05-22", currency="KWD")
    me.spend("-5.00", "2026-05-23", category="travel")
    for month in range(1, 6):
        me.spend("9.99", date(2026, month, 4), payee="@Streams")
    home.add("10.00", by="=Ben", spent_on=date(2026, 5, 3), description="=Pizza")
    home.settle_all()
    return home


@pytest.fixture
def figures(home: Household) -> ReportFigures:
    return figures_of(home.people["=Ada"], "monthly", "2026-05")


class Opened:
    """The workbook as written, and with the values that its formulas are said to have."""

    def __init__(self, content: bytes) -> None:
        self.written = openpyxl.load_workbook(BytesIO(content))
        self.said = openpyxl.load_workbook(BytesIO(content), data_only=True)

    def cells(self) -> list[tuple[str, Cell]]:
        return [
            (sheet.title, cell)
            for sheet in self.written.worksheets
            for row in sheet.iter_rows()
            for cell in row
            if isinstance(cell, Cell) and cell.value is not None
        ]

    def value(self, sheet: str, name: str) -> Any:
        return self.said[sheet][name].value

    def values(self, sheet: str, names: str) -> list[Any]:
        return [cell.value for row in self.said[sheet][names] for cell in row]

    def column(self, sheet: str, letter: str) -> list[Any]:
        return [cell.value for cell in self.said[sheet][letter]]

    def row_of(self, sheet: str, label: str) -> int:
        return self.column(sheet, "A").index(label) + 1


def opened(figures: ReportFigures) -> Opened:
    return Opened(build_workbook(figures, {}, built_at=BUILT_AT))


REFERENCE = re.compile(r"(?:(\w+)!)?\$?([A-Z])\$?(\d+)(?::\$?([A-Z])\$?(\d+))?")
CHOICE = re.compile(r"IF\((.+?),(.+),(.+?)\)")


def computed(book: Opened, sheet: str, formula: str) -> Any:
    """What the formula comes to, by the values in the cells that it names."""

    def look_up(match: re.Match[str]) -> str:
        where, column, row, last_column, last_row = match.groups()
        if last_column is None:
            return f"value({where or sheet!r}, '{column}{row}')"
        return f"values({where or sheet!r}, '{column}{row}:{last_column}{last_row}')"

    chosen = CHOICE.sub(r"((\2) if \1 else \3)", formula.removeprefix("="))
    python = REFERENCE.sub(look_up, chosen).replace("<>", "!=")
    # The formulas are our own.
    return eval(python, {"value": book.value, "values": book.values, "SUM": sum})


def test_every_formula_comes_to_what_its_cell_says(figures: ReportFigures) -> None:
    book = opened(figures)
    formulas = [(sheet, cell) for sheet, cell in book.cells() if cell.data_type == "f"]
    assert len(formulas) > 50
    assert {sheet for sheet, _ in formulas} >= {"Overview", "Categories", "Over time", "Budgets", "Groups"}
    for sheet, cell in formulas:
        said = book.value(sheet, cell.coordinate)
        digits = {"0.0%": 0.0011, "0.000000": 1e-9}.get(cell.number_format, 0.005001)
        expected = computed(book, sheet, str(cell.value))
        # What is empty is read as nothing.
        assert said == (pytest.approx(expected, abs=digits) if expected != "" else None), cell.coordinate


def test_names_are_texts_whatever_they_begin_with(figures: ReportFigures) -> None:
    book = opened(figures)
    own = [cell for _, cell in book.cells() if cell.data_type == "f"]
    assert all(re.match(r"=(SUM|IF|[A-Z]\d|Categories!)", str(cell.value)) for cell in own)
    assert not any("HYPERLINK" in str(cell.value) or "A1:A9" in str(cell.value) for cell in own)
    texts = {cell.value for _, cell in book.cells() if cell.data_type == "s"}
    assert {*ATTACKS, ADDRESS, "=Food", "+Yen", "=Hotel", "@Streams", "=Ben"} <= texts
    assert not any(cell.hyperlink for _, cell in book.cells())


def test_dates_and_amounts_are_typed_with_the_formats_of_their_currencies(figures: ReportFigures) -> None:
    book = opened(figures)
    day = book.written["Over time"]["A5"]
    assert (day.value, day.number_format) == (datetime.fromisoformat("2026-05-01"), "yyyy-mm-dd")
    amount = book.written["Over time"]["C5"]
    assert (amount.value, amount.number_format) == (21.01, "#,##0.00")
    formats = {cell.number_format for cell in book.written["Currencies"]["B"]}
    assert {"#,##0 [$JPY]", "#,##0.000 [$KWD]"} <= formats
    assert book.row_of("Currencies", "KWD") == 6
    assert book.value("Currencies", "E6") == "not counted, as there is no rate"
    assert [cell.number_format for cell in book.written["Budgets"]["D"][5:7]] == ["#,##0 [$JPY]"] * 2


def test_the_numbers_are_those_of_the_figures(figures: ReportFigures) -> None:
    book = opened(figures)
    total = figures.whole.minor / 100
    assert book.value("Overview", "B5") == total
    assert book.value("Categories", f"B{book.row_of('Categories', 'Total')}") == total
    assert book.value("Over time", f"C{book.row_of('Over time', 'Total')}") == pytest.approx(total)
    assert book.column("Categories", "B")[4:-1] == [one.minor / 100 for one in figures.by_category]
    (standing,) = figures.groups
    assert book.value("Groups", "H5") == standing.after_minor / 100 == -5
    assert book.column("Unusual", "D")[4] == figures.anomalies[0].words
    assert book.column("Repeated", "A")[4:] == ["@Streams"]


def test_headers_stay_in_sight_and_every_sheet_prints_one_page_wide(figures: ReportFigures) -> None:
    book = opened(figures)
    assert book.written.sheetnames == [
        "Overview", "Categories", "Over time", "Payees and tags", "Currencies", "Budgets", "Groups",
        "Largest", "Unusual", "Repeated",
    ]  # fmt: skip
    for sheet in book.written.worksheets:
        assert sheet.page_setup.fitToWidth in (None, 1)
        assert sheet.sheet_properties.pageSetUpPr.fitToPage
        assert int(sheet.page_setup.paperSize or 0) == 9
        if sheet.title != "Overview":
            assert (sheet.freeze_panes, sheet.print_title_rows) == ("A5", "$4:$4")
    assert len(book.written["Categories"]._charts) == len(book.written["Over time"]._charts) == 1


def test_of_an_empty_month_there_is_a_workbook_too(database: Database) -> None:
    book = opened(figures_of(Spender(database), "monthly", "2026-05"))
    assert book.written.sheetnames == ["Overview", "Categories", "Over time"]
    assert book.value("Overview", "B5") == 0
    for sheet, cell in book.cells():
        if cell.data_type == "f":
            assert (computed(book, sheet, str(cell.value)) or 0) == (book.value(sheet, cell.coordinate) or 0)


def test_a_year_is_told_by_months(home: Household) -> None:
    figures = figures_of(home.people["=Ada"], "yearly", "2026", on=date(2026, 6, 10))
    book = opened(figures)
    assert [cell.value for cell in book.written["Over time"]["A"][4:16]] == [
        datetime.fromisoformat(f"2026-{month:02d}-01") for month in range(1, 13)
    ]
    assert book.value("Overview", "A1") == "Report for 2026"
    assert book.value("Overview", "A2").startswith("As of 10 June 2026")


def test_pictures_are_in_it_where_they_have_room(figures: ReportFigures) -> None:
    png = PNG_SIGNATURE + (13).to_bytes(4) + b"IHDR" + (1280).to_bytes(4) + (800).to_bytes(4) + bytes(29)
    content = build_workbook(
        figures, {"over_time": png, "by_category": png, "budgets": png}, built_at=BUILT_AT
    )
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = archive.namelist()
        overview = archive.read("xl/drawings/drawing1.xml").decode()
    assert "xl/media/image1.png" in names
    rows = [int(row) for row in re.findall(r"<xdr:from>.*?<xdr:row>(\d+)<", overview)]
    # 400 pixels are 19 rows of 22.
    assert rows[1] - rows[0] == 20
    assert "has the numbers" in overview, "for those who cannot see it"


def test_the_same_figures_give_the_same_file(figures: ReportFigures) -> None:
    assert build_workbook(figures, {}, built_at=BUILT_AT) == build_workbook(figures, {}, built_at=BUILT_AT)
