"""Reading reports: one, with its figures, or a page of them without."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, func, select

from core.database import Reader
from core.errors import NotFound
from core.models import Report, table_of
from core.rules.periods import Period
from core.rules.report_periods import ReportKind, report_period

REPORTS = table_of(Report)

ReportState = Literal["queued", "running", "succeeded", "failed"]

PENDING: tuple[ReportState, ...] = ("queued", "running")


class ReportRecord(msgspec.Struct, frozen=True):
    """A report without its figures, which may be large."""

    user_id: UUID
    id: UUID
    kind: ReportKind
    period_start: date
    currency: str
    state: ReportState
    is_awaited: bool
    sha256: str | None
    size: int | None
    version: int
    stale_since: datetime | None
    created_at: datetime
    updated_at: datetime
    built_at: datetime | None

    @property
    def period(self) -> Period:
        return report_period(self.kind, self.period_start)

    @property
    def is_stale(self) -> bool:
        """Whether something that it tells of has changed since, as far as was noticed."""
        return self.built_at is not None and (self.stale_since is not None or self.state != "succeeded")


COLUMNS = tuple(REPORTS.c[name] for name in ReportRecord.__struct_fields__)
OF_USER = select(*COLUMNS).where(REPORTS.c.user_id == bindparam("its_owner"))
ONE = OF_USER.where(REPORTS.c.id == bindparam("its_id"))
ONE_FOR_UPDATE = ONE.with_for_update()
SAME = OF_USER.where(
    REPORTS.c.kind == bindparam("its_kind"),
    REPORTS.c.period_start == bindparam("start"),
    REPORTS.c.currency == bindparam("its_currency"),
)
FIGURES = select(REPORTS.c.figures).where(
    REPORTS.c.user_id == bindparam("its_owner"), REPORTS.c.id == bindparam("its_id")
)


def find_report(
    session: Reader, *, user_id: UUID, report_id: UUID, for_update: bool = False
) -> ReportRecord | None:
    query = ONE_FOR_UPDATE if for_update else ONE
    row = session.execute(query, {"its_owner": user_id, "its_id": report_id}).first()
    return None if row is None else ReportRecord(*row)


def load_report(session: Reader, *, user_id: UUID, report_id: UUID, for_update: bool = False) -> ReportRecord:
    """Raises:
    NotFound
    """
    found = find_report(session, user_id=user_id, report_id=report_id, for_update=for_update)
    if found is None:
        raise NotFound("no such report")
    return found


def same_report(
    session: Reader, *, user_id: UUID, kind: ReportKind, start: date, currency: str
) -> ReportRecord | None:
    """The user's report of that period in that currency, if there is one."""
    parameters = {"its_owner": user_id, "its_kind": kind, "start": start, "its_currency": currency}
    row = session.execute(SAME, parameters).first()
    return None if row is None else ReportRecord(*row)


def load_document(session: Reader, *, user_id: UUID, report_id: UUID) -> dict[str, Any] | None:
    """The figures as they are kept; None of what was never built."""
    document: dict[str, Any] | None = session.scalar(FIGURES, {"its_owner": user_id, "its_id": report_id})
    return document


def list_reports(
    session: Reader, *, user_id: UUID, kind: ReportKind | None, before: UUID | None, limit: int
) -> Sequence[ReportRecord]:
    """Those asked for last come first; with `before` those behind the one with that id."""
    query = OF_USER
    if kind is not None:
        query = query.where(REPORTS.c.kind == kind)
    if before is not None:
        query = query.where(REPORTS.c.id < before)
    rows = session.execute(query.order_by(REPORTS.c.id.desc()).limit(limit), {"its_owner": user_id})
    return [ReportRecord(*row) for row in rows]


def count_reports(session: Reader, *, user_id: UUID) -> tuple[int, int]:
    """How many the user has, and how many of them are still to be built."""
    pending = func.count().filter(REPORTS.c.state.in_(PENDING))
    query = select(func.count(), pending).where(REPORTS.c.user_id == user_id)
    every, waiting = session.execute(query).one()
    return every, waiting
