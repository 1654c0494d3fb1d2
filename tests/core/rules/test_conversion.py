"""Converting between currencies: exact but for one rounding, and the same whichever way it is written."""

from datetime import UTC, date, datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.conversion import (
    MAX_RATE,
    RATE_SCALE,
    RateError,
    convert_minor,
    convert_parts,
    cross_rate,
    expected_day,
    format_rate,
    parse_rate,
)

RATES = st.integers(1, MAX_RATE)
MINOR = st.integers(-(10**14), 10**14)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1", RATE_SCALE),
        ("1.1684", 116_840_000),
        ("0.00000001", 1),
        ("20082.05", 2_008_205_000_000),
        ("1.100000000000", 110_000_000),
        ("1000000000", MAX_RATE),
    ],
)
def test_a_rate_is_read_exactly(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "0", "0.0", "-1", "+1", "1,5", "1.", ".5", "1e3", "N/A", " 1", "1 ", "1\n", "\u0661", "0.000000001",
     "1000000000.00000001", "99999999999"],
)  # fmt: skip
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(RateError):
        parse_rate(text)


@given(RATES)
def test_a_written_rate_reads_back(rate: int) -> None:
    assert parse_rate(format_rate(rate)) == rate


@given(minor=MINOR, source_rate=RATES, target_rate=RATES)
def test_a_conversion_is_at_most_half_a_minor_unit_off(
    minor: int, source_rate: int, target_rate: int
) -> None:
    converted = convert_minor(minor, "USD", "JPY", source_rate=source_rate, target_rate=target_rate)
    exact = Fraction(minor * target_rate, source_rate * 100)  # two decimals become none
    assert abs(converted - exact) <= Fraction(1, 2)


@given(minor=MINOR, source_rate=RATES, target_rate=RATES)
def test_a_refund_converts_to_minus_what_was_spent(minor: int, source_rate: int, target_rate: int) -> None:
    rates = {"source_rate": source_rate, "target_rate": target_rate}
    assert convert_minor(-minor, "USD", "BHD", **rates) == -convert_minor(minor, "USD", "BHD", **rates)


@given(minor=MINOR, rate=RATES)
def test_at_the_same_rate_decimals_alone_change(minor: int, rate: int) -> None:
    assert convert_minor(minor, "EUR", "BHD", source_rate=rate, target_rate=rate) == minor * 10


def test_cross_rates_go_through_the_euro() -> None:
    assert format_rate(cross_rate(parse_rate("1.25"), parse_rate("0.9"))) == "0.72"
    assert format_rate(cross_rate(parse_rate("3"), RATE_SCALE)) == "0.33333333"


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2026-11-24T15:00", "2026-11-24"),
        ("2026-11-24T14:59", "2026-11-23"),
        ("2026-11-23T14:59", "2026-11-20"),
        ("2026-11-22T23:00", "2026-11-20"),
        ("2026-11-21T10:00", "2026-11-20"),
        ("2026-11-20T10:00", "2026-11-19"),
    ],
)
def test_rates_are_expected_of_working_days_in_the_afternoon(now: str, day: str) -> None:
    assert expected_day(datetime.fromisoformat(now).replace(tzinfo=UTC)) == date.fromisoformat(day)


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=20), st.integers(1, 10**12))
def test_converted_parts_sum_to_the_converted_whole(minors: list[int], rate: int) -> None:
    parts = convert_parts(minors, "JPY", "BHD", rate)
    whole = convert_minor(sum(minors), "JPY", "BHD", source_rate=RATE_SCALE, target_rate=rate)
    assert sum(parts) == whole
    for minor, part in zip(minors, parts, strict=True):
        assert abs(part - Fraction(minor * rate * 1000, RATE_SCALE)) <= 1
