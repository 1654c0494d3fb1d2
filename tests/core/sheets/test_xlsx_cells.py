"""Cells of worksheets as XML: well-formed, of the type that is meant, and exact."""

import re
from datetime import date
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from openpyxl.utils.datetime import from_excel

from core.sheets.xlsx_cells import day_number, fits_cell, fits_number, number_cell, text_cell

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def read_cell(written: str) -> tuple[str | None, str]:
    """The type of the cell and what a program reads in it (ISO/IEC 29500-1, 22.9.2.19)."""
    cell = ET.fromstring(f'<c r="A1"{written}')
    value = cell.findtext("is/t") if cell.get("t") else cell.findtext("v")
    return cell.get("t"), re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), value or "")


@given(TEXT)
@example("a\rb\nc\td")
@example("_x0041_ and _x000D_")
@example("__x005F_x0041_")
@example("<&>\"'")
@example("\0\x08\x0b\x1f\x7f\x85\ufffe\uffff")
@example(" spaces ")
@example("=1+1")
def test_every_text_is_read_as_it_was(text: str) -> None:
    assert read_cell(text_cell(text)) == ("inlineStr", text)


@given(st.text(st.sampled_from(" \t\n"), max_size=3), st.text(st.sampled_from(" \t\n"), max_size=3))
def test_white_space_around_a_text_is_kept_by_those_that_would_drop_it(before: str, after: str) -> None:
    written = text_cell(f"{before}x{after}")
    assert ("preserve" in written) == bool(before + after)


def test_numbers_are_numbers() -> None:
    assert read_cell(number_cell("-12.34")) == (None, "-12.34")
    assert fits_number("-12345678901234.5")
    assert not fits_number("1234567890.123456")


@given(st.dates(date(1900, 1, 1), date(2200, 12, 31)))
@example(date(1900, 2, 28))
@example(date(1900, 3, 1))
def test_days_are_the_numbers_that_programs_have_for_them(day: date) -> None:
    assert from_excel(day_number(day)).date() == day


@pytest.mark.parametrize(("character", "most"), [("x", 32_767), ("\N{FAMILY}", 16_383)])
def test_a_cell_holds_so_many_units_of_utf_16(character: str, most: int) -> None:
    assert fits_cell(character * most)
    assert not fits_cell(character * (most + 1))
