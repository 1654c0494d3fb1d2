from datetime import date

import pytest

from core.charts.dates import range_text, short_day, short_month
from core.rules.periods import Period


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        ("2026-03-05", "2026-03-06", "5 March 2026"),
        ("2026-03-01", "2026-04-01", "March 2026"),
        ("2024-02-01", "2024-03-01", "February 2024"),
        ("2026-03-01", "2026-03-16", "1\N{EN DASH}15 March 2026"),
        ("2026-01-01", "2026-04-01", "January\N{EN DASH}March 2026"),
        ("2026-02-15", "2026-04-01", "15 February \N{EN DASH} 31 March 2026"),
        ("2026-01-01", "2027-01-01", "2026"),
        ("2024-01-01", "2027-01-01", "2024\N{EN DASH}2026"),
        ("2025-05-01", "2026-05-01", "May 2025 \N{EN DASH} April 2026"),
        ("2025-12-24", "2026-01-03", "24 December 2025 \N{EN DASH} 2 January 2026"),
    ],
)
def test_ranges_are_said_as_briefly_as_they_can_be(start: str, end: str, text: str) -> None:
    assert range_text(Period(date.fromisoformat(start), date.fromisoformat(end))) == text


def test_dates_along_an_axis_are_short() -> None:
    assert short_day(date(2026, 9, 5)) == "5 Sep"
    assert short_month(date(2026, 9, 5)) == "Sep"
