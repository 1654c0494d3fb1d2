"""Building reports, and having those built anew that are not right any more."""

from uuid import UUID

from celery import shared_task
from sqlalchemy.orm import Session

from core import clock
from core.charts.renderer import ChartError, ChartRenderer
from core.database import Database
from core.errors import Overloaded
from core.files import FileStore, StoredFile
from core.job_names import BUILD_REPORT, Tick
from core.logging import get_logger
from core.queries.report_documents import ReportFigures, figures_document
from core.queries.report_figures import report_figures
from core.reports.pictures import PictureName, picture_specs
from core.reports.workbook import build_workbook
from core.services.outbox import ClaimedRow, staged_jobs
from core.services.report_upkeep import END_BATCH, end_periods, stage_rebuilds
from core.services.reports import Built, begin_report, fail_report, finish_report
from workers.long_jobs import LONG_TASK, Lease, LongJob, work_off_long
from workers.process import current_runtime
from workers.runtime import Runtime

CHART_TIME_S = 60.0
"""For one chart: nobody waits for it, and without it a workbook lacks a picture until its figures change."""

log = get_logger(__name__)


def build_report(runtime: Runtime, lease: Lease, renderer: ChartRenderer) -> None:
    """Build the report of a row, unless it would say what it says already."""
    user_id, report_id = _ids(lease.row)
    with runtime.writing() as session:
        begun = begin_report(session, user_id=user_id, report_id=report_id)
        if begun is None:
            lease.settle(session)
            return
    report = begun.report
    with runtime.database.snapshot_rows() as rows:
        figures = report_figures(
            rows, user_id=user_id, kind=report.kind, period=report.period, currency=report.currency
        )
    document = figures_document(figures)
    built = None
    if document != begun.document:
        built = Built(document, _store_workbook(FileStore(runtime.settings.files), figures, renderer))
    with runtime.writing() as session:
        is_running = figures.running_on is not None
        finish_report(session, report=report, is_running=is_running, built=built)
        lease.settle(session)


def _store_workbook(files: FileStore, figures: ReportFigures, renderer: ChartRenderer) -> StoredFile:
    content = build_workbook(figures, _draw(figures, renderer), built_at=clock.now())
    with files.draft() as draft:
        draft.write(content)
        return draft.keep()


def _draw(figures: ReportFigures, renderer: ChartRenderer) -> dict[PictureName, bytes]:
    """What cannot be drawn is left out: the numbers are in the tables all the same."""
    pictures: dict[PictureName, bytes] = {}
    for name, spec in picture_specs(figures).items():
        try:
            pictures[name] = renderer.render(spec, "png")
        except (ChartError, Overloaded) as error:
            log.warning("report.chart_not_drawn", name=name, error=error)
    return pictures


def give_up_report(session: Session, row: ClaimedRow) -> None:
    user_id, report_id = _ids(row)
    fail_report(session, user_id=user_id, report_id=report_id)


def _ids(row: ClaimedRow) -> tuple[UUID, UUID]:
    return UUID(row.key), UUID(row.payload["report_id"])


def report_job(renderer: ChartRenderer) -> LongJob:
    return LongJob(
        BUILD_REPORT, lambda runtime, lease: build_report(runtime, lease, renderer), give_up_report
    )


@shared_task(name=BUILD_REPORT, **LONG_TASK)
def build_report_task() -> None:
    renderer = ChartRenderer(timeout_s=CHART_TIME_S)
    try:
        work_off_long(current_runtime(), report_job(renderer))
    finally:
        renderer.close()


@shared_task(name=Tick.REFRESH_REPORTS)
def refresh_reports_task() -> None:
    """A tick: have reports built anew that have been stale for a while, or whose period is over."""
    runtime = current_runtime()
    runtime.wake(refresh_reports(runtime.database))


def refresh_reports(database: Database) -> frozenset[str]:
    """Answers the jobs that are to be done now."""
    ended = END_BATCH
    while ended == END_BATCH:
        with database.transaction() as session:
            ended = end_periods(session)
    with database.transaction() as session:
        stage_rebuilds(session)
    return staged_jobs(session)
