from hypothesis import given
from hypothesis import strategies as st

from core.rules.currencies import EXPONENTS
from core.rules.money import MAX_AMOUNT_MINOR, format_amount
from core.sheets.money import decimal_text, number_format, plain_number_format


@given(st.integers(-MAX_AMOUNT_MINOR, MAX_AMOUNT_MINOR), st.sampled_from(sorted(EXPONENTS)))
def test_amounts_are_written_as_everywhere_else(minor: int, currency: str) -> None:
    text = format_amount(minor, currency)
    assert decimal_text(minor, EXPONENTS[currency]) == text
    assert decimal_text(minor, EXPONENTS[currency], ",") == text.replace(".", ",")


def test_formats_have_the_decimals_of_their_currency() -> None:
    assert number_format("EUR") == "#,##0.00 [$EUR]"
    assert number_format("JPY") == "#,##0 [$JPY]"
    assert plain_number_format("KWD") == "#,##0.000"
