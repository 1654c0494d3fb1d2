"""Cells of worksheets as XML (ISO/IEC 29500-1, 18.3.1): what stands behind `<c r="A1"` and a style."""

import re
from datetime import date

MAX_CELL_CHARACTERS = 32_767
"""Of a text, in units of UTF-16: more is no valid workbook."""

PRECISE_DIGITS = 15
"""What a number in a cell is exact to; all amounts have at most as many."""

PLAIN = re.compile(r"(?![ ])[^&<>_\x00-\x1f\ufffe\uffff]*(?<![ ])")
"""Stands in XML as it is: most texts, told by one look."""

LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
NOT_IN_XML = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
"""And the carriage return, which XML makes a line feed of."""

EPOCH = date(1899, 12, 30).toordinal()
MISTAKEN_UNTIL = date(1900, 3, 1)
"""The format takes 1900 for a leap year, so the days before are numbered one lower."""


def text_cell(text: str) -> str:
    """A text, whatever it looks like: neither a formula nor a number is ever made of it."""
    if PLAIN.fullmatch(text):
        return f' t="inlineStr"><is><t>{text}</t></is></c>'
    escaped = NOT_IN_XML.sub(_escaped, LOOKS_ESCAPED.sub("_x005F_", text))
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f' t="inlineStr"><is><t xml:space="preserve">{escaped}</t></is></c>'


def number_cell(text: str) -> str:
    """A number that is written as digits with a point."""
    return f"><v>{text}</v></c>"


def fits_number(text: str) -> bool:
    """Whether a decimal string is as exact as a number in a cell."""
    return len(text.lstrip("-").replace(".", "")) <= PRECISE_DIGITS


def fits_cell(text: str) -> bool:
    # Each character is one unit or two.
    return len(text) <= MAX_CELL_CHARACTERS // 2 or len(text.encode("utf-16-le")) // 2 <= MAX_CELL_CHARACTERS


def day_number(day: date) -> int:
    """The number that stands for a day, from 1900 on."""
    return day.toordinal() - EPOCH - (day < MISTAKEN_UNTIL)


def _escaped(match: re.Match[str]) -> str:
    return f"_x{ord(match[0]):04X}_"
