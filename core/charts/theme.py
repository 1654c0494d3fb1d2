"""Colours and letters of the charts, light and dark.

Blue against orange and red stays apart for every common kind of colour blindness, and what a colour says is
also said in words. Text has a contrast of at least 4.5 to its background, marks of at least 3 (WCAG 2.2).
"""

from dataclasses import dataclass
from typing import Literal, get_args

ThemeName = Literal["light", "dark"]
THEME_NAMES: tuple[ThemeName, ...] = get_args(ThemeName)

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
"""vl-convert brings Liberation Sans along, so a machine without any font draws the same picture. A browser
takes Arial or Helvetica, which have the same widths. The name must come first: without a family that it
knows vl-convert draws no text at all."""


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours as `#rrggbb`. `track` and `grid` only guide the eye and carry no information."""

    background: str
    text: str
    muted: str
    grid: str
    track: str
    bar: str
    other: str
    refund: str
    average: str
    warning: str
    over: str
    owing: str


LIGHT = Theme(
    background="#ffffff",
    text="#1c2530",
    muted="#5a6776",
    grid="#e3e7ec",
    track="#e9edf2",
    bar="#2f6db5",
    other="#84909e",
    refund="#0f8a6c",
    average="#b8470a",
    warning="#cc7a00",
    over="#bf2f27",
    owing="#c8581c",
)

DARK = Theme(
    background="#151a21",
    text="#e8ecf1",
    muted="#9ca8b6",
    grid="#29313b",
    track="#29313b",
    bar="#5a9be8",
    other="#738090",
    refund="#3dba94",
    average="#f5a45d",
    warning="#eaa63c",
    over="#f37b6d",
    owing="#ee8f4f",
)

THEMES: dict[ThemeName, Theme] = {"light": LIGHT, "dark": DARK}
