"""`python -m bench.charts`: how long a warm chart takes; with `--pictures`, draw those of docs/charts anew.

Needs no running system.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from bench import chart_samples
from bench.report import Row, gauge, machine, table
from bench.system import Dialect
from core.charts.picture import Spec
from core.charts.renderer import ChartRenderer
from core.charts.rendering import Format
from core.charts.theme import LIGHT, THEMES, Theme

PICTURES = Path(__file__).parents[1] / "docs" / "charts"

SAMPLES: dict[str, Callable[[Theme], Spec]] = {
    "spending-by-category": chart_samples.categories,
    "spending-over-time": chart_samples.days,
    "budget-progress": chart_samples.budgets,
    "group-balances": chart_samples.balances,
}
LARGEST = "spending-over-time, a year of days"

FORMATS: tuple[Format, ...] = ("svg", "png")
RUNS = 25
WARM_UP = 3
MANY = 1_000
"""Charts after which the process's memory is read again."""

TRIVIAL: Spec = {
    "data": {"values": [{"a": "x", "b": 1}, {"a": "y", "b": 2}]},
    "mark": "bar",
    "encoding": {"x": {"field": "b", "type": "quantitative"}, "y": {"field": "a", "type": "nominal"}},
}


def charting(_: Dialect) -> list[Row]:
    """Each chart as SVG and as PNG by a warm renderer; no database takes part in it."""
    floors = _floors()
    rows = [
        _row(f"floor: vl-convert draws two bars in this process, {kind}", floors[kind]) for kind in FORMATS
    ]
    samples = {**SAMPLES, LARGEST: chart_samples.year_of_days}
    renderer = ChartRenderer()
    try:
        first = _milliseconds(lambda: renderer.render(chart_samples.days(LIGHT), "svg"))
        rows.append(Row("the first chart, with the start of its process", "", f"{first:.0f} ms"))
        for name, sample in samples.items():
            for kind in FORMATS:
                times = _times(partial(renderer.render, sample(LIGHT), kind))
                rows.append(_row(f"{name}, {kind}", times, floor=floors[kind]))
        rows.append(Row("memory of the drawing process", f"{_resident_mb(renderer.pid)} MB"))
        for _number in range(MANY):
            renderer.render(chart_samples.days(LIGHT), "png")
        rows.append(Row(f"… after {MANY:,} charts more", f"{_resident_mb(renderer.pid)} MB"))
    finally:
        renderer.close()
    return rows


def draw_pictures() -> None:
    PICTURES.mkdir(exist_ok=True)
    renderer = ChartRenderer()
    try:
        for name, sample in SAMPLES.items():
            for theme_name, theme in THEMES.items():
                path = PICTURES / f"{name}-{theme_name}.png"
                path.write_bytes(renderer.render(sample(theme), "png"))
                print(f"{path.relative_to(PICTURES.parents[1])}  {path.stat().st_size / 1000:.0f} KB")
    finally:
        renderer.close()


def _floors() -> dict[Format, list[float]]:
    import vl_convert

    return {
        "svg": _times(lambda: vl_convert.vegalite_to_svg(TRIVIAL)),
        "png": _times(lambda: vl_convert.vegalite_to_png(TRIVIAL, scale=2)),
    }


def _times(draw: Callable[[], object]) -> list[float]:
    for _ in range(WARM_UP):
        draw()
    return [_milliseconds(draw) for _ in range(RUNS)]


def _milliseconds(draw: Callable[[], object]) -> float:
    started = time.perf_counter()
    draw()
    return (time.perf_counter() - started) * 1000


def _row(name: str, times: list[float], *, floor: list[float] | None = None) -> Row:
    ratio = "" if floor is None else f"{median(times) / median(floor):.2f}"
    return Row(name, "", f"{median(times):.0f} ms", f"{max(times):.0f} ms", ratio)


def _resident_mb(pid: int | None) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) // 1024


def main(arguments: list[str]) -> int:
    if arguments == ["--pictures"]:
        draw_pictures()
        return 0
    if arguments:
        print("usage: python -m bench.charts [--pictures]", file=sys.stderr)
        return 2
    print(machine() + "\n")
    print(table([gauge("charting"), *charting("sqlite")]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
