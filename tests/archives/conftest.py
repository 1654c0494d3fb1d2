from collections.abc import Iterator

import pytest

from core.config import Settings
from core.database import Database
from tests.archives.archivist import Archivist


@pytest.fixture
def archivist(settings: Settings, database: Database) -> Iterator[Archivist]:
    made = Archivist(settings, database)
    yield made
    made.close()
