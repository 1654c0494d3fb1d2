import time

from celery import shared_task

from core import clock
from core.backup.folder import newest_time, prune, taken_alone
from core.config import Settings
from core.job_names import Tick
from core.logging import get_logger
from core.rules.nights import is_due
from workers.process import current_runtime

BACK_UP_TIME_S = 3_500
"""Ten million expenses take some minutes, copied and tried out. Over before the next tick."""

log = get_logger(__name__)


@shared_task(
    name=Tick.BACK_UP, acks_late=False, soft_time_limit=BACK_UP_TIME_S, time_limit=BACK_UP_TIME_S + 60
)
def back_up_task() -> None:
    """A tick: once a night, where it is asked for, write a backup and see that it can be put back."""
    settings = current_runtime().settings
    if settings.backup_nightly == "on":
        back_up_if_due(settings)


def back_up_if_due(settings: Settings) -> bool:
    """Whether one was made. The folder itself remembers, so that all who share it make one a night.

    Raises:
        BackupError, DatabaseUnavailable: the next tick tries again; the older ones stay.
    """
    # Alembic and what it needs, for one task a night.
    from core.backup.operations import back_up, database_for_backups

    folder, started = settings.backups, time.monotonic()
    with taken_alone(folder) as is_alone:
        if not is_alone or not is_due(last_at=newest_time(folder), now=clock.now()):
            return False
        with database_for_backups(settings) as database:
            path, manifest = back_up(settings, database, folder, is_tried_out=True)
        # What it lacks an older one may have.
        if not manifest.missing:
            prune(folder, keep=settings.backup_keep, made=path)
    for sha256 in manifest.missing:
        log.error("backup.file_missing", sha256=sha256)
    log.info(
        "backup.made",
        name=path.name,
        rows=manifest.rows,
        files=manifest.files,
        seconds=round(time.monotonic() - started, 1),
    )
    return True
