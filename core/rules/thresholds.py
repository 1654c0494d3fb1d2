"""When a budget has to speak up, and the figures it shows. Amounts are minor units of its currency.

A limit includes what rolled over, so it may be zero or negative; spending is negative where refunds prevail.
"""

from collections.abc import Iterable
from typing import Literal

from core.rules.money import divide_half_up

BudgetStatus = Literal["ok", "warning", "exceeded"]
RolloverMode = Literal["none", "surplus", "both"]

MIN_THRESHOLD = 1
MAX_THRESHOLD = 1000
"""Per cent of the limit, both inclusive. At ten times the limit one more warning tells nothing new."""

MAX_THRESHOLDS = 20
"""Of one budget: each is evaluated, and may notify, after every write that touches the budget."""

DEFAULT_THRESHOLDS = (80, 100)
"""A warning while there is time to act, and the moment the limit is reached."""


class ThresholdError(ValueError):
    """Unacceptable thresholds; the message is meant for the user."""


def normalise_thresholds(thresholds: Iterable[int]) -> tuple[int, ...]:
    """The thresholds in ascending order, each once; none at all is allowed, for a silent budget.

    Raises:
        ThresholdError: one is not within MIN_THRESHOLD to MAX_THRESHOLD, or more than MAX_THRESHOLDS.
    """
    unique = tuple(sorted(set(thresholds)))
    if unique and not MIN_THRESHOLD <= unique[0] <= unique[-1] <= MAX_THRESHOLD:
        raise ThresholdError(f"each must be between {MIN_THRESHOLD} and {MAX_THRESHOLD} per cent")
    if len(unique) > MAX_THRESHOLDS:
        raise ThresholdError(f"at most {MAX_THRESHOLDS} are possible")
    return unique


def is_crossed(spent: int, limit: int, threshold: int) -> bool:
    """Whether spending has reached `threshold` per cent of the limit, to the minor unit.

    Without any spending nothing is crossed; with a limit of zero or less any spending crosses.
    """
    return spent > 0 and spent * 100 >= threshold * limit


def status(spent: int, limit: int, thresholds: Iterable[int]) -> BudgetStatus:
    """Above the limit "exceeded", else from the lowest threshold on "warning", else "ok"."""
    if spent > limit:
        return "exceeded"
    if any(is_crossed(spent, limit, threshold) for threshold in thresholds):
        return "warning"
    return "ok"


def percent_tenths(spent: int, limit: int) -> int | None:
    """Spending in tenths of a per cent of the limit, or None where the limit is not positive.

    Rounded down, so that 99.96 % is shown as 99.9 and never as a 100 that was not reached.
    """
    return spent * 1000 // limit if limit > 0 else None


def project(spent_to_date: int, spent_ahead: int, elapsed_days: int, total_days: int) -> int:
    """Spending expected by the period's end if it goes on as it has until today.

    Args:
        spent_to_date: recorded for the elapsed days, today included.
        spent_ahead: recorded already for the days after today; it is added as it is.
        elapsed_days: days of the period until today, today included.
        total_days: days of the whole period.

    Returns:
        Minor units, rounded half away from zero; never less than what is recorded already, unless refunds
        prevail so far (they are then extended into the future like spending).

    Raises:
        ValueError: the elapsed days are not within 1 to `total_days`.
    """
    if not 1 <= elapsed_days <= total_days:
        raise ValueError(f"{elapsed_days} elapsed days of {total_days}")
    return divide_half_up(spent_to_date * total_days, elapsed_days) + spent_ahead


def carry_over(mode: RolloverMode, limit: int, spent: int) -> int:
    """What a finished period adds to the next one's limit.

    Nothing for "none"; what was left for "surplus"; for "both" also, as a negative, what was overspent.
    """
    match mode:
        case "none":
            return 0
        case "surplus":
            return max(limit - spent, 0)
        case "both":
            return limit - spent
