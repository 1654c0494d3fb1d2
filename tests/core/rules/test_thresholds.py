from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.thresholds import (
    DEFAULT_THRESHOLDS,
    MAX_THRESHOLD,
    MAX_THRESHOLDS,
    MIN_THRESHOLD,
    RolloverMode,
    ThresholdError,
    carry_over,
    is_crossed,
    normalise_thresholds,
    percent_tenths,
    project,
    status,
)
from tests.core.rules.strategies import patient

amounts = st.one_of(st.integers(-1000, 1000), st.integers(-(2**63), 2**63))
spending = amounts.map(abs)
limits = amounts.map(lambda amount: abs(amount) + 1)
thresholds = st.integers(MIN_THRESHOLD, MAX_THRESHOLD)


@patient
@given(spent=amounts, limit=limits, threshold=thresholds)
def test_a_threshold_is_crossed_exactly_from_its_percentage_on(
    spent: int, limit: int, threshold: int
) -> None:
    assert is_crossed(spent, limit, threshold) == (Fraction(spent, limit) >= Fraction(threshold, 100))


@pytest.mark.parametrize(
    ("spent", "limit", "threshold", "expected"),
    [
        (7999, 10000, 80, False),
        (8000, 10000, 80, True),
        (0, 0, 100, False),
        (1, 0, 100, True),
        (1, -500, 80, True),
        (0, -500, 80, False),
        (-1, -500, 80, False),
        (-1, 0, 80, False),
        (1, 3, 33, True),
        (1, 3, 34, False),
    ],
)
def test_only_spending_crosses_and_without_a_positive_limit_any_does(
    spent: int, limit: int, threshold: int, expected: bool
) -> None:
    assert is_crossed(spent, limit, threshold) is expected


@patient
@given(spent=spending, more=spending, limit=amounts, threshold=thresholds)
def test_more_spending_never_uncrosses_a_threshold(spent: int, more: int, limit: int, threshold: int) -> None:
    assert is_crossed(spent, limit, threshold) <= is_crossed(spent + more, limit, threshold)


@pytest.mark.parametrize(
    ("spent", "limit", "expected"),
    [
        (0, 0, "ok"),
        (1, 0, "exceeded"),
        (0, 100, "ok"),
        (79, 100, "ok"),
        (80, 100, "warning"),
        (100, 100, "warning"),
        (101, 100, "exceeded"),
        (-50, 100, "ok"),
        (-50, 0, "ok"),
        (0, -50, "exceeded"),
    ],
)
def test_the_status_follows_the_spending(spent: int, limit: int, expected: str) -> None:
    assert status(spent, limit, DEFAULT_THRESHOLDS) == expected


def test_without_thresholds_there_is_no_warning() -> None:
    assert status(100, 100, ()) == "ok"
    assert status(101, 100, ()) == "exceeded"


@patient
@given(spent=amounts, limit=limits)
def test_the_percentage_is_rounded_down_so_that_it_never_shows_what_was_not_reached(
    spent: int, limit: int
) -> None:
    tenths = percent_tenths(spent, limit)
    assert tenths is not None
    assert 0 <= Fraction(spent * 1000, limit) - tenths < 1
    assert (tenths >= 1000) == (spent >= limit)


def test_just_under_a_hundred_shows_as_less() -> None:
    assert percent_tenths(9996, 10000) == 999
    assert percent_tenths(9999, 10000) == 999
    assert percent_tenths(10000, 10000) == 1000


@pytest.mark.parametrize("limit", [0, -1])
def test_there_is_no_percentage_of_nothing(limit: int) -> None:
    assert percent_tenths(1, limit) is None


@patient
@given(spent=spending, ahead=amounts, total=st.integers(1, 1000), data=st.data())
def test_a_projection_is_linear_and_never_below_what_is_recorded(
    spent: int, ahead: int, total: int, data: st.DataObject
) -> None:
    elapsed = data.draw(st.integers(1, total))
    projected = project(spent, ahead, elapsed, total)
    assert projected >= spent + ahead
    assert abs(projected - ahead - Fraction(spent * total, elapsed)) <= Fraction(1, 2)


@patient
@given(spent=amounts, ahead=amounts, total=st.integers(1, 1000))
def test_on_the_last_day_the_projection_is_what_is_recorded(spent: int, ahead: int, total: int) -> None:
    assert project(spent, ahead, total, total) == spent + ahead


@pytest.mark.parametrize(
    ("spent", "ahead", "elapsed", "total", "expected"),
    [
        (1000, 0, 10, 30, 3000),
        (1000, 250, 10, 30, 3250),
        (1, 0, 2, 3, 2),
        (-1, 0, 2, 3, -2),
        (0, 0, 1, 31, 0),
    ],
)
def test_a_projection_rounds_halves_away_from_zero(
    spent: int, ahead: int, elapsed: int, total: int, expected: int
) -> None:
    assert project(spent, ahead, elapsed, total) == expected


@pytest.mark.parametrize(("elapsed", "total"), [(0, 30), (-1, 30), (31, 30), (0, 0)])
def test_days_that_cannot_be_are_an_error(elapsed: int, total: int) -> None:
    with pytest.raises(ValueError, match="elapsed days"):
        project(1, 0, elapsed, total)


@pytest.mark.parametrize(
    ("mode", "limit", "spent", "expected"),
    [
        ("none", 100, 40, 0),
        ("none", 100, 140, 0),
        ("surplus", 100, 40, 60),
        ("surplus", 100, 140, 0),
        ("both", 100, 40, 60),
        ("both", 100, 140, -40),
        ("both", -40, 10, -50),
        ("surplus", 100, -20, 120),
    ],
)
def test_what_rolls_over_depends_on_the_mode(
    mode: RolloverMode, limit: int, spent: int, expected: int
) -> None:
    assert carry_over(mode, limit, spent) == expected


@patient
@given(given_thresholds=st.lists(thresholds, max_size=MAX_THRESHOLDS))
def test_thresholds_are_sorted_and_unique(given_thresholds: list[int]) -> None:
    normal = normalise_thresholds(given_thresholds)
    assert list(normal) == sorted(set(given_thresholds))
    assert normalise_thresholds(normal) == normal


@pytest.mark.parametrize("wrong", [[0], [-1], [1001], [80, 0], [80, 5000]])
def test_a_threshold_out_of_range_is_refused(wrong: list[int]) -> None:
    with pytest.raises(ThresholdError, match="between 1 and 1000"):
        normalise_thresholds(wrong)


def test_too_many_thresholds_are_refused_but_repeated_ones_do_not_count() -> None:
    assert normalise_thresholds([80] * 100) == (80,)
    assert len(normalise_thresholds(range(1, 21))) == MAX_THRESHOLDS
    with pytest.raises(ThresholdError, match="at most 20"):
        normalise_thresholds(range(1, 22))


def test_the_default_thresholds_are_normal() -> None:
    assert normalise_thresholds(DEFAULT_THRESHOLDS) == DEFAULT_THRESHOLDS
