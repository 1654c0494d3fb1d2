"""Reading, committing and undoing imports: jobs of many transactions, which go on where they were."""

import time
from itertools import islice
from typing import BinaryIO
from uuid import UUID

from celery import shared_task
from msgspec import structs
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core.archive.sections import is_archive
from core.errors import Conflict, Forbidden, InvalidInput, NotFound, invalid
from core.files import FileStore
from core.job_names import COMMIT_IMPORT, READ_IMPORT, UNDO_IMPORT
from core.logging import get_logger
from core.queries.expense_parts import EXPENSES, LINES, TAGS
from core.queries.import_duplicates import find_duplicates
from core.queries.imports import ROWS, Failure, ImportRecord, find_import
from core.queries.invariants import TOTALS
from core.services.import_commits import (
    Plan,
    begin_commit,
    commit_rows,
    finish_commit,
    give_up_commit,
    settle_plan,
)
from core.services.import_formats import check_destination, check_size, format_of
from core.services.import_protocol import OpenedFile
from core.services.import_reading import (
    ImportGone,
    Tally,
    add_rows,
    begin_reading,
    fail_import,
    fail_reading,
    finish_reading,
    mark_duplicates,
)
from core.services.import_undoing import begin_undoing, finish_undoing, give_up_undoing, undo_rows
from core.services.outbox import ClaimedRow
from core.statements.formats import ARCHIVE, HEAD_BYTES, Format, detect_format
from core.statements.refusals import UnreadableFile
from workers.archive_imports import commit_archive_import, read_archive_import, undo_archive_import
from workers.long_jobs import LONG_TASK, Lease, LongJob, work_off_long
from workers.process import current_runtime
from workers.runtime import Runtime

ROWS_AT_ONCE = 2_000
"""Read between two transactions."""

MAX_READING_S = 300
"""Ten times as long as the largest file takes: whatever takes longer was made to."""

READING_TASK = {
    **LONG_TASK,
    # Of a reader that does not even come to its next row, after others have had their turn.
    "soft_time_limit": MAX_READING_S + 60,
    "time_limit": MAX_READING_S + 120,
}

MANY = 10_000
"""Rows with which plans for the user's expenses become others."""

GROWN = (EXPENSES, TAGS, LINES, TOTALS, ROWS)

NOT_READ = Failure("/file", "it could not be read; perhaps it takes too much time or memory")

log = get_logger(__name__)


def read_import(runtime: Runtime, lease: Lease) -> None:
    """Read the file of an import into its rows."""
    user_id, import_id = _ids(lease.row)
    with runtime.writing() as session:
        record = begin_reading(session, user_id=user_id, import_id=import_id)
        if record is None:
            lease.settle(session)
            return
        lease.hold(session)
    try:
        _Reading(runtime, lease, record).run()
    except ImportGone:
        _settle(runtime, lease)


class _Reading:
    """One attempt at reading a file; it remembers what was found out, should nothing come of it."""

    def __init__(self, runtime: Runtime, lease: Lease, record: ImportRecord) -> None:
        self._runtime, self._lease, self._record = runtime, lease, record
        self._format: Format | None = record.format
        self._opened: OpenedFile | None = None
        self._tally = Tally()

    def run(self) -> None:
        try:
            self._read()
        except InvalidInput as error:
            with self._runtime.writing() as session:
                fail_reading(session, self._record, error, file_format=self._format, opened=self._opened)
                self._lease.settle(session)

    def _read(self) -> None:
        with _open_file(self._runtime, self._record) as file:
            file_format = self._find_format(file)
            if file_format == ARCHIVE:
                read_archive_import(self._runtime, self._lease, self._record, file)
                return
            with self._runtime.database.reading() as session:
                opened = self._opened = format_of(file_format).open(session, self._record, file)
            self._store_rows(opened)
        record = structs.replace(self._record, format=file_format, findings=opened.findings)
        duplicates = _mark_duplicates(self._runtime, self._lease, record)
        with self._runtime.writing() as session:
            finish_reading(
                session,
                self._record,
                opened,
                file_format=file_format,
                tally=self._tally,
                duplicates=duplicates,
            )
            self._lease.settle(session)

    def _find_format(self, file: BinaryIO) -> Format:
        if self._format is None:
            head = file.read(HEAD_BYTES)
            self._format = ARCHIVE if is_archive(head) else detect_format(head, self._record.name)
            file.seek(0)
        check_size(self._format, self._record.size)
        check_destination(self._format, self._record.group_id)
        return self._format

    def _store_rows(self, opened: OpenedFile) -> None:
        position, deadline = 0, time.monotonic() + MAX_READING_S
        while rows := list(islice(opened.rows, ROWS_AT_ONCE)):
            if time.monotonic() > deadline:
                raise invalid(NOT_READ.pointer, NOT_READ.detail)
            with self._runtime.database.transaction() as session:
                add_rows(session, self._record, rows, first=position, tally=self._tally)
                self._lease.hold(session)
            position += len(rows)


def _open_file(runtime: Runtime, record: ImportRecord) -> BinaryIO:
    try:
        return FileStore(runtime.settings.files).open(record.sha256 or "")
    except FileNotFoundError as error:
        raise UnreadableFile("it is not kept any more; upload it again") from error


def _mark_duplicates(runtime: Runtime, lease: Lease, record: ImportRecord) -> int:
    """Mark the rows that are there already; answers how many were found."""
    with runtime.database.snapshot_rows() as rows:
        found = find_duplicates(rows, record, format_of(record.format).existing)
    marks = iter(sorted(found.items(), key=lambda mark: mark[0]))
    while some := list(islice(marks, ROWS_AT_ONCE)):
        with runtime.database.transaction() as session:
            mark_duplicates(session, record, some)
            lease.hold(session)
    return len(found)


def give_up_reading(session: Session, row: ClaimedRow) -> None:
    user_id, import_id = _ids(row)
    record = find_import(session, user_id=user_id, import_id=import_id, for_update=True)
    if record is not None:
        fail_import(session, record, NOT_READ)


def commit_import(runtime: Runtime, lease: Lease) -> None:
    """Record what was chosen of an import."""
    user_id, import_id = _ids(lease.row)
    try:
        with runtime.database.reading() as session:
            record, plan = begin_commit(session, user_id=user_id, import_id=import_id)
        if record.format == ARCHIVE:
            _commit_archive(runtime, lease, record)
        else:
            _commit_rows(runtime, lease, record, plan)
    except ImportGone:
        _settle(runtime, lease)
        return
    if record.row_count >= MANY:
        _learn(runtime)


def _commit_rows(runtime: Runtime, lease: Lease, record: ImportRecord, plan: Plan | None) -> None:
    """Raises:
    ImportGone
    """
    if plan is None:
        # The preview may be a week old. Nothing of it is recorded yet, so it does not find itself.
        _mark_duplicates(runtime, lease, record)
        with runtime.writing() as session:
            plan = settle_plan(session, record)
            lease.hold(session, has_advanced=True)
    after: int | None = -1
    while after is not None:
        with runtime.writing() as session:
            step = commit_rows(session, record, plan, after=after)
            lease.hold(session, has_advanced=step.has_recorded)
        after = step.position
    with runtime.writing() as session:
        finish_commit(session, record)
        lease.settle(session)


def _learn(runtime: Runtime) -> None:
    try:
        runtime.database.learn(*GROWN)
    except DBAPIError as error:
        # It will look by itself, only later.
        log.warning("import.not_learned", error=error.orig)


def _commit_archive(runtime: Runtime, lease: Lease, record: ImportRecord) -> None:
    """Its file is read once more, and what was a preview may be gone, or damaged, by now."""
    try:
        with _open_file(runtime, record) as file:
            commit_archive_import(runtime, lease, record, file)
    except UnreadableFile as error:
        field = error.fields[0]
        failure = Failure(field.pointer, field.detail)
        with runtime.writing() as session:
            give_up_commit(session, user_id=record.user_id, import_id=record.id, failure=failure)
            lease.settle(session)


def undo_import(runtime: Runtime, lease: Lease) -> None:
    """Take back what was recorded of an import."""
    user_id, import_id = _ids(lease.row)
    try:
        with runtime.database.reading() as session:
            record = begin_undoing(session, user_id=user_id, import_id=import_id)
        if record.format == ARCHIVE:
            undo_archive_import(runtime, lease, record)
            return
        has_more = True
        while has_more:
            with runtime.writing() as session:
                has_more = undo_rows(session, record)
                lease.hold(session, has_advanced=has_more)
        with runtime.writing() as session:
            finish_undoing(session, record)
            lease.settle(session)
    except ImportGone:
        _settle(runtime, lease)
    except (NotFound, Forbidden, Conflict) as error:
        # Somebody has left the group since it was asked for.
        with runtime.writing() as session:
            failure = Failure("", error.detail)
            give_up_undoing(session, user_id=user_id, import_id=import_id, failure=failure)
            lease.settle(session)


def _ids(row: ClaimedRow) -> tuple[UUID, UUID]:
    user_id, _, import_id = row.key.partition(":")
    return UUID(user_id), UUID(import_id)


def _settle(runtime: Runtime, lease: Lease) -> None:
    """There is nothing left to do."""
    with runtime.database.transaction() as session:
        lease.settle(session)


def _give_up_commit(session: Session, row: ClaimedRow) -> None:
    user_id, import_id = _ids(row)
    give_up_commit(session, user_id=user_id, import_id=import_id)


def _give_up_undoing(session: Session, row: ClaimedRow) -> None:
    user_id, import_id = _ids(row)
    give_up_undoing(session, user_id=user_id, import_id=import_id)


READING = LongJob(READ_IMPORT, read_import, give_up_reading)
COMMITTING = LongJob(COMMIT_IMPORT, commit_import, _give_up_commit)
UNDOING = LongJob(UNDO_IMPORT, undo_import, _give_up_undoing)


@shared_task(name=READ_IMPORT, **READING_TASK)
def read_import_task() -> None:
    work_off_long(current_runtime(), READING)


@shared_task(name=COMMIT_IMPORT, **LONG_TASK)
def commit_import_task() -> None:
    work_off_long(current_runtime(), COMMITTING)


@shared_task(name=UNDO_IMPORT, **LONG_TASK)
def undo_import_task() -> None:
    work_off_long(current_runtime(), UNDOING)
