"""Asking for reports and building them; `core/services/report_upkeep.py` has them built anew."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, NotFound, invalid
from core.files import StoredFile
from core.ids import new_id
from core.job_names import BUILD_REPORT, EVALUATE_BUDGETS
from core.queries.outbox import is_waiting
from core.queries.report_figures import bearing_until
from core.queries.reports import (
    PENDING,
    REPORTS,
    ReportRecord,
    count_reports,
    find_report,
    load_document,
    load_report,
    same_report,
)
from core.rules.money import is_currency
from core.rules.periods import Period, start_instant
from core.rules.report_periods import (
    ReportKind,
    ReportPeriodError,
    parse_report_period,
    report_period_text,
)
from core.services.locks import lock_user
from core.services.notifications import NewNotification, notify
from core.services.outbox import Job, stage_jobs
from core.services.versions import check_version

MAX_REPORTS = 500
"""Of a user: forty years of months. They are kept until they are deleted, and each may be built anew."""

MAX_PENDING = 20
"""Of a user's reports that wait to be built: each takes about a second, and others wait behind them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewReport:
    """A report as a client asks for it; the currency is the user's unless it is given."""

    kind: ReportKind
    period: str
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """A report that is being built, and the document of the figures that it had before."""

    report: ReportRecord
    document: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Built:
    """What a report has become."""

    document: dict[str, Any]
    workbook: StoredFile


def request_report(session: Session, *, user_id: UUID, report: NewReport) -> ReportRecord:
    """The report, to be built unless it is there and nothing is known to have changed since.

    The same report asked for again is the one that is there. Whoever has it built is told when it is.

    Raises:
        InvalidInput: no such period or currency, or a period that has not begun.
        Conflict: the user has `MAX_REPORTS`, or `MAX_PENDING` that are still to be built.
    """
    user = lock_user(session, user_id=user_id)
    if user is None:
        raise NotFound("no such user")
    currency = report.currency or user.currency
    if not is_currency(currency):
        raise invalid("/currency", "not an active ISO 4217 currency code")
    try:
        period = parse_report_period(report.kind, report.period)
    except ReportPeriodError as error:
        raise invalid("/period", str(error)) from error
    if period.start > clock.local_date(clock.now(), user.timezone):
        raise invalid("/period", "has not begun yet")
    found = same_report(session, user_id=user_id, kind=report.kind, start=period.start, currency=currency)
    if found is not None and not _is_due(session, found):
        return found
    every, pending = count_reports(session, user_id=user_id)
    if found is None and every >= MAX_REPORTS:
        raise Conflict(f"there are {MAX_REPORTS} reports already; delete one first")
    if (found is None or found.state not in PENDING) and pending >= MAX_PENDING:
        raise Conflict(f"{MAX_PENDING} reports are still to be built; try again when they are there")
    if found is not None:
        _ask_again(session, found)
        return load_report(session, user_id=user_id, report_id=found.id)
    return _create(session, user_id, report.kind, period, currency)


def _is_due(session: Session, report: ReportRecord) -> bool:
    """Whether it is not there yet, or perhaps not as things are now."""
    # What was written a moment ago is in the database; that the report tells of it is yet to be noticed.
    return (
        report.state != "succeeded"
        or report.is_stale
        or is_waiting(session, job=EVALUATE_BUDGETS, key=str(report.user_id))
    )


def _create(session: Session, user_id: UUID, kind: ReportKind, period: Period, currency: str) -> ReportRecord:
    report_id, now = new_id(), clock.now()
    row = {
        "user_id": user_id,
        "id": report_id,
        "kind": kind,
        "period_start": period.start,
        "currency": currency,
        "state": "queued",
        "is_awaited": True,
        "version": 1,
        "bears_until": period.end,
        "created_at": now,
        "updated_at": now,
    }
    session.execute(insert(REPORTS), row)
    stage_jobs(session, [build_job(user_id, report_id)])
    return load_report(session, user_id=user_id, report_id=report_id)


def build_job(user_id: UUID, report_id: UUID) -> Job:
    return Job(BUILD_REPORT, str(user_id), {"report_id": str(report_id)})


def _ask_again(session: Session, report: ReportRecord) -> None:
    """Have it built, unless that is under way, and the user told when it is."""
    if report.state in PENDING:
        _change(session, report, is_awaited=True)
        return
    _change(session, report, state="queued", is_awaited=True)
    stage_jobs(session, [build_job(report.user_id, report.id)])


def begin_report(session: Session, *, user_id: UUID, report_id: UUID) -> Begun | None:
    """From now on changes make it stale again: the figures are read after this has been committed.

    None if it is gone.
    """
    report = find_report(session, user_id=user_id, report_id=report_id, for_update=True)
    if report is None:
        return None
    bears_until = bearing_until(session, user_id=user_id, period=report.period)
    _change(session, report, state="running", stale_since=None, bears_until=bears_until)
    return Begun(report, load_document(session, user_id=user_id, report_id=report_id))


def finish_report(
    session: Session,
    *,
    report: ReportRecord,
    is_running: bool,
    built: Built | None,
) -> None:
    """Keep what was built, and tell the user if they wait for it; nothing happens if the report is gone.

    Args:
        is_running: its period is not over.
        built: None where it has become what it was.
    """
    user_id = report.user_id
    # The user before the report, as everywhere.
    user = lock_user(session, user_id=user_id)
    found = find_report(session, user_id=user_id, report_id=report.id, for_update=True)
    if user is None or found is None:
        return
    ends_at = start_instant(report.period.end, user.timezone) if is_running else None
    news: dict[str, Any] = {"state": "succeeded", "is_awaited": False, "ends_at": ends_at}
    if built is not None:
        news |= {"figures": built.document, "built_at": clock.now()}
        news |= {"sha256": built.workbook.sha256, "size": built.workbook.size}
    _change(session, found, **news)
    if found.is_awaited:
        notify(session, [_ready(found)])


def fail_report(session: Session, *, user_id: UUID, report_id: UUID) -> None:
    """Say that it could not be built; what it had before stays readable."""
    report = find_report(session, user_id=user_id, report_id=report_id, for_update=True)
    if report is not None:
        _change(session, report, state="failed", is_awaited=False)


def delete_report(
    session: Session, *, user_id: UUID, report_id: UUID, expected_versions: Set[int] | None = None
) -> None:
    """Its workbook goes with the next sweep.

    Raises:
        NotFound, StaleVersion
    """
    report = load_report(session, user_id=user_id, report_id=report_id, for_update=True)
    check_version(report.version, expected_versions)
    session.execute(delete(REPORTS).where(REPORTS.c.user_id == user_id, REPORTS.c.id == report_id))


def _change(session: Session, report: ReportRecord, **values: Any) -> None:
    session.execute(
        update(REPORTS)
        .where(REPORTS.c.user_id == report.user_id, REPORTS.c.id == report.id)
        .values(version=REPORTS.c.version + 1, updated_at=clock.now(), **values)
    )


def _ready(report: ReportRecord) -> NewNotification:
    data = {
        "report_id": str(report.id),
        "kind": report.kind,
        "period": report_period_text(report.kind, report.period_start),
        "currency": report.currency,
    }
    return NewNotification(report.user_id, "report.ready", data)
