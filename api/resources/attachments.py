from uuid import UUID

from falcon.asgi import Request, Response
from sqlalchemy.orm import Session

from api.answers import Answer, created, no_content, ok
from api.collaborators import Collaborators
from api.file_answers import send_file
from api.openapi import Media, endpoint
from api.openapi_parts import UPLOAD
from api.schemas.attachments import AttachmentList, AttachmentOut
from api.uploads import read_upload
from core.errors import invalid
from core.queries.attachments import list_attachments, load_attachment, require_expense
from core.services.attachments import (
    MAX_ATTACHMENT_BYTES,
    TYPES,
    NewAttachment,
    attach_file,
    attachable_type,
    remove_attachment,
)

TAG = "Expenses"

FILE = Media("application/pdf", "%PDF-1.7 …", others=TYPES - {"application/pdf"})


class Attachments:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._files = collaborators.files

    @endpoint(TAG, answers={200: AttachmentList})
    async def on_get(self, req: Request, resp: Response, expense_id: UUID) -> None:
        """List the files of an expense, the oldest first."""
        user_id = req.context.principal.user_id

        def attachments(session: Session) -> Answer:
            found = list_attachments(session, user_id=user_id, expense_id=expense_id)
            return ok(AttachmentList([AttachmentOut.of(one) for one in found]))

        (await self._transactions.read(attachments)).send(resp)

    @endpoint(TAG, upload=UPLOAD, answers={201: AttachmentOut})
    async def on_post(self, req: Request, resp: Response, expense_id: UUID) -> None:
        """Attach a picture or PDF of up to 10 MB to an expense.

        Its type is found in its content: JPEG, PNG, GIF, WebP, HEIC or PDF.
        """
        user_id = req.context.principal.user_id
        # Before megabytes are read for an expense that is not there.
        await self._transactions.read(
            lambda session: require_expense(session, user_id=user_id, expense_id=expense_id)
        )
        upload = await read_upload(req, self._files, max_bytes=MAX_ATTACHMENT_BYTES)
        new = NewAttachment(file=upload.file, name=upload.name, media_type=_type_of(upload.head))

        def attach(session: Session) -> Answer:
            added = attach_file(session, user_id=user_id, expense_id=expense_id, attachment=new)
            path = f"/v1/expenses/{expense_id}/attachments/{added.id}"
            return created(AttachmentOut.of(added), location=path)

        (await self._transactions.post(req, user_id, attach)).send(resp)


class OneAttachment:
    def __init__(self, collaborators: Collaborators) -> None:
        self._transactions = collaborators.transactions
        self._files = collaborators.files

    @endpoint(TAG, answers={200: FILE, 206: FILE, 304: None}, problems={416})
    async def on_get(self, req: Request, resp: Response, expense_id: UUID, attachment_id: UUID) -> None:
        """Download a file of an expense, or a range of it."""
        user_id = req.context.principal.user_id
        found = await self._transactions.read(
            lambda session: load_attachment(
                session, user_id=user_id, expense_id=expense_id, attachment_id=attachment_id
            )
        )
        await send_file(
            req,
            resp,
            self._files,
            sha256=found.sha256,
            size=found.size,
            name=found.name,
            media_type=found.media_type,
        )

    @endpoint(TAG, answers={204: None}, is_versioned=False)
    async def on_delete(self, req: Request, resp: Response, expense_id: UUID, attachment_id: UUID) -> None:
        """Take a file off an expense."""
        user_id = req.context.principal.user_id
        await self._transactions.write(
            lambda session: remove_attachment(
                session, user_id=user_id, expense_id=expense_id, attachment_id=attachment_id
            )
        )
        no_content().send(resp)


def _type_of(head: bytes) -> str:
    found = attachable_type(head)
    if found is None:
        raise invalid("/file", "must be a picture (JPEG, PNG, GIF, WebP, HEIC) or a PDF")
    return found
