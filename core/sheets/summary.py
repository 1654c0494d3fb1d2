"""The first sheet of a workbook of expenses: what they come to, in formulas over the data, and charts.

Each formula brings its result along, for programs that show a workbook without computing it.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from core.charts.theme import LIGHT
from core.rules.money import format_amount
from core.sheets.data_sheets import FilledSheet, letter
from core.sheets.formats import Formats
from core.sheets.xlsx_cells import day_number

MAX_CURRENCIES = 5
"""With a column of their own, those with the most expenses: the own one and those of some journeys. Each is a
column of formulas that look at all expenses. The table of currencies has all of them."""

MAX_MONTHS = 120
"""Ten years, as many as a chart can show. What was before is in one row."""

MAX_BARS = 12
"""Of the chart by category: the largest."""

NO_CATEGORY = "(none)"

DAY, AMOUNT, CURRENCY, CATEGORY, LINES = "A", "B", "C", "D", "K"
"""Columns of the sheets of expenses; those of lines have the first four of them, too."""

TABLES_ROW, LABEL_WIDTH, AMOUNT_WIDTH = 3, 34, 16
CHART_WIDTH, CHART_HEIGHT = 720, 340
"""In pixels."""

HIDE_GRID = 2
"""On the screen, too."""

A4 = 9
"""Paper, in the numbers of the format (ISO/IEC 29500-1, 18.3.1.63)."""

WILDCARD = re.compile(r"[~*?]")

Minors = Mapping[str, int]
"""Minor units by currency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What all expenses come to: how many there are by currency, and their amounts by category (the empty one
    is none) and by first day of the month."""

    counts: Mapping[str, int]
    categories: Mapping[str, Minors]
    months: Mapping[date, Minors]

    def of(self, currency: str) -> int:
        return sum(minors.get(currency, 0) for minors in self.months.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheets:
    """The sheets that formulas look at: of expenses, and of the lines of those that have any."""

    expenses: Sequence[FilledSheet]
    lines: Sequence[FilledSheet]


def fill_summary(sheet: Any, formats: Formats, *, totals: Totals, sheets: Sheets, remark: str) -> None:
    """Fill XlsxWriter's `sheet`."""
    _Summary(sheet, formats, totals, sheets).fill(remark)


class _Summary:
    def __init__(self, sheet: Any, formats: Formats, totals: Totals, sheets: Sheets) -> None:
        self._sheet = sheet
        self._formats = formats
        self._totals = totals
        self._sheets = sheets
        self._currencies = sorted(totals.counts, key=lambda code: (-totals.counts[code], code))
        self._shown = self._currencies[:MAX_CURRENCIES]
        self._row = TABLES_ROW

    def fill(self, remark: str) -> None:
        sheet, formats = self._sheet, self._formats
        sheet.hide_gridlines(HIDE_GRID)
        sheet.set_landscape()
        sheet.set_paper(A4)
        sheet.fit_to_pages(1, 0)
        sheet.set_column(0, 0, LABEL_WIDTH)
        sheet.set_column(1, max(2, len(self._shown)), AMOUNT_WIDTH)
        sheet.write_string(0, 0, "Expenses", formats.title)
        sheet.write_string(1, 0, remark, formats.remark)
        self._add_currencies()
        categories = self._add_categories()
        months = self._add_months()
        if self._shown:
            column = max(3, len(self._shown) + 1) + 1
            self._add_chart("column", "by month", months, TABLES_ROW, column)
            self._add_chart("bar", "by category", categories, TABLES_ROW + 18, column)

    def _add_currencies(self) -> None:
        """How many and how much of each currency."""
        self._add_header("Currency", "Expenses", "Total")
        for code in self._currencies:
            self._sheet.write_string(self._row, 0, code, self._formats.text)
            count = _counting(self._sheets.expenses, f"$A{self._row + 1}")
            self._sheet.write_formula(self._row, 1, count, self._formats.count, self._totals.counts[code])
            total = _adding(self._sheets.expenses, [(CURRENCY, f"$A{self._row + 1}")])
            self._write_amount(1 + 1, total, code, self._totals.of(code))
            self._row += 1

    def _add_categories(self) -> range:
        """By category, the largest first; answers the rows of those in the chart."""
        self._row += 1
        header = self._row
        self._add_header("Category", *self._shown)
        first = self._row
        for label in self._ordered_categories():
            self._sheet.write_string(self._row, 0, label or NO_CATEGORY, self._formats.text)
            for column, code in enumerate(self._shown, 1):
                formula = self._category_formula(label, f"{letter(column)}${header + 1}")
                self._write_amount(column, formula, code, self._totals.categories[label].get(code, 0))
            self._row += 1
        self._add_total(first)
        return range(first, min(self._row - 1, first + MAX_BARS))

    def _ordered_categories(self) -> list[str]:
        main = self._shown[0] if self._shown else ""
        amounts = self._totals.categories
        return sorted(amounts, key=lambda label: (not label, -amounts[label].get(main, 0), label))

    def _category_formula(self, label: str, currency: str) -> str:
        of_currency = (CURRENCY, currency)
        if not label:
            # With lines an expense has none of its own.
            bare = _adding(self._sheets.expenses, [(CATEGORY, '"="'), (LINES, '"="'), of_currency])
            return _joined(bare, _adding(self._sheets.lines, [(CATEGORY, '"="'), of_currency]))
        criterion = f'"="&$A{self._row + 1}'
        if WILDCARD.search(label):
            criterion = '"=' + WILDCARD.sub(r"~\g<0>", label).replace('"', '""') + '"'
        criteria = [(CATEGORY, criterion), of_currency]
        return _joined(_adding(self._sheets.expenses, criteria), _adding(self._sheets.lines, criteria))

    def _add_months(self) -> range:
        """By month, the oldest first; answers the rows of those in the chart."""
        self._row += 1
        header = self._row
        self._add_header("Month", *self._shown)
        first = self._row
        months = sorted(self._totals.months)
        earlier, shown = months[:-MAX_MONTHS], months[-MAX_MONTHS:]
        if earlier:
            self._sheet.write_string(self._row, 0, "before", self._formats.text)
            self._add_month(header, [(DAY, f'"<"&$A{self._row + 2}')], earlier)
        begin = self._row
        for month in shown:
            self._sheet.write_number(self._row, 0, day_number(month), self._formats.month)
            cell = f"$A{self._row + 1}"
            self._add_month(header, [(DAY, f'">="&{cell}'), (DAY, f'"<"&EDATE({cell},1)')], [month])
        self._add_total(first)
        return range(begin, self._row - 1)

    def _add_month(self, header: int, criteria: list[tuple[str, str]], months: Sequence[date]) -> None:
        for column, code in enumerate(self._shown, 1):
            of_currency = (CURRENCY, f"{letter(column)}${header + 1}")
            minor = sum(self._totals.months[month].get(code, 0) for month in months)
            self._write_amount(column, _adding(self._sheets.expenses, [*criteria, of_currency]), code, minor)
        self._row += 1

    def _add_header(self, label: str, *others: str) -> None:
        self._sheet.write_string(self._row, 0, label, self._formats.header)
        for column, other in enumerate(others, 1):
            self._sheet.write_string(self._row, column, other, self._formats.number_header)
        self._row += 1

    def _add_total(self, first: int) -> None:
        self._sheet.write_string(self._row, 0, "Total", self._formats.total_label)
        for column, code in enumerate(self._shown, 1):
            area = f"{letter(column)}{first + 1}:{letter(column)}{max(self._row, first + 1)}"
            self._write_amount(column, f"=SUM({area})", code, self._totals.of(code), is_total=True)
        self._row += 1

    def _write_amount(
        self, column: int, formula: str, currency: str, minor: int, *, is_total: bool = False
    ) -> None:
        look = self._formats.sum(currency, is_total=is_total)
        self._sheet.write_formula(self._row, column, formula, look, Decimal(format_amount(minor, currency)))

    def _add_chart(self, kind: str, title: str, rows: range, row: int, column: int) -> None:
        """Of the currency with the most expenses."""
        if not rows:
            return
        chart = self._formats.new_chart(kind)
        name, last = self._sheet.get_name(), rows[-1]
        chart.add_series(
            {
                "categories": [name, rows[0], 0, last, 0],
                "values": [name, rows[0], 1, last, 1],
                "fill": {"color": LIGHT.bar},
                "gap": 40,
            }
        )
        letters = {"color": LIGHT.muted, "size": 9}
        axis = {"num_font": letters, "line": {"color": LIGHT.grid}}
        grid = {"visible": True, "line": {"color": LIGHT.grid}}
        amounts = {**axis, "major_gridlines": grid, "num_format": "#,##0"}
        chart.set_title({"name": f"{self._shown[0]} {title}", "name_font": {"size": 12, "color": LIGHT.text}})
        chart.set_legend({"none": True})
        if kind == "bar":
            # The first row on top, and the amounts below the last one.
            chart.set_y_axis({**axis, "reverse": True, "crossing": "max"})
            chart.set_x_axis(amounts)
        else:
            chart.set_x_axis({**axis, "date_axis": True, "num_format": "yyyy-mm", "label_position": "low"})
            chart.set_y_axis(amounts)
        chart.set_size({"width": CHART_WIDTH, "height": CHART_HEIGHT})
        self._sheet.insert_chart(row, column, chart)


def _counting(sheets: Sequence[FilledSheet], currency: str) -> str:
    return "=" + "+".join(f"COUNTIF({_area(sheet, CURRENCY)},{currency})" for sheet in sheets)


def _adding(sheets: Sequence[FilledSheet], criteria: Sequence[tuple[str, str]]) -> str:
    """The sum of the amounts in all sheets for which columns meet their criteria; without sheets nothing."""
    parts = []
    for sheet in sheets:
        asked = "".join(f",{_area(sheet, column)},{criterion}" for column, criterion in criteria)
        parts.append(f"SUMIFS({_area(sheet, AMOUNT)}{asked})")
    return "=" + "+".join(parts) if parts else ""


def _joined(*formulas: str) -> str:
    return "=" + "+".join(formula.removeprefix("=") for formula in formulas if formula)


def _area(sheet: FilledSheet, column: str) -> str:
    return f"'{sheet.title}'!${column}$2:${column}${max(sheet.last_row, 2)}"
