import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.rules.currencies import EXPONENTS
from core.rules.money import (
    MAX_AMOUNT_MINOR,
    AmountError,
    comparable_amount,
    divide_half_up,
    format_amount,
    is_currency,
    parse_amount,
    parse_comparable_amount,
    scale,
)
from tests.core.rules.strategies import currencies, patient

amounts = st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR)
fractions = st.text("0123456789", min_size=1, max_size=5).map(".{}".format)
decimal_strings = st.builds(
    "{}{}{}".format, st.sampled_from(["", "-"]), st.integers(0, 10**9), st.one_of(st.just(""), fractions)
)


@patient
@given(minor=amounts, currency=currencies)
def test_an_amount_that_is_written_reads_back_as_itself(minor: int, currency: str) -> None:
    assert parse_amount(format_amount(minor, currency), currency) == minor


@patient
@given(minor=amounts, currency=currencies)
def test_a_written_amount_has_the_exact_value_and_all_decimals(minor: int, currency: str) -> None:
    text = format_amount(minor, currency)
    assert Fraction(text) == Fraction(minor, 10 ** scale(currency))
    assert len(text.partition(".")[2]) == EXPONENTS[currency]


@patient
@given(text=decimal_strings, currency=currencies)
def test_a_decimal_string_is_read_exactly_or_refused_for_its_decimals(text: str, currency: str) -> None:
    if len(text.partition(".")[2]) <= scale(currency):
        assert parse_amount(text, currency) == Fraction(text) * 10 ** scale(currency)
    else:
        with pytest.raises(AmountError, match=rf"^{currency} has (\d|no) decimals$"):
            parse_amount(text, currency)


@patient
@given(text=st.text(), currency=currencies)
def test_any_other_text_is_refused(text: str, currency: str) -> None:
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        with pytest.raises(AmountError):
            parse_amount(text, currency)


BLANKS = ["", " ", " 1", "1 ", "1\n", "1 000", "\x00", "1\x00", "\ud800", "1\u00a0000"]
OTHER_NOTATIONS = """
    - . + +1 1. .5 -.5 --1 1- 1,5 1.2.3 1..2 1_000 1,000.00 1'000 (1) 1/2
    1e2 1E2 1e-2 NaN nan sNaN Infinity -inf 0x10 €1 1€ 1EUR None true [] {} ² ½ ١٢
"""
FULL_WIDTH = "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}"
OTHER_MINUS = "\N{MINUS SIGN}1"


@pytest.mark.parametrize("text", [*BLANKS, *OTHER_NOTATIONS.split(), FULL_WIDTH, OTHER_MINUS])
def test_garbage_is_refused_with_an_example_of_what_is_right(text: str) -> None:
    with pytest.raises(AmountError, match=r'^must be a decimal number such as "12\.34"$'):
        parse_amount(text, "EUR")


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "EUR", 1234),
        ("12.3", "EUR", 1230),
        ("12", "EUR", 1200),
        ("-0.05", "EUR", -5),
        ("-0", "EUR", 0),
        ("-0.00", "EUR", 0),
        ("0012.30", "EUR", 1230),
        ("0" * 10_000 + "1", "EUR", 100),
        ("1500", "JPY", 1500),
        ("1.234", "KWD", 1234),
        ("1.2345", "CLF", 12345),
        ("1000000000000", "EUR", MAX_AMOUNT_MINOR),
        ("-100000000000000", "JPY", -MAX_AMOUNT_MINOR),
    ],
)
def test_an_amount_is_read_into_minor_units(text: str, currency: str, minor: int) -> None:
    assert parse_amount(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "message"),
    [
        ("0.001", "EUR", "EUR has 2 decimals"),
        ("1.000", "EUR", "EUR has 2 decimals"),
        ("1.5", "JPY", "JPY has no decimals"),
        ("1.0", "JPY", "JPY has no decimals"),
        ("1.0000", "KWD", "KWD has 3 decimals"),
        ("1.00001", "CLF", "CLF has 4 decimals"),
    ],
)
def test_more_decimals_than_the_currency_has_are_refused_even_as_zeros(
    text: str, currency: str, message: str
) -> None:
    with pytest.raises(AmountError, match=f"^{message}$"):
        parse_amount(text, currency)


@pytest.mark.parametrize("text", ["1000000000000.01", "-1000000000000.01", "9" * 20, "9" * 100_000])
def test_an_amount_beyond_the_largest_is_refused_with_the_bounds(text: str) -> None:
    expected = "must be between -1000000000000.00 and 1000000000000.00 EUR"
    with pytest.raises(AmountError, match=f"^{re.escape(expected)}$"):
        parse_amount(text, "EUR")


def test_ninety_thousand_largest_amounts_fit_into_a_signed_64_bit_integer() -> None:
    assert 92_233 * MAX_AMOUNT_MINOR < 2**63 <= 92_234 * MAX_AMOUNT_MINOR


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (1234, "EUR", "12.34"),
        (-5, "EUR", "-0.05"),
        (0, "EUR", "0.00"),
        (1500, "JPY", "1500"),
        (-1500, "JPY", "-1500"),
        (-1, "KWD", "-0.001"),
        (10_001, "CLF", "1.0001"),
        (2**63, "EUR", "92233720368547758.08"),
    ],
)
def test_an_amount_is_written_with_the_decimals_of_its_currency(minor: int, currency: str, text: str) -> None:
    assert format_amount(minor, currency) == text


@pytest.mark.parametrize("code", ["", "eur", "EURO", "XAU", "XXX", "DEM", "E\x00R", "\ud800", "EUR "])
def test_an_unknown_currency_is_refused_everywhere(code: str) -> None:
    assert not is_currency(code)
    for call in (lambda: scale(code), lambda: parse_amount("1", code), lambda: format_amount(1, code)):
        with pytest.raises(AmountError, match=r"^not an active ISO 4217 currency code$"):
            call()


@patient
@given(currency=currencies)
def test_every_listed_code_is_a_currency(currency: str) -> None:
    assert is_currency(currency)


@patient
@given(numerator=st.integers(), denominator=st.integers().filter(bool))
def test_a_quotient_is_the_nearest_whole_number_with_halves_away_from_zero(
    numerator: int, denominator: int
) -> None:
    exact = Fraction(numerator, denominator)
    rounded = divide_half_up(numerator, denominator)
    assert abs(rounded - exact) <= Fraction(1, 2)
    if abs(rounded - exact) == Fraction(1, 2):
        assert abs(rounded) > abs(exact)


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [
        (5, 2, 3),
        (-5, 2, -3),
        (5, -2, -3),
        (-5, -2, 3),
        (1, 2, 1),
        (-1, 2, -1),
        (1, 3, 0),
        (-1, 3, 0),
        (2, 3, 1),
    ],
)
def test_halves_go_away_from_zero(numerator: int, denominator: int, expected: int) -> None:
    assert divide_half_up(numerator, denominator) == expected


def test_a_division_by_zero_is_an_error() -> None:
    with pytest.raises(ZeroDivisionError):
        divide_half_up(1, 0)


@patient
@given(minor=amounts, currency=currencies)
def test_an_amount_compares_as_what_is_written(minor: int, currency: str) -> None:
    assert parse_comparable_amount(format_amount(minor, currency)) == comparable_amount(minor, currency)


@pytest.mark.parametrize("text", ["", "1.", "1.00000", "1e3", "+1", "1,5", "NaN", "9" * 16, "9" * 5_000])
def test_what_no_amount_can_be_compared_with_is_refused(text: str) -> None:
    with pytest.raises(AmountError):
        parse_comparable_amount(text)
