from collections.abc import Iterator

import pytest

from core.config import Settings
from workers.app import JOBS
from workers.runtime import Runtime


@pytest.fixture
def runtime(settings: Settings) -> Iterator[Runtime]:
    """A worker's."""
    runtime = Runtime(settings, JOBS)
    yield runtime
    runtime.close()
