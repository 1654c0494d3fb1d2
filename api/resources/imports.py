import asyncio
import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated
from uuid import UUID

import msgspec
from falcon.asgi import Request, Response
from msgspec import Meta
from sqlalchemy import Connection
from sqlalchemy.orm import Session

from api.answers import Answer, accepted, expected_versions, no_content, ok
from api.collaborators import Collaborators
from api.openapi import endpoint
from api.openapi_parts import upload_body
from api.pagination import cut_page, decode_cursor
from api.schemas.import_rows import ImportRowOut, ImportRowPage, ImportRowQuery
from api.schemas.imports import (
    CommitIn,
    ImportOut,
    ImportPage,
    ImportPatch,
    ImportQuery,
)
from api.uploads import Upload, read_upload
from api.validation import decode_json
from core.archive.sections import MAX_ARCHIVE_BYTES, is_archive
from core.database import Reader
from core.errors import InvalidInput
from core.field_errors import field_error
from core.queries.imports import (
    ImportRecord,
    category_names,
    find_import,
    list_import_rows,
    list_imports,
    load_import,
)
from core.rules.category_names import CategoryName, match_names
from core.services import imports
from core.services.import_formats import MAX_FILE_BYTES
from core.services.imports import NewImport
from core.statements.formats import FORMATS, Format
from core.statements.mapping import Mapping as ColumnMapping

TAG = "Imports"

FIELDS = {"format": 20, "mapping": 16_384, "group_id": 36}
"""Text fields of the form beside the file, with the most bytes that each may have."""

EXAMPLE = "Date;Payee;Amount\r\n2026-05-10;Corner Bakery;-3.20\r\n"

FORM = upload_body(
    EXAMPLE,
    format={"type": "string", "enum": FORMATS, "description": "Default: found out.", "examples": ["csv"]},
    mapping={
        "type": "string",
        "description": "How to read it, as JSON: `mapping` of a preview, corrected. Default: as the last "
        "file of the same bank, or as it is found out.",
        "examples": ['{"currency": "EUR", "delimiter": ";", "columns": {"day": 0, "payee": 1, "amount": 2}}'],
    },
    group_id={
        "type": "string",
        "format": "uuid",
        "description": "For expenses of a group: the group that they go to.",
    },
)

BEGIN_WAIT_S = 0.5
"""So long an upload waits for its job to begin. It does within hundredths of a second, unless the builders
are busy or away, and then nobody knows for how long."""

READ_WAIT_S = 2.0
"""So long it waits for its preview once that has begun: tens of thousands of rows are read by then."""

FIRST_LOOK_S, LAST_LOOK_S = 0.02, 0.25
"""Between two looks, each a query of a row; they become rarer."""

RETRY_AFTER_S = 1


class Position(msgspec.Struct, array_like=True):
    """Behind which row the next page begins."""

    position: Annotated[int, Meta(ge=0, le=2**31 - 1)]


class _Form(msgspec.Struct):
    format: Format | None = None
    group_id: UUID | None = None


class Imports:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._files = collaborators.files

    @endpoint(TAG, query=ImportQuery, answers={200: ImportPage})
    async def on_get(self, req: Request, resp: Response) -> None:
        """List imports, the newest first."""
        query: ImportQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, tuple[UUID])

        def page(rows: Connection) -> Answer:
            before = None if position is None else position[0]
            found = list_imports(
                rows, user_id=user_id, state=query.state, before=before, limit=query.limit + 1
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda one: (one.id,))
            categories = category_names(rows, user_id=user_id)
            return ok(ImportPage([ImportOut.of(one, _meant(one, categories)) for one in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)

    @endpoint(TAG, upload=FORM, answers={202: ImportOut}, problems=(403, 404))
    async def on_post(self, req: Request, resp: Response) -> None:
        """Have a file read for a preview, of which what is chosen can be committed.

        Its format and the meaning of its columns are found out; the preview shows how, for correction. An
        archive (the `json` of `POST /v1/exports`) is taken in as a whole: what is there already stays as it
        is, and groups, which are not one person's, are not made anew. The
        answer waits for the preview for a moment; a large file is still `queued` or `reading` then.
        """
        user_id = req.context.principal.user_id
        upload = await read_upload(req, self._files, max_bytes=_max_bytes, fields=FIELDS)
        new = _new_import(upload)

        def begin(session: Session) -> Answer:
            record = imports.request_import(session, user_id=user_id, new=new)
            return _accepted(session, record)

        answer = await self._transactions.post(req, user_id, begin)
        found = await self._when_read(user_id, UUID((answer.location or "").rpartition("/")[2]))
        (found or answer).send(resp)
        if found is None:
            resp.set_header("Retry-After", str(RETRY_AFTER_S))

    async def _when_read(self, user_id: UUID, import_id: UUID) -> Answer | None:
        """The import with its preview; None if that takes too long, or the import is gone."""
        begun, pause = time.monotonic(), FIRST_LOOK_S
        while True:
            await asyncio.sleep(pause)
            found = await self._transactions.read_rows(
                lambda rows: find_import(rows, user_id=user_id, import_id=import_id)
            )
            if found is None:
                return None
            if found.state not in ("queued", "reading"):
                return await self._transactions.read_rows(partial(_accepted, record=found))
            patience = BEGIN_WAIT_S if found.state == "queued" else READ_WAIT_S
            if time.monotonic() - begun > patience:
                return None
            pause = min(1.5 * pause, LAST_LOOK_S)


class OneImport:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, answers={200: ImportOut})
    async def on_get(self, req: Request, resp: Response, import_id: UUID) -> None:
        """Read how far an import is, and its preview."""
        user_id = req.context.principal.user_id

        def show(rows: Connection) -> Answer:
            record = load_import(rows, user_id=user_id, import_id=import_id)
            return ok(_view(rows, record), version=record.version)

        (await self._transactions.read_rows(show)).send(resp)

    @endpoint(TAG, json=ImportPatch, answers={202: ImportOut})
    async def on_patch(self, req: Request, resp: Response, import_id: UUID) -> None:
        """Have the file of a preview read anew, by another mapping."""
        user_id = req.context.principal.user_id
        mapping: ColumnMapping = req.context.json.mapping

        def correct(session: Session) -> Answer:
            record = imports.correct_import(
                session,
                user_id=user_id,
                import_id=import_id,
                mapping=mapping,
                expected_versions=expected_versions(req),
            )
            return _accepted(session, record)

        (await self._transactions.write(correct)).send(resp)

    @endpoint(TAG, answers={202: ImportOut, 204: None}, problems=(403,))
    async def on_delete(self, req: Request, resp: Response, import_id: UUID) -> None:
        """Drop a preview (204), or have what was recorded undone as a whole (202).

        Expenses that nobody has touched since are gone for good; those that were changed or have attachments
        go into the trash. Categories that were created for the import go if nothing uses them. What went to a
        group is taken back in its balances too, and members who were created for it and have nothing left go.
        """
        user_id = req.context.principal.user_id

        def drop(session: Session) -> Answer:
            record = imports.drop_import(
                session, user_id=user_id, import_id=import_id, expected_versions=expected_versions(req)
            )
            if record is None:
                return no_content()
            return _accepted(session, record)

        (await self._transactions.write(drop)).send(resp)


class ImportRows:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, query=ImportRowQuery, answers={200: ImportRowPage})
    async def on_get(self, req: Request, resp: Response, import_id: UUID) -> None:
        """List the rows of an import in the file's order."""
        query: ImportRowQuery = req.context.query
        user_id = req.context.principal.user_id
        position = decode_cursor(query.cursor, Position)

        def page(rows: Connection) -> Answer:
            people = load_import(rows, user_id=user_id, import_id=import_id).findings.people
            found = list_import_rows(
                rows,
                user_id=user_id,
                import_id=import_id,
                states=() if query.state is None else (query.state,),
                after=-1 if position is None else position.position,
                limit=query.limit + 1,
            )
            shown, cursor = cut_page(found, limit=query.limit, position=lambda row: (row.position,))
            return ok(ImportRowPage([ImportRowOut.of(row, people) for row in shown], cursor))

        (await self._transactions.read_rows(page)).send(resp)


class ImportCommit:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions

    @endpoint(TAG, json=CommitIn, answers={202: ImportOut}, problems=(403,))
    async def on_post(self, req: Request, resp: Response, import_id: UUID) -> None:
        """Have the chosen rows recorded, by default all but suspected duplicates.

        What has been recorded since the preview was made is looked for once more. A notification
        (`import.finished`) says when it is done.
        """
        user_id = req.context.principal.user_id
        choice = req.context.json.to_choice()

        def commit(session: Session) -> Answer:
            record = imports.commit_import(session, user_id=user_id, import_id=import_id, choice=choice)
            return _accepted(session, record)

        (await self._transactions.post(req, user_id, commit)).send(resp)


def _view(session: Reader, record: ImportRecord) -> ImportOut:
    return ImportOut.of(record, _meant(record, category_names(session, user_id=record.user_id)))


def _meant(record: ImportRecord, categories: list[CategoryName]) -> Mapping[str, UUID]:
    """The user's categories that the names in the file mean."""
    return match_names((one.name for one in record.findings.categories), categories)


def _accepted(session: Reader, record: ImportRecord) -> Answer:
    return accepted(_view(session, record), location=f"/v1/imports/{record.id}", version=record.version)


def _max_bytes(head: bytes) -> int:
    """Of a file that begins so: an archive holds all attachments, and is much larger than a statement."""
    return MAX_ARCHIVE_BYTES if is_archive(head) else MAX_FILE_BYTES


def _new_import(upload: Upload) -> NewImport:
    """Raises:
    InvalidInput: a field of the form is wrong.
    """
    given = {name: text for name, text in upload.fields.items() if name != "mapping"}
    try:
        form = msgspec.convert(given, _Form)
    except msgspec.ValidationError as error:
        raise InvalidInput(field_error(str(error))) from error
    mapping: ColumnMapping | None = None
    if text := upload.fields.get("mapping"):
        try:
            mapping = decode_json(text.encode(), ColumnMapping)
        except InvalidInput as error:
            raise error.below("/mapping") from error
    return NewImport(
        file=upload.file, name=upload.name, format=form.format, mapping=mapping, group_id=form.group_id
    )
