from itertools import islice

from celery import shared_task

from core import clock
from core.database import Database
from core.files import FileStore
from core.job_names import Tick
from core.logging import get_logger
from core.queries.files import named_hashes
from core.rules.nights import is_due
from workers.process import current_runtime

SWEEP_BATCH = 500
"""Hashes that are looked up at a time."""

SWEEP_TIME_S = 3_500
"""A million files take a minute or two; nobody waits for it. Over before the next tick."""

log = get_logger(__name__)


@shared_task(
    name=Tick.SWEEP_FILES, acks_late=False, soft_time_limit=SWEEP_TIME_S, time_limit=SWEEP_TIME_S + 60
)
def sweep_files_task() -> None:
    """A tick: once a night, remove files that no row names any more, or never did."""
    runtime = current_runtime()
    sweep_if_due(runtime.database, FileStore(runtime.settings.files))


def sweep_if_due(database: Database, files: FileStore) -> int:
    """Answers how many files went. The folder itself remembers, so that all who share it sweep it once."""
    now = clock.now()
    if not is_due(last_at=files.swept_at(), now=now):
        return 0
    removed = sweep_files(database, files)
    files.note_sweep(now)
    return removed


def sweep_files(database: Database, files: FileStore) -> int:
    """Answers how many went."""
    removed = files.remove_old_drafts()
    hashes = files.kept()
    while batch := list(islice(hashes, SWEEP_BATCH)):
        with database.reading() as session:
            named = named_hashes(session, batch)
        removed += sum(files.remove_spare(sha256) for sha256 in batch if sha256 not in named)
    if removed:
        log.info("files.swept", removed=removed)
    return removed
