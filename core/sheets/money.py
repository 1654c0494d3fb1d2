"""How amounts look in files for spreadsheet programs."""

from core.rules.money import scale

SMALL = 10**4
"""Below it an amount may have fewer digits than its currency has decimals."""


def decimal_text(minor: int, decimals: int, point: str = ".") -> str:
    """As `core.rules.money.format_amount` for a currency with so many decimals, in half of the time."""
    digits = str(minor)
    if not decimals:
        return digits
    if minor < SMALL:
        sign = "-" if minor < 0 else ""
        digits = sign + digits.lstrip("-").rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}{point}{digits[-decimals:]}"


def number_format(currency: str) -> str:
    """The format of a cell with an amount: `#,##0.00 [$EUR]`, and for JPY without decimals.

    The code in brackets stands for the currency whatever the program's language (ISO/IEC 29500-1, 18.8.31).
    """
    return f"{plain_number_format(currency)} [${currency}]"


def plain_number_format(currency: str) -> str:
    """As `number_format`, for where the currency stands beside the amount."""
    decimals = scale(currency)
    return f"#,##0.{'0' * decimals}" if decimals else "#,##0"
