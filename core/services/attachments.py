"""Attaching files to expenses, and taking them off again."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict
from core.files import StoredFile
from core.ids import new_id
from core.models import Attachment
from core.queries.attachments import attached_bytes, list_attachments, load_attachment, require_expense

MAX_ATTACHMENT_BYTES = 10 * 1024 * 1024
"""A photograph of a telephone has three to eight."""

TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp", "image/heic", "application/pdf"})
"""Pictures and documents that nothing in them can run in a browser; not SVG, which is a program."""

MAX_ATTACHMENTS = 20
"""Of an expense: every page of a long bill, each as a picture."""

MAX_ATTACHED_BYTES = 2 * 1024**3
"""Of a user: some thousand photographs. One user must not fill everybody's disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAttachment:
    """A file that is stored already."""

    file: StoredFile
    name: str
    media_type: str


def attachable_type(head: bytes) -> str | None:
    """The media type of a file that begins so, if it is one of `TYPES`."""
    # Not at import: only a process that takes files needs it.
    import filetype

    kind = filetype.guess(head)
    return str(kind.mime) if kind is not None and kind.mime in TYPES else None


def attach_file(
    session: Session, *, user_id: UUID, expense_id: UUID, attachment: NewAttachment
) -> Attachment:
    """Attach a file to the user's expense.

    Raises:
        NotFound: no such expense.
        Conflict: the expense or the user has as much as is allowed.
    """
    # Two at once must not both be the last one.
    require_expense(session, user_id=user_id, expense_id=expense_id, for_update=True)
    if len(list_attachments(session, user_id=user_id, expense_id=expense_id)) >= MAX_ATTACHMENTS:
        raise Conflict(f"an expense may have {MAX_ATTACHMENTS} attachments")
    if attached_bytes(session, user_id=user_id) + attachment.file.size > MAX_ATTACHED_BYTES:
        raise Conflict(f"all attachments together may have {MAX_ATTACHED_BYTES} bytes")
    added = Attachment(
        user_id=user_id,
        id=new_id(),
        expense_id=expense_id,
        name=attachment.name,
        media_type=attachment.media_type,
        size=attachment.file.size,
        sha256=attachment.file.sha256,
        created_at=clock.now(),
    )
    session.add(added)
    return added


def remove_attachment(session: Session, *, user_id: UUID, expense_id: UUID, attachment_id: UUID) -> None:
    """Take the attachment off; its file goes with the next sweep, unless another attachment has the same.

    Raises:
        NotFound
    """
    load_attachment(session, user_id=user_id, expense_id=expense_id, attachment_id=attachment_id)
    session.execute(delete(Attachment).where(Attachment.user_id == user_id, Attachment.id == attachment_id))
