import socket
import struct
from typing import Any

import pytest

from core.charts.group_balances import group_balances
from core.charts.rendering import MAX_POINTS, render_png, render_svg, serve
from core.charts.theme import DARK
from tests.core.charts.pictures import Png, Svg

SPEC = group_balances([], currency="EUR", group_name='"Us" & <them>')


def test_an_svg_describes_itself() -> None:
    svg = Svg.read(render_svg(SPEC))
    assert svg.root.attrib["aria-label"] == 'Balances in "Us" & <them>. Nobody is in this group.'


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_a_png_has_the_size_that_is_asked_for(scale: float) -> None:
    width, height = Svg.read(render_svg(SPEC)).size
    png = Png.read(render_png(SPEC, scale))
    assert (png.width, png.height) == (width * scale, height * scale)


def test_a_dark_picture_is_dark() -> None:
    first_lines = [
        Png.read(render_png(group_balances([], currency="EUR", group_name="Us", **theme), 1)).lines[0]
        for theme in ({}, {"theme": DARK})
    ]
    assert [line[1:5] for line in first_lines] == [b"\xff" * 4, bytes.fromhex(DARK.background[1:]) + b"\xff"]


@pytest.mark.parametrize("scale", [0.0, -1.0, 100.0, float("nan"), float("inf")])
def test_a_png_of_no_or_of_too_many_pixels_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="cannot be drawn"):
        render_png(SPEC, scale)


def a_chart_of(data: Any) -> dict[str, Any]:
    return {"layer": [{"data": data, "mark": "point", "encoding": {}}]}


@pytest.mark.parametrize(
    "data",
    [
        {"url": "https://example.com/data.json"},
        {"url": "file:///etc/hostname", "format": {"type": "csv"}},
        {"url": "data:text/csv,a"},
        {"url": "https://example.com/data.json", "values": []},
        {"name": "elsewhere"},
        {"sequence": {"start": 0, "stop": 1_000_000_000}},
    ],
)
def test_data_from_elsewhere_is_refused(data: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="carries its data in itself"):
        render_svg(a_chart_of(data))


def test_too_much_data_is_refused() -> None:
    with pytest.raises(ValueError, match=f"at most {MAX_POINTS} rows"):
        render_svg(a_chart_of({"values": [{}] * (MAX_POINTS + 1)}))


def test_a_png_leaves_out_emoji_that_no_font_of_ours_has_unless_there_is_nothing_else() -> None:
    plain, decorated, emoji = (
        Png.read(render_png(group_balances([], currency="EUR", group_name=name), 1))
        for name in ("Pizza", "\U0001f355 Pizza \u2615\ufe0f", "\U0001f355")
    )
    assert decorated.lines == plain.lines
    assert emoji.lines != plain.lines


def test_a_process_without_work_ends() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        serve(theirs, idle_s=0.01)


def test_a_process_whose_parent_is_gone_ends() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        ours.sendall(struct.pack("!cI", b"s", 100) + b"the parent did not get any fur")
        ours.close()
        serve(theirs)
