from datetime import date, timedelta

import pytest

from core.charts.money_text import MINUS
from core.charts.renderer import ChartRenderer
from core.charts.spending_over_time import (
    MAX_BARS,
    Interval,
    IntervalAmount,
    fitting_interval,
    moving_average,
    spending_over_time,
)
from core.rules.periods import Period
from core.rules.series import starts_between
from tests.core.charts.pictures import Svg

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))


def texts_of(
    renderer: ChartRenderer, values: list[int], *, interval: Interval = "day", period: Period = MARCH
) -> list[str]:
    starts = starts_between(period.start, period.last_day, interval)
    amounts = [IntervalAmount(start, value) for start, value in zip(starts, values, strict=True)]
    spec = spending_over_time(amounts, currency="EUR", interval=interval, period=period)
    return Svg.read(renderer.render(spec, "svg")).texts


def test_a_month_has_its_total_its_ticks_its_average_and_its_dates(renderer: ChartRenderer) -> None:
    assert texts_of(renderer, [1_000, 2_000] * 15 + [1_000]) == [
        "Spending by day", "March 2026 · €460.00 in total, €14.84 a day on average",
        "€0", "€5", "€10", "€15", "€20", "7-day average",
        "1 Mar", "8 Mar", "15 Mar", "22 Mar", "29 Mar",
    ]  # fmt: skip


def test_a_few_bars_say_their_amounts_and_have_no_average(renderer: ChartRenderer) -> None:
    winter = Period(date(2025, 11, 1), date(2026, 2, 1))
    texts = texts_of(renderer, [123_456, -5_000, 0], interval="month", period=winter)
    assert (
        texts[1] == "November 2025 \N{EN DASH} January 2026 · €1,184.56 in total, €394.85 a month on average"
    )
    assert texts[-7:] == ["€1,234.56", f"{MINUS}€50.00", "Nov", "Dec", "Jan", "2025", "2026"]
    assert not any("-month average" in text for text in texts)


def test_a_single_day_has_no_average_at_all(renderer: ChartRenderer) -> None:
    texts = texts_of(renderer, [9], period=Period(date(2026, 3, 5), date(2026, 3, 6)))
    assert texts[1] == "5 March 2026 · €0.09 in total"
    assert texts[-2:] == ["€0.09", "5 Mar"]


@pytest.mark.parametrize("values", [[], [0, 0]])
def test_without_spending_the_picture_says_so(renderer: ChartRenderer, values: list[int]) -> None:
    amounts = [IntervalAmount(date(2026, 3, 1 + number), value) for number, value in enumerate(values)]
    spec = spending_over_time(amounts, currency="EUR", interval="day", period=MARCH)
    texts = Svg.read(renderer.render(spec, "svg")).texts
    assert texts == ["Spending by day", "March 2026", "No spending in this time"]


def test_of_too_many_bars_the_latest_are_drawn_and_the_chart_says_so(renderer: ChartRenderer) -> None:
    first = date(2024, 1, 1)
    period = Period(first, first + timedelta(days=MAX_BARS + 5))
    texts = texts_of(renderer, [100_000] * 5 + [100] * MAX_BARS, period=period)
    assert texts[1].startswith(f"The last {MAX_BARS} days of 1 January 2024 ")
    assert texts[1].endswith("· €400.00 in total, €1.00 a day on average")
    assert "30-day average" in texts
    assert "€1,000.00" not in texts


def test_dates_never_crowd(renderer: ChartRenderer) -> None:
    for interval in ("day", "week", "month"):
        for days in (1, 8, 20, 62, 180, 366, 399):
            length = days * {"day": 1, "week": 7, "month": 31}[interval]
            period = Period(date(2024, 1, 31), date(2024, 1, 31) + timedelta(days=length))
            starts = list(starts_between(period.start, period.last_day, interval))[:MAX_BARS]
            amounts = [IntervalAmount(start, 100) for start in starts]
            spec = spending_over_time(amounts, currency="EUR", interval=interval, period=period)
            (dates,) = (layer for layer in spec["layer"][-2:] if layer["encoding"]["y"]["value"] == 256)
            assert 1 <= len(dates["data"]["values"]) <= 12


@pytest.mark.parametrize(
    ("days", "interval"),
    [(1, "day"), (62, "day"), (63, "week"), (366, "week"), (434, "week"), (435, "month")],
)
def test_the_interval_fits_the_length_of_the_period(days: int, interval: Interval) -> None:
    first = date(2024, 1, 1)
    assert fitting_interval(Period(first, first + timedelta(days=days))) == interval


def test_the_moving_average_begins_with_its_first_whole_window() -> None:
    assert moving_average([3, 6, 9, 0], 3) == [None, None, 6.0, 5.0]
