"""The formulas of a workbook's summary: what they bring along, and what LibreOffice makes of them."""

import shutil
import subprocess
from collections import Counter
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from core.database import Database
from core.queries.expenses import ExpenseRecord
from core.queries.export_xlsx import build_xlsx
from core.rules.money import format_amount
from core.services.expense_drafts import ExpenseInput, LineInput
from core.sheets import data_sheets, summary
from core.sheets.summary import NO_CATEGORY
from tests.core.exporting import Owner, file_of, new_owner

SOFFICE = shutil.which("soffice")

ALWAYS_COMPUTE = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry">
  <item oor:path="/org.openoffice.Office.Calc/Formula/Load">
    <prop oor:name="OOXMLRecalcMode" oor:op="fuse"><value>0</value></prop>
  </item>
</oor:items>
"""

Figures = dict[tuple[str, str, str], Decimal]
"""By table, row and column."""


@pytest.fixture
def owner(database: Database) -> Owner:
    return new_owner(database)


@pytest.fixture
def records(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> list[ExpenseRecord]:
    """Expenses of each category in several currencies and months, some with lines, on several sheets."""
    monkeypatch.setattr(data_sheets, "MAX_ROWS", 40)
    monkeypatch.setattr(summary, "MAX_MONTHS", 5)
    items = []
    for number, category_id in enumerate([None, *owner.paths] * 4):
        spent_on = date(2026, 1 + number % 7, 1 + number % 28)
        one: dict[str, Any] = {"user_id": owner.id, "spent_on": spent_on, "payee": "=1+1"}
        if number % 5 == 0:
            lines = (LineInput(category_id, f"{number}.10"), LineInput(None, "-1.05"))
            items.append(ExpenseInput(**one, amount=f"{number - 1}.05" if number else "-0.95", lines=lines))
        else:
            currency = ("EUR", "EUR", "JPY", "KWD")[number % 4]
            items.append(ExpenseInput(**one, amount=f"{number}", currency=currency, category_id=category_id))
    return owner.record(items)


def expected(records: list[ExpenseRecord], owner: Owner) -> Figures:
    """The figures that the summary should show, from the expenses themselves."""
    sums: Counter[tuple[str, str, str]] = Counter()
    months = sorted({record.spent_on.strftime("%Y-%m") for record in records})
    for record in records:
        currency, month = record.currency, record.spent_on.strftime("%Y-%m")
        sums["Currency", currency, "Total"] += record.amount_minor
        sums["Category", "Total", currency] += record.amount_minor
        sums["Month", "Total", currency] += record.amount_minor
        sums["Month", month if month in months[-5:] else "before", currency] += record.amount_minor
        parts = record.lines or (record,)
        for part in parts:
            label = owner.paths[part.category_id] if part.category_id else NO_CATEGORY
            sums["Category", label, currency] += part.amount_minor
    return {
        key: Decimal(format_amount(minor, key[1] if key[0] == "Currency" else key[2]))
        for key, minor in sums.items()
        if minor
    }


def shown(content: bytes) -> Figures:
    """What the summary shows to who does not compute, without its zeros."""
    found: Figures = {}
    table, header = "", list[str]()
    for first, *others in openpyxl.load_workbook(BytesIO(content), data_only=True)["Summary"].iter_rows(
        min_row=summary.TABLES_ROW + 1, values_only=True
    ):
        if first in ("Currency", "Category", "Month") and not isinstance(others[0], int | float):
            table, header = first, others
            continue
        if first is None:
            continue
        label = first if isinstance(first, str) else first.strftime("%Y-%m")
        for name, value in zip(header, others, strict=True):
            if name not in (None, "Expenses") and value:
                found[table, label, name] = Decimal(repr(value)).quantize(Decimal("0.0001"))
    return found


def test_each_formula_brings_its_result_along(owner: Owner, records: list[ExpenseRecord]) -> None:
    assert shown(file_of(owner, build_xlsx)) == expected(records, owner)


def test_every_figure_is_a_formula_over_all_sheets(owner: Owner, records: list[ExpenseRecord]) -> None:
    book = openpyxl.load_workbook(BytesIO(file_of(owner, build_xlsx)))
    sums = [
        cell.value
        for row in book["Summary"].iter_rows(min_row=summary.TABLES_ROW + 2, min_col=2)
        for cell in row
        if isinstance(cell.value, str) and cell.value.startswith("=SUMIFS")
    ]
    assert len(sums) > 50
    sheets = [title for title in book.sheetnames if title.startswith("Expenses")]
    assert len(sheets) > 2
    for formula in sums:
        assert all(f"'{title}'!" in formula for title in sheets)


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_opens_it_and_computes_the_same(
    owner: Owner, records: list[ExpenseRecord], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(summary, "Decimal", lambda _text: 0)
    uncomputed = file_of(owner, build_xlsx)
    assert shown(uncomputed) == {}
    assert shown(computed(uncomputed, tmp_path)) == expected(records, owner)


def computed(content: bytes, folder: Path) -> bytes:
    """The workbook as LibreOffice writes it, each formula computed anew."""
    profile = folder / "profile"
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(ALWAYS_COMPUTE)
    (folder / "book.xlsx").write_bytes(content)
    subprocess.run(
        [
            str(SOFFICE), f"-env:UserInstallation={profile.as_uri()}", "--headless",
            "--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", folder / "out", folder / "book.xlsx",
        ],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    return (folder / "out" / "book.xlsx").read_bytes()
