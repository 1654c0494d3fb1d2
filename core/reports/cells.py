"""What stands in the cells of a workbook, and how it looks there."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from core.charts.theme import LIGHT
from core.rules.money import scale
from core.sheets.money import number_format, plain_number_format


@dataclass(frozen=True, slots=True)
class Text:
    """Never a formula, whatever it begins with."""

    text: str
    is_muted: bool = False
    is_alarming: bool = False


@dataclass(frozen=True, slots=True)
class Money:
    """With its code where a column has several currencies."""

    minor: int
    currency: str
    has_code: bool = False

    @property
    def number(self) -> float:
        """What a spreadsheet program computes with: exact to fifteen digits."""
        return self.minor / int(10 ** scale(self.currency))


@dataclass(frozen=True, slots=True)
class Count:
    number: int


@dataclass(frozen=True, slots=True)
class Share:
    """In tenths of a per cent; None stays empty."""

    tenths: int | None

    @property
    def number(self) -> float | str:
        return "" if self.tenths is None else self.tenths / 1000


@dataclass(frozen=True, slots=True)
class Rate:
    """What one of another currency has become."""

    number: float


@dataclass(frozen=True, slots=True)
class Day:
    day: date
    pattern: str = "yyyy-mm-dd"


@dataclass(frozen=True, slots=True)
class Formula:
    """Computed by the program that opens the workbook; `result` is what it comes to, and how it looks."""

    expression: str
    result: Money | Count | Share | Rate


Cell = Text | Money | Count | Share | Rate | Day | Formula | None


def look_of(cell: Cell, *, is_total: bool) -> dict[str, Any]:
    """The properties of the cell's format."""
    look: dict[str, Any] = {"bottom": 1, "bottom_color": LIGHT.grid, "font_color": LIGHT.text}
    if is_total:
        look |= {"bold": True, "top": 1, "top_color": LIGHT.muted, "bg_color": LIGHT.track}
    match cell.result if isinstance(cell, Formula) else cell:
        case Text(_, is_muted, is_alarming):
            look |= {"align": "left", "indent": 1, "text_wrap": True}
            if is_muted or is_alarming:
                look["font_color"] = LIGHT.muted if is_muted else LIGHT.over
        case Money(_, currency, has_code):
            look["num_format"] = (number_format if has_code else plain_number_format)(currency)
        case Count():
            look["num_format"] = "#,##0"
        case Share():
            look["num_format"] = "0.0%"
        case Rate():
            look["num_format"] = "0.000000"
        case Day(_, pattern):
            look |= {"num_format": pattern, "align": "left", "indent": 1}
    return look


def cell_name(row: int, column: int) -> str:
    """Such as `B5`, of a row and a column that count from 0."""
    return f"{column_name(column)}{row + 1}"


def column_name(column: int) -> str:
    """A letter: no sheet of ours has more columns than there are."""
    return chr(ord("A") + column)
