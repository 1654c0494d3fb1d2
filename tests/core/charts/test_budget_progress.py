from core.charts.budget_progress import MAX_BUDGETS, MOST, BudgetFigures, budget_progress
from core.charts.money_text import MINUS
from core.charts.picture import Spec
from core.charts.renderer import ChartRenderer
from core.charts.theme import DARK, LIGHT
from core.rules.thresholds import status
from tests.core.charts.pictures import Svg


def budget(name: str, spent: int, limit: int, currency: str = "EUR") -> BudgetFigures:
    return BudgetFigures(name, currency, spent, limit, status(spent, limit, [80]))


def texts_of(renderer: ChartRenderer, spec: Spec) -> list[str]:
    return Svg.read(renderer.render(spec, "svg")).texts


def test_each_budget_says_what_is_spent_of_what_and_what_is_left(renderer: ChartRenderer) -> None:
    spec = budget_progress(
        [
            budget("Trip", 38_500, 120_000, "JPY"),
            budget("Food", 41_237, 50_000),
            budget("Fun", 22_410, 20_000),
        ],
        subtitle="24 March 2026",
    )
    assert texts_of(renderer, spec) == [
        "Budgets", "24 March 2026 · 1 of 3 over the limit",
        "Fun", "Food", "Trip",
        "€224.10 of €200.00", "€412.37 of €500.00", "¥38,500 of ¥120,000",
        "112% used", "82% used · warning", "32% used",
        "€87.63 left", "¥81,500 left", "€24.10 over",
    ]  # fmt: skip


def test_the_colour_is_that_of_the_state() -> None:
    for theme in (LIGHT, DARK):
        spec = budget_progress(
            [budget("a", 1, 100), budget("b", 85, 100), budget("c", 101, 100)], theme=theme
        )
        colors = {
            row["color"]
            for layer in spec["layer"]
            for row in layer["data"]["values"]
            if row.get("color") not in {None, theme.track}
        }
        assert colors == {theme.bar, theme.warning, theme.over}


def test_budgets_without_a_limit_or_with_refunds_make_sense(renderer: ChartRenderer) -> None:
    texts = texts_of(
        renderer, budget_progress([budget("Refunded", -1_200, 5_000), budget("Gone", 1_200, -500)])
    )
    assert texts[2:] == [
        "Gone", "Refunded",
        f"€12.00 of {MINUS}€5.00", f"{MINUS}€12.00 of €50.00",
        "No limit left", "Refunds prevail",
        "€62.00 left", "€17.00 over",
    ]  # fmt: skip


def test_one_that_has_gone_wild_does_not_flatten_the_others(renderer: ChartRenderer) -> None:
    spec = budget_progress([budget("Wild", 10**9, 100), budget("Tame", 50, 100)])
    lengths = [row["used"] for layer in spec["layer"] for row in layer["data"]["values"] if "used" in row]
    assert max(lengths) == MOST
    texts = texts_of(renderer, spec)
    assert "»" in texts
    assert "1,000,000,000% used" in texts


def test_of_many_budgets_those_most_used_are_drawn_and_a_note_counts_the_rest(
    renderer: ChartRenderer,
) -> None:
    texts = texts_of(renderer, budget_progress([budget(f"Budget {used}", used, 100) for used in range(30)]))
    assert texts[1] == "30 within the limit"
    assert texts[2] == "Budget 29"
    assert texts[-1] == "10 more that are less used."
    assert sum(text.startswith("Budget ") for text in texts) == MAX_BUDGETS


def test_without_budgets_the_picture_says_so(renderer: ChartRenderer) -> None:
    assert texts_of(renderer, budget_progress([], subtitle="Today"))[1:] == [
        "Today",
        "No budgets in this time",
    ]
