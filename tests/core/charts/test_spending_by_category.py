from datetime import date

import pytest

from core.charts.labels import ELLIPSIS
from core.charts.money_text import MINUS
from core.charts.renderer import ChartRenderer
from core.charts.spending_by_category import CategoryAmount, spending_by_category
from core.rules.periods import Period
from tests.core.charts.pictures import Svg

MARCH = Period(date(2026, 3, 1), date(2026, 4, 1))


def texts_of(
    renderer: ChartRenderer, amounts: dict[str, int], *, currency: str = "EUR", top: int = 10, note: str = ""
) -> list[str]:
    spec = spending_by_category(
        [CategoryAmount(name, amount) for name, amount in amounts.items()],
        currency=currency,
        period=MARCH,
        top=top,
        note=note,
    )
    return Svg.read(renderer.render(spec, "svg")).texts


def test_categories_stand_in_order_with_amounts_and_percentages(renderer: ChartRenderer) -> None:
    texts = texts_of(renderer, {"Bus": 2_500, "Rent": 97_000, "Gum": 100, "Nothing": 0})
    assert texts == [
        "Spending by category", "March 2026 · €996.00 in total",
        "Rent", "Bus", "Gum",
        "€970.00", "€25.00", "€1.00",
        "97%", "3%", "<1%",
    ]  # fmt: skip


def test_the_smallest_become_one_bar_at_the_end(renderer: ChartRenderer) -> None:
    texts = texts_of(renderer, {"A": 500, "B": 400, "C": 300, "D": 200, "E": 2_000}, top=2)
    assert texts[2:8] == ["E", "A", "Other (3)", "€20.00", "€5.00", "€9.00"]


def test_a_single_other_keeps_its_name(renderer: ChartRenderer) -> None:
    texts = texts_of(renderer, {"A": 500, "B": 400, "C": 300}, top=2)
    assert texts[2:5] == ["A", "B", "C"]


def test_refunds_stand_below_zero_and_without_percentages(renderer: ChartRenderer) -> None:
    texts = texts_of(renderer, {"Food": 5_000, "Tax": -20_000})
    assert texts[1] == f"March 2026 · {MINUS}€150.00 in total"
    assert texts[2:] == ["Food", "Tax", "€50.00", f"{MINUS}€200.00"]


@pytest.mark.parametrize(
    ("currency", "text"), [("JPY", "¥123,456"), ("KWD", "KWD 123.456"), ("CHF", "CHF 1,234.56")]
)
def test_amounts_have_the_decimals_of_their_currency(
    renderer: ChartRenderer, currency: str, text: str
) -> None:
    assert text in texts_of(renderer, {"Food": 123_456}, currency=currency)


@pytest.mark.parametrize("amounts", [{}, {"Food": 0}])
def test_without_spending_the_picture_says_so(renderer: ChartRenderer, amounts: dict[str, int]) -> None:
    texts = texts_of(renderer, amounts, note="A note.")
    assert texts == ["Spending by category", "March 2026", "No spending in this time", "A note."]


def test_two_categories_of_one_name_are_two_bars(renderer: ChartRenderer) -> None:
    long = "A name that is much too long for its column"
    spec = spending_by_category(
        [CategoryAmount(f"{long} {number}", 100 * number) for number in (1, 2)],
        currency="EUR",
        period=MARCH,
    )
    texts = Svg.read(renderer.render(spec, "svg")).texts
    assert texts[2] == texts[3]
    assert texts[2].endswith(ELLIPSIS)
    assert texts[4:6] == ["€2.00", "€1.00"]
