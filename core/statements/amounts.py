"""Amounts as files write them, in minor units: exact or refused, never rounded."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal

from core.rules.currencies import EXPONENTS
from core.rules.money import MAX_AMOUNT_MINOR, is_currency
from core.statements.mapping import DecimalSign
from core.statements.texts import shown

MAX_AMOUNT_CHARS = 60
"""With grouping, padding zeros and a currency before or after it."""

EXCEL_DIGITS = 15
"""To which Excel itself computes and shows numbers; beyond are the traces of binary fractions."""

TOO_LARGE = "is more than any amount may be"

_APOSTROPHES = "'`\u2019\u02bc"
_GAPS = re.compile(rf"[\s{_APOSTROPHES}]")
"""Between thousands: every kind of space, and apostrophes as in Switzerland."""

_MINUSES = re.compile("[\u2010-\u2015\u2212\ufe63\uff0d]")
_CURRENCY = r"(?P<{}>[^\W\d_]{{1,4}}\.?\$?|[^\w\s.,+\-()]{{1,3}})"
_AMOUNT = re.compile(
    rf"(?P<open>\()?(?P<sign1>[+-]?)(?:{_CURRENCY.format('before')})?(?P<sign2>[+-]?)"
    r"(?P<digits>[0-9.,]*[0-9][.,]?)"
    rf"(?P<sign3>[+-]?)(?:{_CURRENCY.format('after')})?(?P<sign4>[+-]?)(?P<close>\))?"
)
_GROUPED = {
    ".": re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3})?(?:\.[0-9]*)?"),
    ",": re.compile(r"(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{2,3})*\.[0-9]{3})?(?:,[0-9]*)?"),
}
"""Groups of three, or of two before the last as in India. "12.34" is no number where commas are decimal."""

_PLAIN: dict[DecimalSign, re.Pattern[str]] = {
    ".": re.compile(r"([+-]?)0*([0-9]{1,15})(?:\.([0-9]+))?"),
    ",": re.compile(r"([+-]?)0*([0-9]{1,15})(?:,([0-9]+))?"),
}

_SYMBOLS = {
    "€": "EUR", "£": "GBP", "R$": "BRL", "₹": "INR", "RS": "INR", "₺": "TRY", "TL": "TRY", "₽": "RUB",
    "₪": "ILS", "₩": "KRW", "ZŁ": "PLN", "KČ": "CZK", "FT": "HUF", "FR": "CHF", "SFR": "CHF", "₴": "UAH",
    "₫": "VND", "฿": "THB", "₱": "PHP", "₦": "NGN", "LEI": "RON", "US$": "USD", "A$": "AUD", "AU$": "AUD",
    "C$": "CAD", "CA$": "CAD", "NZ$": "NZD", "S$": "SGD", "HK$": "HKD", "NT$": "TWD", "MX$": "MXN",
}  # fmt: skip
_DOLLARS = (
    "ARS AUD BBD BMD BND BSD BZD CAD CLP COP CVE DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD "
    "USD UYU XCD"
)
_SHARED_SYMBOLS = {
    "$": ("USD", frozenset(_DOLLARS.split())),
    "£": ("GBP", frozenset(("EGP", "FKP", "GBP", "GIP", "LBP", "SHP", "SSP", "SYP"))),
    "¥": ("JPY", frozenset(("CNY", "JPY"))),
    "\uffe5": ("JPY", frozenset(("CNY", "JPY"))),
    "KR": (None, frozenset(("DKK", "ISK", "NOK", "SEK"))),
}
"""Several currencies have these: it is the default one where that is among them, else the first named."""


class MoneyError(ValueError):
    """The text is no amount, or no currency as `field` then says; the message is meant for the user."""

    def __init__(self, detail: str, *, field: str = "amount") -> None:
        super().__init__(detail)
        self.field = field


@dataclass(frozen=True, slots=True)
class Written:
    """An amount as it was written: digits without sign or grouping, and the currency if it names one."""

    is_negative: bool
    whole: str
    fraction: str
    currency: str | None

    def minor(self, currency: str) -> int:
        """In minor units of a currency.

        Raises:
            MoneyError: more decimals than the currency has, that are not zeros, or beyond MAX_AMOUNT_MINOR.
        """
        decimals = EXPONENTS[currency]
        fraction = self.fraction
        if len(fraction) > decimals:
            if fraction[decimals:].strip("0"):
                raise MoneyError(f"{currency} has {decimals or 'no'} decimals")
            fraction = fraction[:decimals]
        digits = (self.whole + fraction.ljust(decimals, "0")).lstrip("0") or "0"
        # The length comes first, as int() refuses very long strings with an error of its own.
        if len(digits) > len(str(MAX_AMOUNT_MINOR)) or int(digits) > MAX_AMOUNT_MINOR:
            raise MoneyError(TOO_LARGE)
        return -int(digits) if self.is_negative else int(digits)


class AmountReader:
    """Reads the amounts of one file."""

    def __init__(self, decimal_sign: DecimalSign, default_currency: str) -> None:
        self._decimal_sign = decimal_sign
        self._default = default_currency
        self._plain = _PLAIN[decimal_sign].fullmatch

    def read(self, text: str, currency: str | None) -> tuple[int, str]:
        """Minor units, and their currency: the one given, else the one in the text, else the default.

        Raises:
            MoneyError
        """
        plain = self._plain(text)
        if plain is not None:
            sign, whole, fraction = plain.groups("")
            code = currency or self._default
            # Nearly all are like this, and the other way takes three times as long.
            if len(fraction) == EXPONENTS[code] and (minor := int(whole + fraction)) <= MAX_AMOUNT_MINOR:
                return (-minor if sign == "-" else minor), code
        written = read_amount(text, self._decimal_sign, self._default)
        code = currency or written.currency or self._default
        return written.minor(code), code


def read_amount(text: str, decimal_sign: DecimalSign, default_currency: str) -> Written:
    """Read an amount: "-1.234,56 €", "1'234.50", "(12.34)", "12,34-", "USD 12".

    Raises:
        MoneyError
    """
    plain = _PLAIN[decimal_sign].fullmatch(text)
    if plain is not None:
        return Written(plain[1] == "-", plain[2], plain[3] or "", None)
    text = text.strip()
    if len(text) > MAX_AMOUNT_CHARS:
        raise MoneyError(f"{_quoted(text)} is no amount")
    found = _AMOUNT.fullmatch(_MINUSES.sub("-", _GAPS.sub("", text)))
    if found is None or bool(found["open"]) != bool(found["close"]):
        raise MoneyError(f"{_quoted(text)} is no amount")
    digits = found["digits"]
    if _GROUPED[decimal_sign].fullmatch(digits) is None:
        raise MoneyError(f'{_quoted(text)} is no amount with "{decimal_sign}" before the decimals')
    signs = [sign for sign in (found["sign1"], found["sign2"], found["sign3"], found["sign4"]) if sign]
    if len(signs) > 1 or (signs and found["open"]):
        raise MoneyError(f"{_quoted(text)} has more than one sign")
    whole, _, fraction = digits.partition(decimal_sign)
    whole = whole.replace(",", "").replace(".", "")
    symbol, is_debit = _symbol(found["before"], found["after"])
    return Written(
        bool(found["open"]) or signs == ["-"] or is_debit,
        whole,
        fraction,
        read_currency(symbol, default_currency) if symbol else None,
    )


def _symbol(before: str | None, after: str | None) -> tuple[str | None, bool]:
    """What stands for the currency, and whether "DR" says that the money went out."""
    if after is not None and after.upper() in ("DR", "CR"):
        return before, after.upper() == "DR"
    if before and after:
        raise MoneyError(f'names two currencies, "{before}" and "{after}"', field="currency")
    return before or after, False


def exact_amount(value: Decimal) -> Written:
    """A number of a spreadsheet, to the digits that Excel shows.

    Raises:
        MoneyError: not finite, or of a size that no amount has.
    """
    try:
        value = Context(prec=EXCEL_DIGITS).plus(value)
    except ArithmeticError:
        value = Decimal("NaN")
    # The exponent comes first: to write out 1E+999999 would take a megabyte.
    if not value.is_finite() or not -MAX_AMOUNT_CHARS < value.adjusted() < MAX_AMOUNT_CHARS:
        raise MoneyError("is no amount")
    whole, _, fraction = f"{abs(value):f}".partition(".")
    return Written(value < 0, whole, fraction, None)


def read_currency(text: str, default: str) -> str:
    """A code in any case, or a symbol; where several currencies share it, the default if it is one of them.

    Raises:
        MoneyError: neither, a code that is not active, or one of the crowns, and the default is none.
    """
    name = text.strip().rstrip(".").upper()
    if is_currency(name):
        return name
    usual, sharing = _SHARED_SYMBOLS.get(name, (_SYMBOLS.get(name), frozenset()))
    code = default if default in sharing else usual
    if code is None:
        raise MoneyError(f"{_quoted(text)} is no active ISO 4217 currency code", field="currency")
    return code


@dataclass(frozen=True, slots=True)
class SignFound:
    decimal_sign: DecimalSign
    is_certain: bool


def find_decimal_sign(texts: Iterable[str], *, default: DecimalSign) -> SignFound:
    """The sign before the decimals in all of the texts.

    The last one tells if one, two or more than three digits follow it, or if both signs are there. "1,234"
    can be read in two ways: a file that has nothing else gives the default, and it is not certain.
    """
    evidence = {".": 0, ",": 0}
    is_open = False
    for text in texts:
        digits = "".join(re.findall(r"[0-9.,]+", _GAPS.sub("", text[:MAX_AMOUNT_CHARS])))
        last = max(digits.rfind("."), digits.rfind(","))
        if last < 0:
            continue
        sign, other = digits[last], "," if digits[last] == "." else "."
        if other in digits:
            evidence[sign] += 1
        elif digits.count(sign) > 1:
            evidence[other] += 1
        elif len(digits) - last - 1 == 3 and not digits.startswith("0") and last <= 3:
            is_open = True
        else:
            evidence[sign] += 1
    if evidence["."] == evidence[","]:
        return SignFound(default, not is_open and not evidence["."])
    return SignFound("." if evidence["."] > evidence[","] else ",", is_certain=True)


def _quoted(text: str) -> str:
    return f'"{shown(text)[:MAX_AMOUNT_CHARS]}"'
