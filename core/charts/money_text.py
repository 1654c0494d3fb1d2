"""Amounts as people read them ("€1,234.50", "¥7,000", "CHF 12.00"), and the ticks of an axis of money."""

from collections.abc import Iterable

from core.rules.money import format_amount, scale

MINUS = "\N{MINUS SIGN}"  # as wide as a plus, so that columns stay in line; a hyphen is too short

SYMBOLS = {
    "AUD": "A$", "BRL": "R$", "CAD": "CA$", "CNY": "CN¥", "CRC": "₡", "EUR": "€", "GBP": "£", "HKD": "HK$",
    "ILS": "₪", "JPY": "¥", "KRW": "₩", "MXN": "MX$", "NGN": "₦", "NZD": "NZ$", "PHP": "₱", "PYG": "₲",
    "TWD": "NT$", "UAH": "₴", "USD": "$", "VND": "₫",
}  # fmt: skip
"""As Unicode's CLDR has them for English, but only such as the charts' own font can draw, which lacks
those of rupee, lira and rouble. All other currencies go by their code."""

_SUFFIXES = ((10**12, 10**12, "T"), (10**9, 10**9, "B"), (10**6, 10**6, "M"), (10**4, 10**3, "k"))
"""From which amount on, the unit, and its letter: 6,000 is as short as 6k, and plainer."""
_STEPS = (1, 2, 5)


def money_text(minor: int, currency: str, *, is_signed: bool = False) -> str:
    """The amount with all decimals of its currency, "€1,234.50"; signed also "+€3.00".

    Raises:
        AmountError: unknown currency.
    """
    whole, point, fraction = format_amount(abs(minor), currency).partition(".")
    return _sign(minor, is_signed=is_signed) + _prefix(currency) + f"{int(whole):,}{point}{fraction}"


def nice_ticks(lowest: int, highest: int, *, steps: int) -> list[int]:
    """Round amounts from at or below the lowest to at or above the highest; zero is always among them.

    Args:
        lowest: zero or below, in minor units.
        highest: zero or above.
        steps: roughly how many there are at most; one or two more where they begin below zero.
    """
    needed = max(highest - lowest, 1)
    power = 1
    while True:
        for step in (factor * power for factor in _STEPS):
            if step * steps >= needed:
                return list(range(lowest // step * step, -(-highest // step) * step + 1, step))
        power *= 10


def tick_texts(ticks: Iterable[int], currency: str) -> list[str]:
    """The ticks with no more decimals than they need, and large ones in thousands or millions: "€1.5M"."""
    ticks = list(ticks)
    one = 10 ** scale(currency)
    if any(tick % one for tick in ticks):
        return [money_text(tick, currency) for tick in ticks]
    units = [tick // one for tick in ticks]
    largest = max(map(abs, units), default=0)
    for least, size, suffix in _SUFFIXES:
        if largest >= least and not any(unit * 10 % size for unit in units):
            return [_short(unit, size, suffix, currency) for unit in units]
    return [_sign(unit) + _prefix(currency) + f"{abs(unit):,}" for unit in units]


def _short(unit: int, size: int, suffix: str, currency: str) -> str:
    whole, tenth = divmod(abs(unit) * 10 // size, 10)
    number = f"{whole:,}.{tenth}" if tenth else f"{whole:,}"
    return _sign(unit) + _prefix(currency) + number + (suffix if unit else "")


def _sign(minor: int, *, is_signed: bool = False) -> str:
    if minor < 0:
        return MINUS
    return "+" if is_signed and minor > 0 else ""


def _prefix(currency: str) -> str:
    return SYMBOLS.get(currency) or f"{currency} "
