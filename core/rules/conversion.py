"""Converting amounts between currencies by the rates of a day, in whole numbers.

A rate says how many units of a currency one euro buys, as the European Central Bank publishes it; two other
currencies convert through the euro.
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from core.rules.money import divide_half_up, scale

EUR = "EUR"

RATE_DECIMALS = 8
"""The bank gives at most six significant digits; two more keep rates below 0.01 as exact as the others."""

RATE_SCALE = 10**RATE_DECIMALS
"""Rates are whole numbers of this part: 1.1684 is 116,840,000."""

MAX_RATE = 10**9 * RATE_SCALE
"""Far beyond any rate there ever was, and well within 64 bits."""

MAX_RATE_AGE = timedelta(days=7)
"""A rate serves this long where no later one is known: over weekends and the longest holidays (four days).
Anything older would pass for what it is not."""

PUBLISHED_AT_HOUR = 15
"""UTC: the bank publishes at about 16:00 of its own time, an hour earlier in summer."""

SATURDAY = 5

# No sign, and not \d, which also matches the digits of other scripts.
_RATE = re.compile(r"([0-9]{1,10})(?:\.([0-9]+))?")


class RateError(ValueError):
    """The text is no acceptable rate; the message is meant for the user."""


def parse_rate(text: str) -> int:
    """A decimal string as a whole number of `1 / RATE_SCALE`; zeros at the end do not count as decimals.

    Raises:
        RateError: no such string, zero, more decimals than `RATE_DECIMALS`, or beyond `MAX_RATE`.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise RateError('must be a positive decimal number such as "1.1684"')
    whole, fraction = match.groups(default="")
    fraction = fraction.rstrip("0")
    if len(fraction) > RATE_DECIMALS:
        raise RateError(f"has more than {RATE_DECIMALS} decimals")
    rate = int(whole + fraction.ljust(RATE_DECIMALS, "0"))
    if not 0 < rate <= MAX_RATE:
        raise RateError(f"must be above 0 and at most {MAX_RATE // RATE_SCALE}")
    return rate


def format_rate(rate: int) -> str:
    """The rate as a decimal string without zeros at its end: "1.1684", "20082.05", "1"."""
    whole, fraction = divmod(rate, RATE_SCALE)
    return f"{whole}.{fraction:0{RATE_DECIMALS}d}".rstrip("0").rstrip(".")


def convert_minor(minor: int, source: str, target: str, *, source_rate: int, target_rate: int) -> int:
    """Minor units of `source` in minor units of `target`, rounded once, a half away from zero.

    The rates are units for a euro, in any common scale. A rate of the user's own, units of `target` for one
    of `source`, is a `target_rate` beside a `source_rate` of `RATE_SCALE`.

    Raises:
        AmountError: unknown currency.
    """
    return divide_half_up(minor * target_rate * 10 ** scale(target), source_rate * 10 ** scale(source))


def convert_parts(minors: Sequence[int], source: str, target: str, rate: int) -> list[int]:
    """Each of the parts at a rate, units of `target` for one of `source`; they sum to the converted whole."""
    converted, so_far, done = [], 0, 0
    for minor in minors:
        so_far += minor
        whole = convert_minor(so_far, source, target, source_rate=RATE_SCALE, target_rate=rate)
        converted.append(whole - done)
        done = whole
    return converted


def cross_rate(source_rate: int, target_rate: int) -> int:
    """Units of the target for one of the source, by their rates for a euro, rounded to `RATE_DECIMALS`."""
    return divide_half_up(target_rate * RATE_SCALE, source_rate)


def expected_day(now: datetime) -> date:
    """The newest day that rates should be published of; the bank's few holidays count as days."""
    day = now.date() if now.hour >= PUBLISHED_AT_HOUR else now.date() - timedelta(days=1)
    return day - timedelta(days=max(day.weekday() - SATURDAY + 1, 0))
