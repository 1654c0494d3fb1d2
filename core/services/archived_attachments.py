"""Attachments of an archive: their files, put together from parts and checked, and their rows."""

import hashlib
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import Session

from core.archive.fields import NOTHING
from core.archive.reading import Entry
from core.archive.records import AttachmentItem, FilePart
from core.errors import InvalidInput, invalid
from core.files import Draft, FileStore
from core.many_rows import insert_rows
from core.models import Attachment, table_of
from core.queries.attachments import attached_bytes
from core.services.archived_drafts import Drafts, draft_each, items_of
from core.services.archived_expenses import known_expenses
from core.services.attachments import (
    MAX_ATTACHED_BYTES,
    MAX_ATTACHMENT_BYTES,
    MAX_ATTACHMENTS,
    attachable_type,
)

MAX_FILES = 100_000
"""Of an archive: each is remembered until the last attachment is read."""

ATTACHMENTS = table_of(Attachment)
KNOWN = select(ATTACHMENTS.c.id).where(
    ATTACHMENTS.c.user_id == bindparam("owner"), ATTACHMENTS.c.id.in_(bindparam("ids", expanding=True))
)
COUNTS = (
    select(ATTACHMENTS.c.expense_id, func.count())
    .where(
        ATTACHMENTS.c.user_id == bindparam("owner"),
        ATTACHMENTS.c.expense_id.in_(bindparam("ids", expanding=True)),
    )
    .group_by(ATTACHMENTS.c.expense_id)
)


Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A file of an archive whose content is what its hash says."""

    size: int
    media_type: str


class ArchivedFiles:
    """Takes the parts of files, one after the other; `whole` are those of which nothing is missing.

    Without a store the files are looked at, and nothing of them is kept.
    """

    def __init__(self, store: FileStore | None) -> None:
        self.whole: dict[str, WholeFile] = {}
        self._store = store
        self._current: _Assembly | None = None

    def add(self, part: FilePart) -> None:
        """Raises:
        InvalidInput: once for each file.
        """
        if len(self.whole) >= MAX_FILES:
            raise invalid("", f"an archive may have {MAX_FILES} files")
        current = self._current
        if current is None or current.sha256 != part.sha256:
            self.close()
            current = self._current = _Assembly(part, self._store)
        if current.is_wrong:
            return
        try:
            found = current.add(part)
        except InvalidInput:
            current.is_wrong = True
            raise
        if found is not None:
            self.whole[part.sha256] = found
            self.close()

    def close(self) -> None:
        """Let go of a file that is not whole."""
        if self._current is not None:
            self._current.close()
            self._current = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Assembly:
    """A file that is being put together."""

    def __init__(self, first: FilePart, store: FileStore | None) -> None:
        self.sha256 = first.sha256
        self.is_wrong = False
        self._stack = ExitStack()
        self._draft: Draft | None = None if store is None else self._stack.enter_context(store.draft())
        self._digest = hashlib.sha256()
        self._size = 0
        self._media_type: str | None = None

    def add(self, part: FilePart) -> WholeFile | None:
        """The file, once it is whole.

        Raises:
            InvalidInput
        """
        if not 0 < part.bytes <= MAX_ATTACHMENT_BYTES:
            raise invalid("/bytes", f"a file has 1 to {MAX_ATTACHMENT_BYTES} bytes")
        if part.offset != self._size:
            raise invalid("/offset", f"does not go on where the last part has ended, at {self._size}")
        try:
            content = b64decode(part.content, validate=True)
        except ValueError as error:  # of letters that are no ASCII; binascii.Error is one as well
            raise invalid("/content", "is not base64") from error
        if not content or self._size + len(content) > part.bytes:
            raise invalid("/content", "is empty, or longer than the file")
        if not self._size:
            self._media_type = attachable_type(content)
        if self._media_type is None:
            raise invalid("/content", "is of a file that is neither a picture nor a PDF")
        self._size += len(content)
        self._digest.update(content)
        if self._draft is not None:
            self._draft.write(content)
        if self._size < part.bytes:
            return None
        if self._digest.hexdigest() != self.sha256:
            raise invalid("/sha256", "is not the hash of the content")
        if self._draft is not None:
            self._draft.keep()
        return WholeFile(self._size, self._media_type)

    def close(self) -> None:
        self._stack.close()


class AttachmentDrafting:
    """Drafts attachments, of files whose content came along only: a hash proves nothing by itself."""

    def __init__(self, user_id: UUID, files: ArchivedFiles) -> None:
        self._user_id = user_id
        self._files = files

    def draft(self, session: Session, entries: Iterable[Entry], *, is_trial: bool) -> Drafts[Row]:
        """A trial cannot tell whether the expenses are there, as it stores none."""
        items = items_of(entries, AttachmentItem)
        expense_ids = list({item.expense_id for _, item in items})
        parameters = {"owner": self._user_id, "ids": [item.id for _, item in items]}
        known = set(session.scalars(KNOWN, parameters))
        expenses = known_expenses(session, user_id=self._user_id, expense_ids=expense_ids)
        counted = session.execute(COUNTS, {"owner": self._user_id, "ids": expense_ids})
        counts = Counter[UUID]({row[0]: row[1] for row in counted})
        room = MAX_ATTACHED_BYTES - attached_bytes(session, user_id=self._user_id)

        def draft(item: AttachmentItem) -> Row | None:
            nonlocal room
            if item.id in known:
                return None
            if not is_trial and item.expense_id not in expenses:
                raise invalid("/expense_id", "no such expense")
            if counts[item.expense_id] >= MAX_ATTACHMENTS:
                raise invalid("/expense_id", f"an expense may have {MAX_ATTACHMENTS} attachments")
            file = self._file(item)
            if file.size > room:
                raise invalid("", f"all attachments together may have {MAX_ATTACHED_BYTES} bytes")
            known.add(item.id)
            counts[item.expense_id] += 1
            room -= file.size
            return self._row(item, file)

        return draft_each(items, draft)

    def _file(self, item: AttachmentItem) -> WholeFile:
        if item.id == NOTHING:
            raise invalid("/id", "is no id of its own")
        file = self._files.whole.get(item.sha256)
        if file is None:
            raise invalid("/sha256", "the content of the file is not in the archive, or is damaged")
        return file

    def _row(self, item: AttachmentItem, file: WholeFile) -> Row:
        return {
            "user_id": self._user_id,
            "id": item.id,
            "expense_id": item.expense_id,
            "name": item.name,
            "media_type": file.media_type,
            "size": file.size,
            "sha256": item.sha256,
            "created_at": item.created_at,
        }


def store_attachments(session: Session, rows: Sequence[Row]) -> None:
    insert_rows(session, ATTACHMENTS, rows)
