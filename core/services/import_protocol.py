"""What a format of files must do so that it can be imported.

The rest (states, jobs, previews, duplicates) is the same for all formats and knows nothing of theirs.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from core.queries.imports import Findings, ImportRecord, Problem, RowData, StoredRow
from core.statements.mapping import Mapping as ColumnMapping


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row that can be recorded; its keys are those of `core/rules/duplicates.py`.

    Without a match key nothing is the same as it.
    """

    line: int
    day: date
    amount_minor: int
    currency: str
    data: RowData
    match_key: int | None = None
    bank_key: int | None = None
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """How a file is read and what it says of itself; its rows are read when they are asked for.

    The iterator raises `UnreadableFile` where the file turns out to be damaged.
    """

    mapping: ColumnMapping | None
    findings: Findings
    rows: Iterator[NewRow | Problem]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that could not be recorded, and why: in the words of `Problem`."""

    row: StoredRow
    field: str | None
    reason: str


class ImportFormat(Protocol):
    """Each call is a part of one transaction and commits nothing."""

    max_bytes: int
    """Of a file, as uploaded."""

    has_categories: bool
    """Whether the categories that its rows name are the user's own."""

    def open(self, session: Session, record: ImportRecord, file: BinaryIO) -> OpenedFile:
        """Look at the beginning of the file, and in the database for what its rows are read by.

        The rows are read after the session has been closed. The file can be sought in and stays open.

        Raises:
            UnreadableFile
        """

    def record_rows(
        self,
        session: Session,
        record: ImportRecord,
        rows: Sequence[StoredRow],
        category_ids: Mapping[str, UUID | None],
    ) -> Sequence[Refusal]:
        """Record the rows, each under its `expense_id`; answers those that could not be.

        Raises:
            InvalidInput: one of several cannot be recorded; then they are given again, one by one.
        """

    def undo_rows(self, session: Session, record: ImportRecord, rows: Sequence[StoredRow]) -> None:
        """Take back what `record_rows` has made of the rows, as far as it is still there."""
