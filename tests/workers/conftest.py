from collections.abc import Iterator

import pytest

from core.config import Settings
from core.database import Database
from tests.workers.report_desk import ReportDesk, WatchedRenderer, report_desk


@pytest.fixture(scope="module")
def watched_renderer() -> Iterator[WatchedRenderer]:
    """One for a file of tests: its process takes a second to start."""
    renderer = WatchedRenderer()
    yield renderer
    renderer.close()


@pytest.fixture
def desk(settings: Settings, database: Database, watched_renderer: WatchedRenderer) -> Iterator[ReportDesk]:
    with report_desk(settings, database, watched_renderer) as desk:
        yield desk
