"""Asks for reports and has them built, as the API and a builder do, at times of the tests' choice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from core.charts.picture import Spec
from core.charts.renderer import PNG_SCALE, ChartRenderer
from core.charts.rendering import Format
from core.config import Settings
from core.database import Database
from core.files import FileStore
from core.queries.report_documents import ReportFigures, read_figures
from core.queries.reports import ReportRecord, load_document, load_report
from core.services.reports import NewReport, delete_report, request_report
from tests.core.services.spender import Spender
from workers.long_jobs import CONNECTIONS, LongJob, work_off_long
from workers.runtime import Runtime
from workers.tasks.reports import refresh_reports, report_job


class WatchedRenderer(ChartRenderer):
    """Counts what it is asked for, and does something else before: by then a building has read its figures.

    It draws once, and gives the same picture every time: drawing would take most of the tests' time.
    """

    def __init__(self) -> None:
        super().__init__()
        self.drawn = 0
        self.before: Callable[[], Any] = int
        self._picture: bytes | None = None

    def render(self, spec: Spec, file_format: Format, *, scale: float = PNG_SCALE) -> bytes:
        self.drawn += 1
        self.before()
        if self._picture is None:
            self._picture = super().render(spec, file_format, scale=scale)
        return self._picture


class ReportDesk:
    def __init__(self, settings: Settings, database: Database, renderer: WatchedRenderer) -> None:
        self.database = database
        self.renderer = renderer
        self.files = FileStore(settings.files)
        self.runtime = Runtime(settings, {}, connections=CONNECTIONS)
        self.job = report_job(renderer)

    def ask(self, me: Spender, period: str, *, currency: str | None = None) -> ReportRecord:
        new = NewReport(kind="monthly" if "-" in period else "yearly", period=period, currency=currency)
        with self.database.transaction() as session:
            return request_report(session, user_id=me.id, report=new)

    def build(self, job: LongJob | None = None) -> int:
        """As a builder that is woken; answers how many jobs there were."""
        return work_off_long(self.runtime, job or self.job)

    def built(self, me: Spender, period: str, *, currency: str | None = None) -> ReportRecord:
        report = self.ask(me, period, currency=currency)
        self.build()
        return self.load(report)

    def refresh(self) -> int:
        """As the tick, with a builder that is woken if need be."""
        refresh_reports(self.database)
        return self.build()

    def load(self, report: ReportRecord) -> ReportRecord:
        with self.database.reading_rows() as rows:
            return load_report(rows, user_id=report.user_id, report_id=report.id)

    def figures(self, report: ReportRecord) -> ReportFigures:
        with self.database.reading_rows() as rows:
            figures = read_figures(load_document(rows, user_id=report.user_id, report_id=report.id))
        assert figures is not None
        return figures

    def workbook(self, report: ReportRecord) -> bytes:
        with self.files.open(self.load(report).sha256 or "") as file:
            return file.read()

    def delete(self, user_id: UUID, report_id: UUID) -> None:
        with self.database.transaction() as session:
            delete_report(session, user_id=user_id, report_id=report_id)

    def close(self) -> None:
        self.runtime.close()


@contextmanager
def report_desk(settings: Settings, database: Database, renderer: WatchedRenderer) -> Iterator[ReportDesk]:
    desk = ReportDesk(settings, database, renderer)
    renderer.drawn, renderer.before = 0, int
    try:
        yield desk
    finally:
        desk.close()


def ready_messages(me: Spender) -> list[dict[str, Any]]:
    """What the user was told of reports."""
    return [data for kind, data in me.messages() if kind == "report.ready"]
