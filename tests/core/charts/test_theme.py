import pytest

from core.charts.theme import THEME_NAMES, THEMES, Theme

MIN_TEXT_CONTRAST = 4.5
MIN_MARK_CONTRAST = 3.0
"""WCAG 2.2, success criteria 1.4.3 and 1.4.11."""


def luminance(color: str) -> float:
    channels = [int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_texts_are_legible(theme: Theme) -> None:
    for color in (theme.text, theme.muted, theme.over):
        assert contrast(color, theme.background) >= MIN_TEXT_CONTRAST
    assert contrast(theme.muted, theme.track) >= MIN_TEXT_CONTRAST


@pytest.mark.parametrize("theme", THEMES.values(), ids=THEMES)
def test_marks_stand_out(theme: Theme) -> None:
    for color in (
        theme.bar,
        theme.other,
        theme.refund,
        theme.average,
        theme.warning,
        theme.over,
        theme.owing,
    ):
        assert contrast(color, theme.background) >= MIN_MARK_CONTRAST


def test_every_theme_that_can_be_asked_for_is_there() -> None:
    assert tuple(THEMES) == THEME_NAMES
