"""What all charts are made of: the sheet with its title, texts, and rows below one another.

A specification is plain Vega-Lite with its data inside: no addresses, no expressions, no format strings.
Every text in it is ready, so that a chart says an amount exactly as the rest of the product does.
Sizes are pixels. Nothing is laid out automatically: a chart's size depends on its rows alone, never on how
long a name is.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.charts.labels import clean, fit
from core.charts.theme import FONT, Theme

Spec = dict[str, Any]
Layer = dict[str, Any]
Row = Mapping[str, Any]
Channel = Mapping[str, Any]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"

WIDTH = 640
"""Of every picture: what a mail shows without scaling."""
MARGIN = 24
HEADER = 84
"""From the top of the picture to the chart: the title and the line below it."""
TITLE_Y, SUBTITLE_Y = -51, -27
"""The middles of the two lines, from the top of the chart."""
LEGEND_WIDTH = 150
"""Free beside the title."""
FOOTER = 34
"""More at the bottom where there is a note."""

TITLE_SIZE, SUBTITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 17, 13, 13, 12

EMPTY_HEIGHT = 150

MAX_EXACT = 2**53
"""Up to here a double is exact to the unit (ECMA-262, MAX_SAFE_INTEGER)."""

MAX_DESCRIPTION_CHARACTERS = 10_000
"""Thirty rows of the longest names and amounts."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What stands around a chart. `left` and `right` are what its plot leaves free on either side."""

    theme: Theme
    title: str
    subtitle: str = ""
    note: str = ""
    left: int = MARGIN
    right: int = MARGIN
    bottom: int = MARGIN

    @property
    def width(self) -> int:
        """Of the plot."""
        return WIDTH - self.left - self.right


def picture(sheet: Sheet, *, height: int, layers: Sequence[Layer], description: str) -> Spec:
    """The whole specification of a chart.

    Args:
        height: of the plot; the picture adds header, footer and margins.
        description: the chart in words, for those who cannot see it.
    """
    theme = sheet.theme
    note = [_note(sheet, height)] if sheet.note else []
    return {
        "$schema": SCHEMA,
        "description": clean(description, longest=MAX_DESCRIPTION_CHARACTERS),
        "background": theme.background,
        "width": sheet.width,
        "height": height,
        "autosize": "none",
        "padding": {
            "left": sheet.left,
            "top": HEADER,
            "right": sheet.right,
            "bottom": sheet.bottom + (FOOTER if sheet.note else 0),
        },
        "config": {
            "font": FONT,
            "view": {"stroke": None},
            # Vega would describe each mark by its numbers; the description says it in money.
            "aria": False,
            "axis": {"domain": False, "ticks": False, "title": None},
        },
        "layer": [*_title(sheet), *layers, *note],
    }


def empty_picture(sheet: Sheet, message: str) -> Spec:
    """In place of a chart that has nothing to show."""
    panel: Layer = {
        "data": {"values": [{}]},
        "mark": {"type": "rect", "color": sheet.theme.track, "opacity": 0.6, "cornerRadius": 8},
        "encoding": {
            "x": {"value": 0},
            "x2": {"value": sheet.width},
            "y": {"value": 0},
            "y2": {"value": EMPTY_HEIGHT},
        },
    }
    words = texts(
        [{"text": message}],
        x={"value": sheet.width // 2},
        y={"value": EMPTY_HEIGHT // 2},
        color=sheet.theme.muted,
        align="center",
        size=TEXT_SIZE + 1,
    )
    description = f"{sheet.title}. {message}."
    return picture(sheet, height=EMPTY_HEIGHT, layers=[panel, words], description=description)


def texts(
    rows: Sequence[Row],
    *,
    x: Channel,
    y: Channel,
    color: str,
    size: int = TEXT_SIZE,
    **mark: Any,
) -> Layer:
    """A text for each row, which has it ready in its field `text`."""
    return {
        "data": inline(rows),
        "mark": {"type": "text", "fontSize": size, "color": color, "baseline": "middle", **mark},
        "encoding": {"x": x, "y": y, "text": {"field": "text"}},
    }


def bars(rows: Sequence[Row], *, x: Channel, y: Channel, x2: Channel | None = None, **mark: Any) -> Layer:
    """A bar for each row, in the colour that stands in its field `color`."""
    encoding = {"x": x, "y": y, "color": {"field": "color", "type": "nominal", "scale": None}}
    return {
        "data": inline(rows),
        "mark": {"type": "bar", **mark},
        "encoding": encoding | ({} if x2 is None else {"x2": x2}),
    }


def signed_bars(
    rows: Sequence[Row], *, x: Channel, y: Channel, is_upright: bool, radius: int, **mark: Any
) -> list[Layer]:
    """Bars on either side of zero by their field `amount`, rounded at the ends that point away from it."""
    ends = ("cornerRadiusBottomLeft", "cornerRadiusBottomRight" if is_upright else "cornerRadiusTopLeft")
    corners: dict[str, Any] = dict.fromkeys(ends, radius)
    return [
        bars([row for row in rows if row["amount"] > 0], x=x, y=y, cornerRadiusEnd=radius, **mark),
        bars([row for row in rows if row["amount"] < 0], x=x, y=y, **corners, **mark),
    ]


def rules(
    rows: Sequence[Row],
    *,
    color: str,
    x: Channel | None = None,
    y: Channel | None = None,
    x2: Channel | None = None,
    y2: Channel | None = None,
    **mark: Any,
) -> Layer:
    """A straight line for each row; over the whole plot in a direction that is not given."""
    channels = {"x": x, "y": y, "x2": x2, "y2": y2}
    return {
        "data": inline(rows),
        "mark": {"type": "rule", "color": color, **mark},
        "encoding": {name: channel for name, channel in channels.items() if channel is not None},
    }


def inline(rows: Iterable[Row]) -> Spec:
    """The data of a layer; whole numbers too large for JSON's readers become as exact as a length need be."""
    return {"values": [{name: _length(value) for name, value in row.items()} for row in rows]}


def _length(value: Any) -> Any:
    return float(value) if isinstance(value, int) and abs(value) > MAX_EXACT else value


def row_scale(count: int) -> Spec:
    """Rows below one another by their field `row`, which counts from 0."""
    scale = {"domain": list(range(count)), "paddingInner": 0, "paddingOuter": 0}
    return {"field": "row", "type": "ordinal", "axis": None, "scale": scale}


def amount_scale(field: str, lowest: float, highest: float) -> Spec:
    """Pixels of an amount; the field holds minor units, or anything else to scale."""
    domain = [_length(lowest), _length(highest if highest > lowest else lowest + 1)]
    return {
        "field": field,
        "type": "quantitative",
        "axis": None,
        "stack": None,
        "scale": {"domain": domain, "nice": False},
    }


def _title(sheet: Sheet) -> list[Layer]:
    """As marks at fixed places: Vega's own titles move with whatever else stands above a plot."""
    theme, room = sheet.theme, WIDTH - 2 * MARGIN
    x = {"value": MARGIN - sheet.left}
    title = [{"text": fit(sheet.title, room - LEGEND_WIDTH, TITLE_SIZE)}]
    subtitle = [{"text": fit(sheet.subtitle, room, SUBTITLE_SIZE)}] if sheet.subtitle else []
    return [
        texts(
            title,
            x=x,
            y={"value": TITLE_Y},
            color=theme.text,
            size=TITLE_SIZE,
            align="left",
            fontWeight="bold",
        ),
        texts(subtitle, x=x, y={"value": SUBTITLE_Y}, color=theme.muted, size=SUBTITLE_SIZE, align="left"),
    ]


def _note(sheet: Sheet, height: int) -> Layer:
    words = fit(sheet.note, WIDTH - 2 * MARGIN, SMALL_SIZE)
    return texts(
        [{"text": words}],
        x={"value": MARGIN - sheet.left},
        y={"value": height + sheet.bottom + FOOTER - MARGIN - SMALL_SIZE // 2 + 4},
        color=sheet.theme.muted,
        size=SMALL_SIZE,
        align="left",
    )
