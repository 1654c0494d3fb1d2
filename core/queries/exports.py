"""Reading exports: one, a page, and how much of them a user has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.models import Export

ExportFormat = Literal["csv", "xlsx", "json"]
ExportState = Literal["queued", "running", "succeeded", "failed", "expired"]
CsvDialect = Literal["standard", "spreadsheet"]


@dataclass(frozen=True, slots=True)
class ExportUsage:
    """How many of a user's exports are being built or wait for it, how many have files, and their bytes."""

    pending: int
    kept: int
    bytes: int


def load_export(session: Session, *, user_id: UUID, export_id: UUID) -> Export:
    """Raises:
    NotFound
    """
    found = session.get(Export, (user_id, export_id))
    if found is None:
        raise NotFound("no such export")
    return found


def load_download(session: Session, *, user_id: UUID, export_id: UUID, now: datetime) -> Export:
    """The user's export, if it has its file.

    Raises:
        NotFound: no such export, it is not there yet, or it is there no more.
    """
    found = load_export(session, user_id=user_id, export_id=export_id)
    if not has_file(found, now):
        raise NotFound("no such export")
    return found


def has_file(export: Export, now: datetime) -> bool:
    """Whether it can be downloaded: what has expired may wait an hour for its removal."""
    return export.state == "succeeded" and export.expires_at is not None and now < export.expires_at


def list_exports(session: Session, *, user_id: UUID, before: UUID | None, limit: int) -> Sequence[Export]:
    """The user's exports, the newest first, beginning behind the one with the id `before`."""
    query = select(Export).where(Export.user_id == user_id)
    if before is not None:
        query = query.where(Export.id < before)
    return session.scalars(query.order_by(Export.id.desc()).limit(limit)).all()


def export_usage(session: Session, *, user_id: UUID) -> ExportUsage:
    query = select(Export.state, func.count(), func.sum(Export.size))
    rows = session.execute(query.where(Export.user_id == user_id).group_by(Export.state)).all()
    found = {state: (count, int(size or 0)) for state, count, size in rows}
    kept, size = found.get("succeeded", (0, 0))
    return ExportUsage(sum(found.get(state, (0, 0))[0] for state in ("queued", "running")), kept, size)
