"""Every chart is drawn from anything that its figures can be."""

from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.charts.budget_progress import budget_progress
from core.charts.group_balances import group_balances
from core.charts.picture import WIDTH, Spec
from core.charts.renderer import ChartRenderer
from core.charts.rendering import MAX_PIXELS, MAX_POINTS
from core.charts.spending_by_category import spending_by_category
from core.charts.spending_over_time import spending_over_time
from tests.core.charts.pictures import Png, Svg
from tests.core.charts.strategies import (
    HARD_NAMES,
    balances,
    budgets,
    category_amounts,
    interval_amounts,
    names,
    periods,
    themes,
)
from tests.core.rules.strategies import currencies

drawn = settings(deadline=None, max_examples=40)

charts = st.one_of(
    st.builds(
        spending_by_category,
        category_amounts,
        currency=currencies,
        period=periods,
        theme=themes,
        top=st.integers(0, 30),
        note=names,
    ),
    st.builds(
        spending_over_time,
        interval_amounts,
        currency=currencies,
        interval=st.sampled_from(["day", "week", "month"]),
        period=periods,
        theme=themes,
        note=names,
    ),
    st.builds(budget_progress, budgets, subtitle=names, theme=themes, note=names),
    st.builds(group_balances, balances, currency=currencies, group_name=names, theme=themes, note=names),
)


def parts_of(spec: Any) -> Iterator[dict[str, Any]]:
    if isinstance(spec, dict):
        yield spec
    for inner in spec.values() if isinstance(spec, dict) else spec if isinstance(spec, list) else ():
        yield from parts_of(inner)


@drawn
@given(spec=charts)
def test_any_chart_becomes_a_harmless_svg(renderer: ChartRenderer, spec: Spec) -> None:
    pid = renderer.pid
    svg = Svg.read(renderer.render(spec, "svg"))
    assert svg.dangers() == []
    assert svg.root.attrib["role"] == "img"
    assert svg.root.attrib["aria-label"] == spec["description"]
    assert svg.size[0] == WIDTH
    assert pid in {None, renderer.pid}, "it was drawn by the second process only"


@settings(deadline=None, max_examples=10)
@given(spec=charts)
def test_any_chart_becomes_a_png_of_twice_its_size(renderer: ChartRenderer, spec: Spec) -> None:
    width, height = Svg.read(renderer.render(spec, "svg")).size
    png = Png.read(renderer.render(spec, "png"))
    assert (png.width, png.height) == (2 * width, 2 * height)
    assert png.width * png.height < MAX_PIXELS
    assert png.is_drawn_on


@drawn
@given(spec=charts)
def test_a_chart_has_its_data_and_nothing_that_is_evaluated_or_fetched(spec: Spec) -> None:
    for part in parts_of(spec):
        assert not part.keys() & {
            "url",
            "href",
            "expr",
            "signal",
            "labelExpr",
            "transform",
            "params",
            "format",
        }
    assert sum(len(part["values"]) for part in parts_of(spec) if "values" in part) < MAX_POINTS


def test_names_are_texts_whatever_stands_in_them(renderer: ChartRenderer) -> None:
    for name in HARD_NAMES:
        spec = group_balances([], currency="EUR", group_name=name)
        svg = Svg.read(renderer.render(spec, "svg"))
        assert svg.dangers() == []
        assert any(text.startswith("Balances in ") for text in svg.texts)


def test_a_script_in_a_name_is_only_letters(renderer: ChartRenderer) -> None:
    spec = group_balances([], currency="EUR", group_name="</svg><script>x</script>")
    picture = renderer.render(spec, "svg")
    assert b"<script" not in picture
    assert "Balances in </svg><script>x</script>" in Svg.read(picture).texts
