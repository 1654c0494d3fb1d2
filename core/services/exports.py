"""Asking for files of one's data, and what becomes of them; `workers/tasks/exports.py` builds them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, delete, text, update
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Update

from core import clock
from core.errors import Conflict, Unauthenticated, invalid
from core.files import StoredFile
from core.ids import new_id
from core.job_names import BUILD_EXPORT
from core.models import Export, table_of
from core.queries.expenses import ExpenseFilter, Sort
from core.queries.exports import CsvDialect, ExportFormat, export_usage, load_export
from core.services.locks import lock_user
from core.services.notifications import NewNotification, notify
from core.services.outbox import Job, stage_jobs
from core.services.purging import delete_some, some_of

EXPORT_READY = "export.ready"

EXPORT_LIFETIME = timedelta(days=7)
"""Of the file: time enough to fetch it, and it can be built again."""

EXPORT_MEMORY = timedelta(days=30)
"""After the file has gone its row still says what became of it."""

MAX_PENDING = 5
"""Of a user: with more, others would wait for one user's files."""

MAX_KEPT = 50
"""Files of a user: one a working day, and as many again."""

MAX_KEPT_BYTES = 2 * 1024**3
"""Of a user: some ten files with a million expenses each. One user must not fill everybody's disk."""

NAMES: Mapping[ExportFormat, str] = {
    "csv": "outlay-expenses",
    "xlsx": "outlay-expenses",
    "json": "outlay-archive",
}
EXPORTS = table_of(Export)
EXPIRE = (
    update(EXPORTS)
    .where(EXPORTS.c.user_id == bindparam("owner"), EXPORTS.c.id == bindparam("its_id"))
    .values(state="expired", sha256=None)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is to be in the file; `dialect` is for CSV, None for the standard one."""

    format: ExportFormat
    dialect: CsvDialect | None = None
    filters: ExpenseFilter = field(default_factory=ExpenseFilter)
    sort: Sort = "spent_on"


def request_export(session: Session, *, user_id: UUID, wanted: ExportRequest) -> Export:
    """Have a file built.

    Raises:
        InvalidInput: only CSV has dialects, and an archive (`json`) has all that is the user's.
        Conflict: the user has as many exports as are allowed.
        Unauthenticated: the user is gone.
    """
    if wanted.format != "csv" and wanted.dialect is not None:
        raise invalid("/dialect", "only for csv")
    if wanted.format == "json" and wanted.filters != ExpenseFilter():
        raise invalid("/format", "has all that is yours; filters are for files of expenses")
    # Two at once must not both be the last one.
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise Unauthenticated("the account is gone")
    _check_room(session, user_id)
    now = clock.now()
    added = Export(
        user_id=user_id,
        id=new_id(),
        format=wanted.format,
        dialect=(wanted.dialect or "standard") if wanted.format == "csv" else None,
        filters=filters_document(wanted.filters),
        sort=wanted.sort,
        name=f"{NAMES[wanted.format]}-{clock.local_date(now, user.timezone)}.{wanted.format}",
        state="queued",
        progress=0,
        row_count=None,
        size=None,
        sha256=None,
        error=None,
        created_at=now,
        finished_at=None,
        expires_at=None,
    )
    session.add(added)
    stage_jobs(session, [Job(BUILD_EXPORT, str(user_id), {"export_id": str(added.id)})])
    return added


def filters_document(filters: ExpenseFilter) -> dict[str, Any]:
    """The filters that are given, as they are stored; see `stored_request`."""
    document: dict[str, Any] = msgspec.to_builtins(filters)
    return {name: value for name, value in document.items() if value not in (None, False)}


def stored_request(export: Export) -> ExportRequest:
    """What was asked for."""
    names = ("format", "dialect", "filters", "sort")
    return msgspec.convert({name: getattr(export, name) for name in names}, ExportRequest)


def delete_export(session: Session, *, user_id: UUID, export_id: UUID) -> None:
    """Delete an export, or give it up while it is built; its file goes with the next sweep.

    Raises:
        NotFound
    """
    load_export(session, user_id=user_id, export_id=export_id)
    session.execute(delete(EXPORTS).where(EXPORTS.c.user_id == user_id, EXPORTS.c.id == export_id))


def begin_export(session: Session, *, user_id: UUID, export_id: UUID) -> Export | None:
    """Mark it as running, perhaps anew after somebody who was killed; None if it is not wanted any more."""
    return session.scalar(
        _change(user_id, export_id, state="running", progress=0, row_count=0).returning(Export)
    )


def note_progress(session: Session, *, user_id: UUID, export_id: UUID, progress: int, rows: int) -> bool:
    """Tell how far it is; False if it is not wanted any more."""
    change = _change(user_id, export_id, progress=progress, row_count=rows)
    return session.scalar(change.returning(Export.id)) is not None


def finish_export(session: Session, *, user_id: UUID, export_id: UUID, file: StoredFile, rows: int) -> bool:
    """Name the file that has been built and tell its owner; False if it is not wanted any more."""
    # As whoever needs this lock takes it first. Without the user there is no export either.
    user = lock_user(session, user_id=user_id)
    now = clock.now()
    change = _change(
        user_id,
        export_id,
        state="succeeded",
        progress=100,
        row_count=rows,
        size=file.size,
        sha256=file.sha256,
        finished_at=now,
        expires_at=now + EXPORT_LIFETIME,
    )
    export_format = session.scalar(change.returning(Export.format))
    if user is None or export_format is None:
        return False
    data = {"export_id": str(export_id), "format": export_format, "rows": rows, "bytes": file.size}
    notify(session, [NewNotification(user_id, EXPORT_READY, data)], users={user_id: user})
    return True


def fail_export(session: Session, *, user_id: UUID, export_id: UUID, error: str) -> None:
    """Say that there will be no file, and why."""
    session.execute(_change(user_id, export_id, state="failed", error=error, finished_at=clock.now()))


def expire_exports(session: Session) -> int:
    """Let go of some of the files that have been there for long enough; answers how many."""
    # The state stands in the statement: only then is the partial index known to hold all of them.
    is_over = (text("exports.state = 'succeeded'"), EXPORTS.c.expires_at <= clock.now())
    rows = some_of(session, EXPORTS, *is_over)
    if rows:
        session.execute(EXPIRE, [{"owner": row.user_id, "its_id": row.id} for row in rows])
    return len(rows)


def purge_exports(session: Session) -> int:
    """Forget some of the exports whose files have long gone; answers how many."""
    return delete_some(
        session, EXPORTS, EXPORTS.c.finished_at < clock.now() - EXPORT_LIFETIME - EXPORT_MEMORY
    )


def _check_room(session: Session, user_id: UUID) -> None:
    usage = export_usage(session, user_id=user_id)
    if usage.pending >= MAX_PENDING:
        raise Conflict(f"{MAX_PENDING} exports are being built already; wait for one of them, or delete it")
    if usage.pending + usage.kept >= MAX_KEPT:
        raise Conflict(f"there may be {MAX_KEPT} exports; delete one of them")
    if usage.bytes >= MAX_KEPT_BYTES:
        raise Conflict(f"all exports together may have {MAX_KEPT_BYTES} bytes; delete one of them")


def _change(user_id: UUID, export_id: UUID, **values: Any) -> Update:
    """Of an export that is still to be built."""
    is_pending = Export.state.in_(("queued", "running"))
    return (
        update(Export).where(Export.user_id == user_id, Export.id == export_id, is_pending).values(**values)
    )
