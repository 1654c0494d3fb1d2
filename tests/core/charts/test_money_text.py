import re
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.charts.money_text import MINUS, SYMBOLS, money_text, nice_ticks, tick_texts
from core.rules.currencies import EXPONENTS
from core.rules.money import AmountError, scale
from tests.core.charts.strategies import amounts
from tests.core.rules.strategies import currencies, patient

SIZES = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9, "T": 10**12}


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [
        (123_450, "EUR", "€1,234.50"),
        (7_000, "JPY", "¥7,000"),
        (1_200, "CHF", "CHF 12.00"),
        (812_345, "KWD", "KWD 812.345"),
        (-5, "USD", f"{MINUS}$0.05"),
        (0, "EUR", "€0.00"),
        (10**16, "EUR", "€100,000,000,000,000.00"),
        (-123_456_789, "CLF", f"{MINUS}CLF 12,345.6789"),
    ],
)
def test_amounts_are_written_as_people_read_them(minor: int, currency: str, text: str) -> None:
    assert money_text(minor, currency) == text


def test_a_signed_amount_says_also_that_it_is_above_zero() -> None:
    signed = [money_text(minor, "EUR", is_signed=True) for minor in (300, 0, -300)]
    assert signed == ["+€3.00", "€0.00", f"{MINUS}€3.00"]


def test_an_unknown_currency_is_refused() -> None:
    with pytest.raises(AmountError):
        money_text(1, "XYZ")


def test_no_two_currencies_look_the_same() -> None:
    assert SYMBOLS.keys() <= EXPONENTS.keys()
    assert len(set(SYMBOLS.values())) == len(SYMBOLS)


def value_of(text: str, currency: str) -> Fraction:
    """What a text says, in minor units."""
    number = text.replace(SYMBOLS.get(currency, currency), "").replace(",", "").replace(MINUS, "-")
    sign, digits, suffix = re.fullmatch(r"(-?) ?([0-9.]+)([kMBT]?)", number).groups()  # type: ignore[union-attr]
    value = Fraction(digits) * SIZES[suffix] * 10 ** scale(currency)
    return -value if sign else value


@patient
@given(minor=amounts, currency=currencies)
def test_a_text_says_the_whole_amount(minor: int, currency: str) -> None:
    assert value_of(money_text(minor, currency), currency) == minor


@patient
@given(lowest=amounts, highest=amounts, currency=currencies, steps=st.integers(2, 8))
def test_ticks_are_even_round_and_few_and_cover_everything(
    lowest: int, highest: int, currency: str, steps: int
) -> None:
    lowest, highest = min(lowest, highest, 0), max(lowest, highest, 0)
    ticks = nice_ticks(lowest, highest, steps=steps)
    assert ticks[0] <= lowest
    assert ticks[-1] >= highest
    assert 0 in ticks
    assert len(ticks) <= steps + 3
    if len(ticks) > 1:
        (step,) = {later - earlier for earlier, later in pairwise(ticks)}
        assert str(step).strip("0") in {"1", "2", "5"}
    assert [value_of(text, currency) for text in tick_texts(ticks, currency)] == ticks


@pytest.mark.parametrize(
    ("highest", "currency", "texts"),
    [
        (9, "EUR", ["€0.00", "€0.02", "€0.04", "€0.06", "€0.08", "€0.10"]),
        (7_950, "EUR", ["€0", "€20", "€40", "€60", "€80"]),
        (255_000, "EUR", ["€0", "€1,000", "€2,000", "€3,000"]),
        (1_900_000, "EUR", ["€0", "€5k", "€10k", "€15k", "€20k"]),
        (900_000, "JPY", ["¥0", "¥0.2M", "¥0.4M", "¥0.6M", "¥0.8M", "¥1M"]),
    ],
)
def test_tick_texts_are_short(highest: int, currency: str, texts: list[str]) -> None:
    assert tick_texts(nice_ticks(0, highest, steps=5), currency) == texts
