"""How the jobs of imports read, commit and undo an archive: batch by batch, in transactions of their own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from typing import BinaryIO

from core.archive.batches import Batch, batches
from core.archive.reading import read_archive
from core.archive.sections import IMPORTED
from core.files import FileStore
from core.queries.imports import ImportRecord
from core.services.archive_imports import (
    begin_archive_commit,
    finish_archive_commit,
    finish_archive_reading,
    take_batch,
)
from core.services.archive_intake import ArchiveIntake
from core.services.archive_undoing import undo_some
from core.services.archived_attachments import ArchivedFiles
from core.services.import_undoing import finish_undoing
from workers.long_jobs import Lease
from workers.runtime import Runtime

TOGETHER = {
    "alerts": "budgets",
    "pace_alerts": "budgets",
    "recurring_occurrences": "recurring_expenses",
}
"""Lists that are taken in with another one, in one transaction."""


def read_archive_import(runtime: Runtime, lease: Lease, record: ImportRecord, file: BinaryIO) -> None:
    """Try what an import would do, and show it.

    Raises:
        UnreadableFile, ImportGone
    """
    archive = read_archive(file)
    with ArchivedFiles(None) as files, runtime.database.reading() as session:
        intake = ArchiveIntake(user_id=record.user_id, import_id=None, files=files)
        for section, batch in batches(archive.entries):
            if section == "files":
                intake.take_files(batch)
            elif section in IMPORTED:
                intake.take(session, section, batch)
            else:
                intake.pass_over(section, batch)
    with runtime.writing() as writing:
        finish_archive_reading(writing, record, intake, user=archive.user)
        lease.settle(writing)


def commit_archive_import(runtime: Runtime, lease: Lease, record: ImportRecord, file: BinaryIO) -> None:
    """Take the archive in.

    Raises:
        UnreadableFile, ImportGone
    """
    archive = read_archive(file)
    with runtime.database.reading() as session:
        choice = begin_archive_commit(session, record)
    with ArchivedFiles(FileStore(runtime.settings.files)) as files:
        intake = ArchiveIntake(user_id=record.user_id, import_id=record.id, files=files)
        for stage, run in groupby(_ahead(batches(archive.entries)), key=_stage):
            if stage == "files":
                for _, batch in run:
                    intake.take_files(batch)
            elif stage in TOGETHER.values():
                _take_together(runtime, lease, record, intake, run)
            elif stage in IMPORTED:
                for one in run:
                    _take_together(runtime, lease, record, intake, iter([one]))
    with runtime.writing() as session:
        finish_archive_commit(session, record, intake, user=archive.user, choice=choice)
        lease.settle(session)


def _ahead(found: Iterator[Batch]) -> Iterator[Batch]:
    """The batches, each read while the one before it is stored: half of that is waiting for the database."""
    with ThreadPoolExecutor(1, thread_name_prefix="archive") as thread:
        coming = thread.submit(next, found, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, found, None)
            yield batch


def _stage(batch: Batch) -> str:
    return TOGETHER.get(batch[0], batch[0])


def _take_together(
    runtime: Runtime, lease: Lease, record: ImportRecord, intake: ArchiveIntake, run: Iterator[Batch]
) -> None:
    with runtime.writing() as session:
        made = [take_batch(session, record, intake, section, batch) for section, batch in run]
        lease.hold(session, has_advanced=any(made))


def undo_archive_import(runtime: Runtime, lease: Lease, record: ImportRecord) -> None:
    """Raises:
    ImportGone
    """
    has_more = True
    while has_more:
        with runtime.writing() as session:
            has_more = undo_some(session, record)
            lease.hold(session, has_advanced=has_more)
    with runtime.writing() as session:
        finish_undoing(session, record)
        lease.settle(session)
