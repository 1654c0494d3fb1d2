"""Expenses out of the ordinary, by median and MAD: a single huge one does not hide itself or others.

The modified z-score of Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (1993): 0.6745 times the
distance from the median, over the median absolute deviation (MAD), is out of the ordinary from 3.5 on. Where
more than half of the amounts are the same, so that the MAD is zero, the mean absolute deviation takes its
place with the factor 1 / 1.2533.
"""

from collections.abc import Sequence
from statistics import median_low

from core.rules.money import divide_half_up

MIN_SAMPLES = 8
"""Fewer amounts do not tell what is usual."""

SCORE_TENTHS = 35

MIN_TIMES_TENTHS = 15
"""Of the median: where all are nearly alike a few cents more would be far out, and of no interest."""


def usual_amount(amounts: Sequence[int]) -> int | None:
    """The median, in minor units; None where there are too few to tell."""
    return median_low(amounts) if len(amounts) >= MIN_SAMPLES else None


def outlier_bound(amounts: Sequence[int]) -> int | None:
    """From which amount on, in minor units, one is out of the ordinary; None where it cannot be told."""
    usual = usual_amount(amounts)
    if usual is None or usual <= 0:
        return None
    distances = [abs(amount - usual) for amount in amounts]
    # Both factors in ten-thousandths: distance >= 3.5 / 0.6745 * MAD, or 3.5 * 1.2533 * mean distance.
    if spread := median_low(distances):
        distance = -(-SCORE_TENTHS * 1000 * spread // 6745)
    else:
        distance = -(-SCORE_TENTHS * 12533 * sum(distances) // (100_000 * len(distances)))
    return max(usual + max(distance, 1), -(-usual * MIN_TIMES_TENTHS // 10))


def times_tenths(amount: int, usual: int) -> int:
    """How many times the usual amount it is, in tenths."""
    return divide_half_up(amount * 10, usual)
