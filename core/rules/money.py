"""Money is a whole number of minor units beside an ISO 4217 code: reading, writing and dividing it.

Whole numbers only: a float or a decimal context could round where nobody looks.
"""

import re

from core.rules.currencies import EXPONENTS

MAX_AMOUNT_MINOR = 10**14
"""Largest amount of one entry, either sign: a million million euros, or a house in rials.

A signed 64-bit integer holds the sum of 92,233 such entries, so no total that a query or a running sum
adds up leaves it. Beyond it PostgreSQL refuses, and SQLite's `+` silently goes on in floating point.
"""

COMPARED_DECIMALS = 4
"""The most decimals that a currency has: amounts are compared across currencies at this scale."""

# Not \d, which also matches the digits of other scripts.
_AMOUNT = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_MAX_DIGITS = len(str(MAX_AMOUNT_MINOR))


class AmountError(ValueError):
    """The text is no acceptable amount, or the code no currency; the message is meant for the user."""


def is_currency(code: str) -> bool:
    """Whether this is an active ISO 4217 code that has minor units, in capitals."""
    return code in EXPONENTS


def scale(currency: str) -> int:
    """Number of decimals of the currency: 2 for EUR, 0 for JPY.

    Raises:
        AmountError: unknown currency.
    """
    try:
        return EXPONENTS[currency]
    except KeyError:
        # The code is not repeated: it is somebody's input of any length.
        raise AmountError("not an active ISO 4217 currency code") from None


def parse_amount(text: str, currency: str, *, largest: int = MAX_AMOUNT_MINOR) -> int:
    """Minor units of a decimal string: an optional minus, ASCII digits, an optional fraction.

    Nothing is ever rounded away: decimals beyond the currency's are an error even when they are zeros.

    Raises:
        AmountError: not such a string, too many decimals, beyond the largest, or unknown currency.
    """
    decimals = scale(currency)
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise AmountError(f'must be a decimal number such as "{format_amount(1234, currency)}"')
    sign, whole, fraction = match.groups(default="")
    if len(fraction) > decimals:
        raise AmountError(f"{currency} has {decimals or 'no'} decimals")
    digits = (whole + fraction.ljust(decimals, "0")).lstrip("0") or "0"
    # The length comes first, as int() refuses very long strings with an error of its own.
    if len(digits) > len(str(largest)) or int(digits) > largest:
        bound = format_amount(largest, currency)
        raise AmountError(f"must be between -{bound} and {bound} {currency}")
    return -int(digits) if sign else int(digits)


def format_amount(minor: int, currency: str) -> str:
    """Minor units as a decimal string with exactly the currency's decimals: "-0.05", or "1500" for JPY.

    Sums may be of any size; MAX_AMOUNT_MINOR is for single entries.

    Raises:
        AmountError: unknown currency.
    """
    decimals = scale(currency)
    sign = "-" if minor < 0 else ""
    whole, fraction = divmod(abs(minor), 10**decimals)
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"


def comparable_amount(minor: int, currency: str) -> int:
    """Ten-thousandths of a major unit, so that 5 EUR stand before 600 JPY.

    Raises:
        AmountError: unknown currency.
    """
    return minor * int(10 ** (COMPARED_DECIMALS - scale(currency)))


def parse_comparable_amount(text: str) -> int:
    """Ten-thousandths of a major unit of a decimal string, in whatever currency.

    Raises:
        AmountError: not such a string, too many decimals, or beyond any amount.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise AmountError('must be a decimal number such as "12.34"')
    sign, whole, fraction = match.groups(default="")
    if len(fraction) > COMPARED_DECIMALS:
        raise AmountError(f"no currency has more than {COMPARED_DECIMALS} decimals")
    digits = whole.lstrip("0") or "0"
    if len(digits) > _MAX_DIGITS:
        raise AmountError("is larger than any amount")
    value = int(digits + fraction.ljust(COMPARED_DECIMALS, "0"))
    return -value if sign else value


def divide_half_up(numerator: int, denominator: int) -> int:
    """The nearest whole number; a half goes away from zero (5/2 is 3, -5/2 is -3), as on a receipt.

    Raises:
        ZeroDivisionError: the denominator is zero.
    """
    quotient, remainder = divmod(abs(numerator), abs(denominator))
    if 2 * remainder >= abs(denominator):
        quotient += 1
    return quotient if (numerator < 0) == (denominator < 0) else -quotient
