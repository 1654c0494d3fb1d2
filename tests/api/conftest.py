from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from core.config import Settings
from core.job_names import SEND_MAIL
from tests.workers.outbox import runtime
from workers.leased import turn_name
from workers.runtime import Runtime


@pytest.fixture
def mail_worker(settings: Settings, tmp_path: Path) -> Iterator[Runtime]:
    """It writes its mails into the test's own folder."""
    changes = {"mail_url": tmp_path.as_uri(), "public_url": "https://outlay.example.org/"}
    with runtime(msgspec.structs.replace(settings, **changes)) as worker:
        worker.redis.delete(turn_name(worker, SEND_MAIL))
        yield worker
