"""What a format of files must do so that it can be imported.

The rest (states, jobs, previews, duplicates) is the same for all formats and knows nothing of theirs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import BinaryIO, Protocol
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.orm import Session

from core.errors import invalid
from core.queries.groups import GroupLock
from core.queries.import_duplicates import Looks
from core.queries.imports import Findings, ImportMembers, ImportRecord, Problem, RowData, StoredRow
from core.rules.texts import storable
from core.services.notifications import NewNotification
from core.statements.mapping import Mapping as ColumnMapping
from core.statements.rows import RowProblem

FINISHED = "import.finished"
"""The kind of the notification when something of a file is recorded, or it is settled that nothing is."""


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
    is_repayment: bool = False
    """Between members of a group: neither spent nor received."""


def as_they_are(findings: Findings) -> Findings:
    return findings


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """How a file is read and what it says of itself; its rows are read when they are asked for.

    The iterator raises `UnreadableFile` where the file turns out to be damaged. Once it has ended,
    `completed` adds to the findings what only all rows together say.
    """

    mapping: ColumnMapping | None
    findings: Findings
    rows: Iterator[NewRow | Problem]
    completed: Callable[[Findings], Findings] = as_they_are


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that could not be recorded, and why: in the words of `Problem`."""

    row: StoredRow
    field: str | None
    reason: str


def as_problem(row: RowProblem) -> Problem:
    return Problem(row.line, row.field, storable(row.reason), storable(row.text))


class ImportDestination(Protocol):
    """What has to be done where the rows of a file go, such as a group.

    Each call is a part of one transaction and commits nothing.
    """

    def lock(
        self,
        session: Session,
        record: ImportRecord,
        *,
        lock: GroupLock = GroupLock.LEDGER,
        with_users: bool = False,
    ) -> None:
        """Take the locks that come before those of the import and its user."""

    def settle_members(
        self, session: Session, record: ImportRecord, wanted: Mapping[str, str]
    ) -> ImportMembers | None:
        """Who the people of the file are, as the user wants it: ids of members, or `CREATE`, by name.

        Raises:
            NotFound, Forbidden, InvalidInput, Conflict
        """

    def check_undoing(self, session: Session, record: ImportRecord) -> None:
        """Refuse what the user may not take back any more.

        Raises:
            NotFound, Forbidden, Conflict
        """

    def finish_recording(self, session: Session, record: ImportRecord) -> Sequence[NewNotification]:
        """Note that the rows are recorded; answers what others than the user are told of it."""

    def finish_undoing(self, session: Session, record: ImportRecord) -> Sequence[NewNotification]:
        """Take back what was made for the import as a whole; answers what others than the user are told."""


class ImportFormat(ImportDestination, Protocol):
    """A format whose files are rows, each of which is recorded or not."""

    max_bytes: int
    """Of a file, as uploaded."""

    has_categories: bool
    """Whether the categories that its rows name are the user's own."""

    recorded_at_once: int
    undone_at_once: int
    """Rows in a transaction."""

    def open(self, session: Session, record: ImportRecord, file: BinaryIO) -> OpenedFile:
        """Look at the beginning of the file, and in the database for what its rows are read by.

        The rows are read after the session has been closed. The file can be sought in and stays open.

        Raises:
            UnreadableFile
        """

    def existing(self, rows: Connection, record: ImportRecord, looks: Looks) -> Iterator[tuple[int, UUID]]:
        """What is recorded and looks like one of the ready rows: match keys and ids."""

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


class WithoutGroup:
    """The destination of formats that have no group: there is nothing to be done."""

    def lock(self, *_args: object, **_options: object) -> None:
        return

    def settle_members(self, _session: Session, _record: ImportRecord, wanted: Mapping[str, str]) -> None:
        if wanted:
            raise invalid("/members", "the file names no people")

    def check_undoing(self, *_args: object) -> None:
        return

    def finish_recording(self, *_args: object) -> Sequence[NewNotification]:
        return ()

    def finish_undoing(self, *_args: object) -> Sequence[NewNotification]:
        return ()
