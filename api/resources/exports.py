from datetime import datetime
from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, accepted, no_content, ok
from api.collaborators import Collaborators
from api.download_links import owner_of_file
from api.file_answers import send_file
from api.openapi import Media, endpoint
from api.pagination import cut_page, decode_cursor
from api.schemas.exports import DownloadQuery, ExportIn, ExportOut, ExportPage, ExportQuery
from core import clock
from core.downloads import LINK_LIFETIME, Downloads
from core.errors import NotFound
from core.models import Export
from core.queries.exports import has_file, list_exports, load_download, load_export
from core.services.exports import delete_export, request_export

TAG = "Exports"

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}

FILE = Media("text/csv", "date,amount,currency …", others=[MEDIA_TYPES["xlsx"], MEDIA_TYPES["json"]])


class Exports:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._downloads = collaborators.downloads

    @endpoint(TAG, query=ExportQuery, answers={200: ExportPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List exports, the newest first."""
        query: ExportQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(session: Session) -> Answer:
            before = None if position is None else position[0]
            found = list_exports(session, user_id=user_id, before=before, limit=query.limit + 1)
            shown, cursor = cut_page(found, limit=query.limit, position=lambda export: (export.id,))
            now = clock.now()
            return ok(ExportPage([_view(export, self._downloads, now) for export in shown], cursor))

        (await self._transactions.read(page)).send(resp)

    @endpoint(TAG, json=ExportIn, answers={202: ExportOut})
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have a file of expenses built; a notification says when it is there.

        In CSV a text that a spreadsheet program would take for a formula has an apostrophe before it. `json`
        is an archive of all that is one's own, attachments included, which `POST /v1/imports` takes back.
        """
        user_id = req.context.principal.user_id
        wanted = req.context.json.to_request()

        def ask(session: Session) -> Answer:
            export = request_export(session, user_id=user_id, wanted=wanted)
            return accepted(ExportOut.of(export, download_url=None), location=f"/v1/exports/{export.id}")

        (await self._transactions.post(req, user_id, ask)).send(resp)


class OneExport:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._downloads = collaborators.downloads

    @endpoint(TAG, answers={200: ExportOut})
    async def on_get(self, req: Request, resp: Response, export_id: UUID) -> None:
        """Read how far an export is, and where its file is once it is there."""
        user_id = req.context.principal.user_id
        answer = await self._transactions.read(
            lambda session: ok(
                _view(
                    load_export(session, user_id=user_id, export_id=export_id), self._downloads, clock.now()
                )
            )
        )
        answer.send(resp)

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, export_id: UUID) -> None:
        """Delete an export and its file, or give it up while it is built."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: delete_export(session, user_id=user_id, export_id=export_id)
        )
        no_content().send(resp)


class ExportDownload:
    is_public = True
    """For those with a signed link; all others need a token."""

    def __init__(self, collaborators: Collaborators) -> None:
        self._collaborators = collaborators
        self._transactions = collaborators.transactions
        self._files = collaborators.files

    @endpoint(TAG, query=DownloadQuery, answers={200: FILE, 206: FILE, 304: None}, problems={416})
    async def on_get(self, req: Request, resp: Response, export_id: UUID) -> None:
        """Download the file of an export, or a range of it: with a token, or by its `download_url`."""
        user_id = await owner_of_file(req, self._collaborators)
        export = await self._transactions.read(
            lambda session: load_download(session, user_id=user_id, export_id=export_id, now=clock.now())
        )
        if export.sha256 is None or export.size is None:
            raise NotFound("no such export")
        await send_file(
            req,
            resp,
            self._files,
            sha256=export.sha256,
            size=export.size,
            name=export.name,
            media_type=MEDIA_TYPES[export.format],
        )


def _view(export: Export, downloads: Downloads, now: datetime) -> ExportOut:
    if not has_file(export, now) or export.expires_at is None:
        return ExportOut.of(export, download_url=None)
    url = downloads.link(
        f"/v1/exports/{export.id}/download",
        user_id=export.user_id,
        expires_at=min(export.expires_at, now + LINK_LIFETIME),
    )
    return ExportOut.of(export, download_url=url)
