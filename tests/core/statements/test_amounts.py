"""Amounts: exact or refused, never rounded and never off by a thousand."""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.currencies import EXPONENTS
from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.statements.amounts import (
    AmountReader,
    MoneyError,
    exact_amount,
    find_decimal_sign,
    read_amount,
    read_currency,
)
from core.statements.mapping import DecimalSign
from tests.core.rules.strategies import patient

MINOR = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)
CURRENCIES = st.sampled_from(sorted(EXPONENTS))


def minor(text: str, sign: DecimalSign, currency: str = "EUR") -> int:
    return AmountReader(sign, currency).read(text, None)[0]


@pytest.mark.parametrize(
    ("text", "sign", "expected"),
    [
        ("12.34", ".", 1234),
        ("-12,34", ",", -1234),
        ("+000000000012,34", ",", 1234),
        ("-1.234,56 €", ",", -123456),
        ("1,234.56", ".", 123456),
        ("1'234.50", ".", 123450),
        ("1\u2019234\u2019567.50", ".", 123456750),
        ("1 234,56", ",", 123456),
        ("1\u00a0234,56", ",", 123456),
        ("1\u202f234,56", ",", 123456),
        ("1,23,456.78", ".", 12345678),
        ("(12.34)", ".", -1234),
        ("12,34-", ",", -1234),
        ("\u221212.34", ".", -1234),
        ("12.34 DR", ".", -1234),
        ("12.34 CR", ".", 1234),
        ("12.", ".", 1200),
        (".50", ".", 50),
        ("12.3400000", ".", 1234),
        ("  12.34  ", ".", 1234),
        ("EUR 12.34", ".", 1234),
        ("12.34 eur", ".", 1234),
        ("-€12.34", ".", -1234),
        ("€-12.34", ".", -1234),
        ("0", ".", 0),
        ("-0.00", ".", 0),
    ],
)
def test_an_amount_is_read(text: str, sign: DecimalSign, expected: int) -> None:
    assert minor(text, sign) == expected


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("", "."),
        ("-", "."),
        ("abc", "."),
        ("12.34", ","),
        ("12,34", "."),
        ("1.23.4", ","),
        ("1,2345", "."),
        ("12.345", "."),
        ("0.001", "."),
        ("--5", "."),
        ("(-5)", "."),
        ("(5", "."),
        ("-5-", "."),
        ("1e3", "."),
        ("1e999999999", "."),
        ("NaN", "."),
        ("Infinity", "."),
        ("0x10", "."),
        ("1_000.50.", "."),
        ("\u0663\u0664", "."),
        ("1000000000000.01", "."),
        ("9" * 100_000, "."),
        ("12.34 XBT", "."),
        ("\0", "."),
    ],
)
def test_what_is_no_amount_is_refused(text: str, sign: DecimalSign) -> None:
    with pytest.raises(MoneyError):
        minor(text, sign)


def test_the_currency_decides_how_many_decimals_there_may_be() -> None:
    assert minor("1500", ".", "JPY") == 1500
    assert minor("1500.00", ".", "JPY") == 1500
    assert minor("1.234", ".", "KWD") == 1234
    with pytest.raises(MoneyError, match="JPY has no decimals"):
        minor("1500.50", ".", "JPY")


@pytest.mark.parametrize(
    ("text", "default", "currency"),
    [
        ("$5", "EUR", "USD"),
        ("$5", "CAD", "CAD"),
        ("US$5", "CAD", "USD"),
        ("R$ 5", "EUR", "BRL"),
        ("5 zł", "EUR", "PLN"),
        ("5 Kč", "EUR", "CZK"),
        ("5 kr", "NOK", "NOK"),
        ("£5", "EUR", "GBP"),
        ("¥5", "CNY", "CNY"),
        ("¥5", "EUR", "JPY"),
        ("CHF 5", "EUR", "CHF"),
        ("Fr. 5", "EUR", "CHF"),
        ("5", "EUR", "EUR"),
    ],
)
def test_an_amount_may_name_its_currency(text: str, default: str, currency: str) -> None:
    assert AmountReader(".", default).read(text, None)[1] == currency


def test_a_column_for_the_currency_stands_above_the_sign_in_the_amount() -> None:
    assert AmountReader(".", "EUR").read("$5", "AUD") == (500, "AUD")


@pytest.mark.parametrize("text", ["", "XYZ", "kr", "EURO", "BTC", "XAU"])
def test_what_is_no_currency_is_refused(text: str) -> None:
    with pytest.raises(MoneyError) as raised:
        read_currency(text, "EUR")
    assert raised.value.field == "currency"


@patient
@given(MINOR, CURRENCIES, st.sampled_from(["", ",", ".", " ", "'", "\u00a0"]))
def test_every_amount_comes_back_whatever_groups_its_thousands(
    amount: int, currency: str, group: str
) -> None:
    sign: DecimalSign = "," if group == "." else "."
    whole, _, fraction = format_amount(abs(amount), currency).partition(".")
    grouped = f"{int(whole):,}".replace(",", group)
    text = f"{'-' if amount < 0 else ''}{grouped}{sign if fraction else ''}{fraction}"
    assert minor(text, sign, currency) == amount
    assert minor(f"{text} {currency}", sign, "EUR") == amount


@patient
@given(st.text(max_size=80), st.sampled_from([".", ","]))
def test_no_text_does_anything_worse_than_being_refused(text: str, sign: DecimalSign) -> None:
    with suppress(MoneyError):
        read_amount(text, sign, "EUR").minor("EUR")


@patient
@given(MINOR, CURRENCIES)
def test_a_number_of_a_spreadsheet_is_taken_to_the_digits_that_excel_shows(
    amount: int, currency: str
) -> None:
    exact = Decimal(format_amount(amount, currency))
    assert exact_amount(exact).minor(currency) == amount
    # As it is stored: as the nearest binary fraction.
    assert exact_amount(Decimal(float(exact))).minor(currency) == amount


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1E+999999999", "1E-999999999", "12.345", "1E+40"])
def test_a_number_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyError):
        exact_amount(Decimal(text)).minor("EUR")


@pytest.mark.parametrize(
    ("texts", "default", "sign", "is_certain"),
    [
        (["12,34", "1"], ".", ",", True),
        (["12.34"], ",", ".", True),
        (["1.234,56"], ".", ",", True),
        (["1,234,567"], ",", ".", True),
        (["1.234.567"], ".", ",", True),
        (["0.123"], ",", ".", True),
        (["1,234", "5,5"], ".", ",", True),
        (["1,234"], ",", ",", False),
        (["1,234"], ".", ".", False),
        (["12", "5"], ".", ".", True),
        ([], ",", ",", True),
    ],
)
def test_the_decimal_sign_is_found(
    texts: list[str], default: DecimalSign, sign: DecimalSign, is_certain: bool
) -> None:
    found = find_decimal_sign(texts, default=default)
    assert (found.decimal_sign, found.is_certain) == (sign, is_certain)
