from collections.abc import Iterator

import pytest

from core.charts.renderer import ChartRenderer


@pytest.fixture(scope="session")
def renderer() -> Iterator[ChartRenderer]:
    """One for all drawings, so that input which ends the process fails a test and not the run."""
    renderer = ChartRenderer()
    yield renderer
    renderer.close()
