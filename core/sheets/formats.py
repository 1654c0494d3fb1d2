"""How the cells of a workbook of expenses look."""

from functools import cached_property
from typing import Any

from core.charts.theme import LIGHT
from core.sheets.money import plain_number_format

TEXT = "@"
"""Whoever edits such a cell still has a text, even if it looks like a formula."""

DASH = "\N{EN DASH}"

ISO_DAY, ISO_MONTH = "yyyy-mm-dd", "yyyy-mm"

TOTAL = {"bold": True, "top": 1, "top_color": LIGHT.muted}


class Formats:
    """The formats of XlsxWriter's book, each made when it is first asked for."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._amounts: dict[tuple[str, bool], Any] = {}

    def amount(self, currency: str) -> Any:
        """A number with the currency's decimals; the currency itself stands beside or above it."""
        return self._numbers(plain_number_format(currency))

    def sum(self, currency: str, *, is_total: bool) -> Any:
        """As `amount`, with a dash for nothing: most places of a table are empty."""
        plain = plain_number_format(currency)
        return self._numbers(f'{plain};-{plain};"{DASH}"', is_total=is_total)

    def _numbers(self, number_format: str, *, is_total: bool = False) -> Any:
        key = number_format, is_total
        if key not in self._amounts:
            look = {"num_format": number_format, "align": "right", **(TOTAL if is_total else {})}
            self._amounts[key] = self._book.add_format(look)
        return self._amounts[key]

    def new_chart(self, kind: str) -> Any:
        """One of XlsxWriter's charts, such as a `column` or `bar`."""
        return self._book.add_chart({"type": kind})

    @cached_property
    def title(self) -> Any:
        return self._book.add_format({"bold": True, "font_size": 16, "font_color": LIGHT.text})

    @cached_property
    def remark(self) -> Any:
        return self._book.add_format({"font_color": LIGHT.muted})

    @cached_property
    def header(self) -> Any:
        look = {"bold": True, "bg_color": LIGHT.track, "bottom": 1, "bottom_color": LIGHT.muted}
        return self._book.add_format({**look, "num_format": TEXT})

    @cached_property
    def number_header(self) -> Any:
        look = {"bold": True, "bg_color": LIGHT.track, "bottom": 1, "bottom_color": LIGHT.muted}
        return self._book.add_format({**look, "align": "right"})

    @cached_property
    def text(self) -> Any:
        return self._book.add_format({"num_format": TEXT})

    @cached_property
    def day(self) -> Any:
        return self._book.add_format({"num_format": ISO_DAY, "align": "left"})

    @cached_property
    def month(self) -> Any:
        return self._book.add_format({"num_format": ISO_MONTH, "align": "left"})

    @cached_property
    def count(self) -> Any:
        return self._book.add_format({"num_format": "#,##0"})

    @cached_property
    def rate(self) -> Any:
        return self._book.add_format({"num_format": "0.########"})

    @cached_property
    def total_label(self) -> Any:
        return self._book.add_format(TOTAL)
