from datetime import datetime
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, accepted, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.download_links import owner_of_file
from api.file_answers import send_file
from api.openapi import Media, endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.exports import DownloadQuery
from api.schemas.reports import FullReportOut, ReportIn, ReportOut, ReportPage, ReportQuery
from core import clock
from core.downloads import LINK_LIFETIME, Downloads
from core.errors import NotFound
from core.queries.report_documents import read_figures
from core.queries.reports import ReportRecord, list_reports, load_document, load_report
from core.rules.report_periods import report_period_text
from core.services.reports import delete_report, request_report

TAG = "Reports"

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
WORKBOOK = Media(XLSX, "PK …")


class Reports:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._downloads = collaborators.downloads

    @endpoint(TAG, query=ReportQuery, answers={200: ReportPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List reports without their figures; those asked for last come first."""
        query: ReportQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            before = None if position is None else position[0]
            found = list_reports(rows, user_id=user_id, kind=query.kind, before=before, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda report: (report.id,))
            now = clock.now()
            return ok(ReportPage([_view(report, self._downloads, now) for report in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)

    @endpoint(TAG, json=ReportIn, answers={202: ReportOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have a report of a month or a year built; a notification says when it is there.

        The same report asked for again is the one that is there, built anew if what it tells of has changed.
        """
        user_id = req.context.principal.user_id
        wanted = req.context.json.to_report()

        def ask(session: Session) -> Answer:
            report = request_report(session, user_id=user_id, report=wanted)
            view = _view(report, self._downloads, clock.now())
            return accepted(view, location=f"/v1/reports/{report.id}", version=report.version)

        (await self._transactions.post(req, user_id, ask)).send(resp)


class OneReport:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._downloads = collaborators.downloads

    @endpoint(TAG, answers={200: FullReportOut})
    async def on_get(self, req: Request, resp: Response, report_id: UUID) -> None:
        """Read how far a report is, and its figures once they are there."""
        user_id = req.context.principal.user_id

        def full(rows: Connection) -> Answer:
            report = load_report(rows, user_id=user_id, report_id=report_id)
            figures = read_figures(load_document(rows, user_id=user_id, report_id=report_id))
            url = _link(report, self._downloads, clock.now())
            return ok(FullReportOut.full(report, figures, download_url=url), version=report.version)

        # One state of the database: the figures are those of `built_at`.
        (await self._transactions.read_snapshot(full)).send(resp)

    @endpoint(TAG, answers={204: None})
    async def on_delete(self, req: Request, resp: Response, report_id: UUID) -> None:
        """Delete a report and its workbook."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: delete_report(
                session, user_id=user_id, report_id=report_id, expected_versions=expected_versions(req)
            )
        )
        no_content().send(resp)


class ReportDownload:
    is_public = True
    """For those with a signed link; all others need a token."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._transactions = collaborators.transactions
        self._files = collaborators.files

    @endpoint(TAG, query=DownloadQuery, answers={200: WORKBOOK, 206: WORKBOOK, 304: None}, problems={416})
    async def on_get(self, req: Request, resp: Response, report_id: UUID) -> None:
        """Download a report as a workbook, or a range of it: with a token, or by its `download_url`."""
        user_id = await owner_of_file(req, self._collaborators)
        report = await self._transactions.read_rows(
            lambda rows: load_report(rows, user_id=user_id, report_id=report_id)
        )
        if report.sha256 is None or report.size is None:
            raise NotFound("the report is yet to be built")
        period = report_period_text(report.kind, report.period_start)
        await send_file(
            req,
            resp,
            self._files,
            sha256=report.sha256,
            size=report.size,
            name=f"outlay-report-{period}-{report.currency}.xlsx",
            media_type=XLSX,
        )


def _view(report: ReportRecord, downloads: Downloads, now: datetime) -> ReportOut:
    return ReportOut.of(report, download_url=_link(report, downloads, now))


def _link(report: ReportRecord, downloads: Downloads, now: datetime) -> str | None:
    if report.sha256 is None:
        return None
    path = f"/v1/reports/{report.id}/download"
    return downloads.link(path, user_id=report.user_id, expires_at=now + LINK_LIFETIME)
