"""Building the files that users have asked for."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from celery import shared_task
from sqlalchemy.orm import Session

from core.archive.sections import MAX_ARCHIVE_BYTES
from core.files import Draft, FileStore
from core.job_names import BUILD_EXPORT
from core.models import Export
from core.queries.export_archive import build_archive
from core.queries.export_csv import build_csv
from core.queries.export_rows import BuildFile, Building, FileTooLarge
from core.queries.export_xlsx import build_xlsx
from core.services.exports import (
    MAX_KEPT_BYTES,
    begin_export,
    fail_export,
    finish_export,
    note_progress,
    stored_request,
)
from core.services.outbox import ClaimedRow
from workers.long_jobs import LONG_TASK, Lease, LongJob, work_off_long
from workers.process import current_runtime
from workers.runtime import Runtime

BUILDERS: Mapping[str, BuildFile] = {"csv": build_csv, "xlsx": build_xlsx, "json": build_archive}
"""By the format of the export."""

MAX_BYTES = {"json": MAX_ARCHIVE_BYTES}
"""Of a file, where it is not `MAX_KEPT_BYTES`."""

PROGRESS_S = 1.0
"""Progress is told so often, each time in a transaction; and so long a build goes on that nobody wants."""

FAILED = "it could not be built; this is our fault"
TOO_LARGE = "it has more than {} bytes; narrow it down"


class NotWanted(Exception):
    """The export has been deleted, or its owner."""


@dataclass(slots=True)
class _Work:
    """An export that is being built."""

    runtime: Runtime
    user_id: UUID
    export_id: UUID
    draft: Draft
    max_bytes: int
    told_at: float = field(default_factory=time.monotonic)

    def write(self, data: bytes) -> None:
        if self.draft.size + len(data) > self.max_bytes:
            raise FileTooLarge(TOO_LARGE.format(self.max_bytes))
        self.draft.write(data)

    def tell(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now - self.told_at < PROGRESS_S:
            return
        self.told_at = now
        # It is done only when the file is kept.
        progress = min(99, 100 * done // max(total, 1))
        with self.runtime.database.transaction() as session:
            if not note_progress(
                session, user_id=self.user_id, export_id=self.export_id, progress=progress, rows=done
            ):
                raise NotWanted


def build_export(runtime: Runtime, lease: Lease) -> None:
    """Build the file of a row's export. Whoever is killed meanwhile leaves nothing but a draft."""
    user_id, export_id = _ids(lease.row)
    with runtime.writing() as session:
        export = begin_export(session, user_id=user_id, export_id=export_id)
        if export is None:
            lease.settle(session)
            return
    files = FileStore(runtime.settings.files)
    max_bytes = MAX_BYTES.get(export.format, MAX_KEPT_BYTES)
    try:
        with files.draft() as draft:
            rows = _write(_Work(runtime, user_id, export_id, draft, max_bytes), export, files)
            file = draft.keep()
    except NotWanted:
        with runtime.writing() as session:
            lease.settle(session)
        return
    except FileTooLarge as error:
        with runtime.writing() as session:
            fail_export(session, user_id=user_id, export_id=export_id, error=str(error))
            lease.settle(session)
        return
    with runtime.writing() as session:
        finish_export(session, user_id=user_id, export_id=export_id, file=file, rows=rows)
        lease.settle(session)


def _write(work: _Work, export: Export, files: FileStore) -> int:
    wanted = stored_request(export)
    with work.runtime.database.snapshot_rows() as rows:
        return BUILDERS[wanted.format](
            Building(
                rows=rows,
                user_id=work.user_id,
                filters=wanted.filters,
                sort=wanted.sort,
                dialect=wanted.dialect,
                files=files,
                write=work.write,
                tell=work.tell,
            )
        )


def give_up_export(session: Session, row: ClaimedRow) -> None:
    user_id, export_id = _ids(row)
    fail_export(session, user_id=user_id, export_id=export_id, error=FAILED)


def _ids(row: ClaimedRow) -> tuple[UUID, UUID]:
    return UUID(row.key), UUID(row.payload["export_id"])


JOB = LongJob(BUILD_EXPORT, build_export, give_up_export)


@shared_task(name=BUILD_EXPORT, **LONG_TASK)
def build_export_task() -> None:
    work_off_long(current_runtime(), JOB)
