import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.charts import rendering
from core.charts.group_balances import MemberBalance, group_balances
from core.charts.picture import Spec
from core.charts.renderer import MAX_CHARTS_WAITING, ChartError, ChartRenderer
from core.errors import Overloaded
from tests.core.charts.pictures import Png, Svg
from tests.processes import eventually, is_alive

TIMEOUT_S = 1.0


def a_chart(name: str) -> Spec:
    return group_balances(
        [MemberBalance(name, 100), MemberBalance("Bob", -100)], currency="EUR", group_name="Us"
    )


def a_slow_chart() -> Spec:
    """Takes minutes: smoothing costs the square of its points, many times over."""
    values = [{"a": number, "b": number % 7} for number in range(rendering.MAX_POINTS)]
    axis = {"type": "quantitative"}
    return {
        "data": {"values": values},
        "transform": [{"loess": "b", "on": "a", "bandwidth": 1}] * 50,
        "mark": "line",
        "encoding": {"x": {"field": "a", **axis}, "y": {"field": "b", **axis}},
    }


@contextmanager
def new_renderer(*, timeout_s: float | None = None) -> Iterator[ChartRenderer]:
    renderer = ChartRenderer() if timeout_s is None else ChartRenderer(timeout_s=timeout_s)
    try:
        yield renderer
    finally:
        renderer.close()


def pid_of(renderer: ChartRenderer) -> int:
    assert renderer.pid is not None
    return renderer.pid


def test_nothing_is_started_before_the_first_chart() -> None:
    with new_renderer() as renderer:
        assert renderer.pid is None


def test_one_process_draws_all_charts_and_ends_with_the_renderer() -> None:
    with new_renderer() as renderer:
        assert "Alice" in Svg.read(renderer.render(a_chart("Alice"), "svg")).texts
        pid = pid_of(renderer)
        assert Png.read(renderer.render(a_chart("Alice"), "png", scale=1)).width == 640
        assert pid_of(renderer) == pid
        assert is_alive(pid)
    assert not is_alive(pid)


def test_after_closing_there_are_no_charts() -> None:
    with new_renderer() as renderer:
        renderer.render(a_chart("Alice"), "svg")
    with pytest.raises(Overloaded):
        renderer.render(a_chart("Alice"), "svg")
    assert renderer.pid is None


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_is_replaced_at_the_next_chart(ending: signal.Signals) -> None:
    with new_renderer() as renderer:
        renderer.render(a_chart("Alice"), "svg")
        pid = pid_of(renderer)
        os.kill(pid, ending)
        assert "Bob" in Svg.read(renderer.render(a_chart("Alice"), "svg")).texts
        assert pid_of(renderer) != pid
        assert not is_alive(pid)


def test_a_process_that_is_killed_while_it_draws_costs_nobody_a_chart() -> None:
    with new_renderer() as renderer, ThreadPoolExecutor(1) as threads:
        renderer.render(a_chart("Alice"), "svg")
        pid = pid_of(renderer)
        os.kill(pid, signal.SIGSTOP)
        drawing = threads.submit(renderer.render, a_chart("Alice"), "svg")
        os.kill(pid, signal.SIGKILL)
        assert "Alice" in Svg.read(drawing.result()).texts


def test_a_process_that_does_not_answer_is_given_up_and_replaced() -> None:
    with new_renderer(timeout_s=TIMEOUT_S * 5) as renderer:
        renderer.render(a_chart("Alice"), "svg")
        pid = pid_of(renderer)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(Overloaded, match="took too long"):
            renderer.render(a_chart("Alice"), "svg")
        assert not is_alive(pid)
        assert "Alice" in Svg.read(renderer.render(a_chart("Alice"), "svg")).texts


def test_a_chart_that_takes_too_long_is_given_up() -> None:
    with new_renderer(timeout_s=TIMEOUT_S) as renderer, pytest.raises(Overloaded, match="took too long"):
        renderer.render(a_slow_chart(), "svg")


def test_a_chart_that_ends_the_process_is_an_error_and_the_next_one_is_drawn() -> None:
    with new_renderer() as renderer:
        with pytest.raises(ChartError, match="process ended"):
            renderer.render(_with_a_nul(a_chart("Alice")), "svg")
        assert "Alice" in Svg.read(renderer.render(a_chart("Alice"), "svg")).texts


def test_a_specification_that_is_none_is_an_error_and_the_process_goes_on() -> None:
    with new_renderer() as renderer:
        renderer.render(a_chart("Alice"), "svg")
        pid = pid_of(renderer)
        for wrong in ({}, {"mark": "nothing"}, {"data": {"url": "https://example.com"}, "mark": "bar"}):
            with pytest.raises(ChartError):
                renderer.render(wrong, "png")
        assert pid_of(renderer) == pid


def test_many_threads_get_each_their_own_chart() -> None:
    names = [f"Member {number}" for number in range(MAX_CHARTS_WAITING)]
    with new_renderer() as renderer, ThreadPoolExecutor(len(names)) as threads:
        pictures = list(threads.map(lambda name: renderer.render(a_chart(name), "svg"), names))
    for name, picture in zip(names, pictures, strict=True):
        assert [text for text in Svg.read(picture).texts if text.startswith("Member")] == [name]


def test_a_flood_is_turned_away_at_once_and_those_before_it_are_served() -> None:
    too_many = 5
    asked = MAX_CHARTS_WAITING + too_many
    with new_renderer() as renderer, ThreadPoolExecutor(asked) as threads:
        renderer.render(a_chart("Alice"), "svg")
        os.kill(pid_of(renderer), signal.SIGSTOP)
        waiting: set[Future[bytes]] = {
            threads.submit(renderer.render, a_chart("Alice"), "svg") for _ in range(asked)
        }
        refused = 0
        while refused < too_many:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                assert isinstance(future.exception(), Overloaded)
            refused += len(done)
        os.kill(pid_of(renderer), signal.SIGCONT)
        assert all(future.result() for future in waiting)
        assert len(waiting) == MAX_CHARTS_WAITING


PARENT = """
import sys
from core.charts.renderer import ChartRenderer
from core.charts.group_balances import group_balances
renderer = ChartRenderer()
renderer.render(group_balances([], currency="EUR", group_name="Us"), "svg")
print(renderer.pid, flush=True)
sys.stdin.read()
"""


def test_the_process_ends_when_its_parent_is_killed() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_alive(pid)
        parent.kill()
    assert eventually(lambda: not is_alive(pid))


def test_a_process_that_hangs_ends_by_itself_though_nobody_is_left_to_end_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", str(Path(rendering.__file__)), str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
        )
        with process:
            theirs.close()
            request = rendering.encode(b"s", seconds=TIMEOUT_S, scale=1, spec=a_slow_chart())
            ours.sendall(request)
            ours.close()
            assert process.wait(timeout=60) == -signal.SIGALRM


def _with_a_nul(spec: Spec) -> Spec:
    """What no chart of ours has, as names are cleaned: vl-convert aborts on it."""
    return {
        **spec,
        "layer": [
            {
                "data": {"values": [{"text": "a\x00b"}]},
                "mark": {"type": "text", "limit": 100},
                "encoding": {"text": {"field": "text"}},
            }
        ],
    }
