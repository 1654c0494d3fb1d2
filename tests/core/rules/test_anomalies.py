"""What is out of the ordinary, against the textbook's definition in floats."""

from statistics import fmean, median_low

from hypothesis import given
from hypothesis import strategies as st

from core.rules.anomalies import MIN_SAMPLES, outlier_bound, times_tenths, usual_amount

AMOUNTS = st.lists(st.integers(1, 10**7), min_size=MIN_SAMPLES, max_size=60)


@given(AMOUNTS, st.integers(1, 10**8))
def test_the_bound_is_the_textbooks_score_of_three_and_a_half(amounts: list[int], amount: int) -> None:
    bound = outlier_bound(amounts)
    assert bound is not None
    usual = median_low(amounts)
    mad = median_low([abs(one - usual) for one in amounts])
    scale = mad / 0.6745 if mad else 1.2533 * fmean(abs(one - usual) for one in amounts)
    # Half a unit either side belongs to rounding.
    if amount >= bound + 1:
        assert amount - usual >= 3.5 * scale - 1
        assert amount >= 1.5 * usual
    if amount < bound:
        assert amount - usual < 3.5 * scale + 1 or amount < 1.5 * usual + 1


def test_a_single_huge_expense_hides_neither_itself_nor_another() -> None:
    amounts = [900, 1000, 1100, 950, 1050, 1000, 980, 1020, 40_000, 1_000_000]
    bound = outlier_bound(amounts)
    assert bound is not None
    assert [amount for amount in amounts if amount >= bound] == [40_000, 1_000_000]


def test_equal_amounts_have_no_outliers_but_what_is_half_as_much_again() -> None:
    assert outlier_bound([1000] * 20) == 1500
    assert times_tenths(2500, 1000) == 25


def test_too_few_amounts_tell_nothing() -> None:
    assert outlier_bound([1] * (MIN_SAMPLES - 1)) is usual_amount([1] * (MIN_SAMPLES - 1)) is None
