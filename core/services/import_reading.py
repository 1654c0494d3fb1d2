"""The steps of the job that reads a file into rows: each is a part of one transaction."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

import msgspec
from msgspec import structs
from sqlalchemy import Update, bindparam, delete, select, update
from sqlalchemy.orm import Session

from core.errors import InvalidInput
from core.ids import new_id
from core.many_rows import insert_rows
from core.queries.imports import (
    IMPORTS,
    ROWS,
    CurrencySum,
    Failure,
    Findings,
    ImportRecord,
    NamedCategory,
    Problem,
    State,
    find_import,
)
from core.rules.duplicates import Suspicion
from core.services.dialects import recordset
from core.services.import_protocol import NewRow, OpenedFile
from core.services.imports import change_state
from core.statements.formats import Format

MAX_SHOWN_PROBLEMS = 20
"""In the preview itself; all of them are in its list of rows."""

MAX_CATEGORY_NAMES = 500
"""Of a file: a user can have no more categories. Later names get none."""

IN_STATE = (
    select(IMPORTS.c.id)
    .where(
        IMPORTS.c.user_id == bindparam("user_id"),
        IMPORTS.c.id == bindparam("import_id"),
        IMPORTS.c.state == bindparam("its_state"),
    )
    .with_for_update(key_share=True)
)
ENCODER = msgspec.json.Encoder()


class ImportGone(Exception):
    """The import was deleted while a job worked on it; there is nothing left to do."""


class Tally:
    """What has been read of a file so far."""

    def __init__(self) -> None:
        self.rows = self.problems = self.credits = self.duplicates = 0
        self.first_day: date | None = None
        self.last_day: date | None = None
        self._sums: dict[str, list[int]] = {}
        self._categories: Counter[str] = Counter()
        self._problems: list[Problem] = []
        self._bank_keys = set[int]()

    def add_problem(self, problem: Problem) -> None:
        self.problems += 1
        if len(self._problems) < MAX_SHOWN_PROBLEMS:
            self._problems.append(problem)

    def add_row(self, row: NewRow) -> bool:
        """Answers whether the bank's id of this row was there in the file already."""
        self.rows += 1
        sums = self._sums.setdefault(row.currency, [0, 0, 0, 0])
        sums[0] += 1
        sums[3 if row.is_repayment else 1 if row.amount_minor >= 0 else 2] += abs(row.amount_minor)
        self.credits += row.amount_minor < 0
        self.first_day = min(row.day, self.first_day or row.day)
        self.last_day = max(row.day, self.last_day or row.day)
        for name in row.data.category_names():
            if name in self._categories or len(self._categories) < MAX_CATEGORY_NAMES:
                self._categories[name] += 1
        if row.bank_key is None:
            return False
        is_again = row.bank_key in self._bank_keys
        self._bank_keys.add(row.bank_key)
        self.duplicates += is_again
        return is_again

    def completed(self, findings: Findings) -> Findings:
        sums = [CurrencySum(currency, *counted) for currency, counted in sorted(self._sums.items())]
        names = [NamedCategory(name, count) for name, count in self._categories.most_common()]
        return structs.replace(
            findings, sums=tuple(sums), categories=tuple(names), problems=tuple(self._problems)
        )


def begin_reading(session: Session, *, user_id: UUID, import_id: UUID) -> ImportRecord | None:
    """Clear what an earlier attempt has left; None if there is nothing to read any more."""
    record = find_import(session, user_id=user_id, import_id=import_id, for_update=True)
    if record is None or record.state not in ("queued", "reading"):
        return None
    session.execute(delete(ROWS).where(ROWS.c.user_id == user_id, ROWS.c.import_id == import_id))
    if record.state == "queued":
        change_state(session, record, "reading")
    return record


def require_state(session: Session, record: ImportRecord, state: State) -> None:
    """Hold the import in the state in which a job works on it.

    Raises:
        ImportGone
    """
    parameters = {"user_id": record.user_id, "import_id": record.id, "its_state": state}
    if session.execute(IN_STATE, parameters).first() is None:
        raise ImportGone(record.id)


def add_rows(
    session: Session, record: ImportRecord, rows: Iterable[NewRow | Problem], *, first: int, tally: Tally
) -> None:
    """Store rows, of which `first` is the position of the first.

    Raises:
        ImportGone
    """
    require_state(session, record, "reading")
    store_rows(session, record, rows, first=first, tally=tally)


def store_rows(
    session: Session, record: ImportRecord, rows: Iterable[NewRow | Problem], *, first: int, tally: Tally
) -> None:
    """As `add_rows`, whatever the state."""
    values = [
        _problem_values(record, position, row, tally)
        if isinstance(row, Problem)
        else _row_values(record, position, row, tally)
        for position, row in enumerate(rows, first)
    ]
    insert_rows(session, ROWS, values)


def _problem_values(record: ImportRecord, position: int, row: Problem, tally: Tally) -> dict[str, Any]:
    tally.add_problem(row)
    return {
        "user_id": record.user_id,
        "import_id": record.id,
        "position": position,
        "line": row.line,
        "state": "problem",
        "day": None,
        "amount_minor": None,
        "currency": None,
        "match_key": None,
        "bank_key": None,
        "is_pending": False,
        "data": ENCODER.encode(row).decode(),
        "duplicate_reason": None,
        "expense_id": None,
    }


def _row_values(record: ImportRecord, position: int, row: NewRow, tally: Tally) -> dict[str, Any]:
    is_again = tally.add_row(row)
    return {
        "user_id": record.user_id,
        "import_id": record.id,
        "position": position,
        "line": row.line,
        "state": "duplicate" if is_again else "ready",
        "day": row.day,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "match_key": row.match_key,
        "bank_key": row.bank_key,
        "is_pending": row.is_pending,
        "data": ENCODER.encode(row.data).decode(),
        "duplicate_reason": "same_file" if is_again else None,
        "expense_id": new_id(),
    }


def mark_duplicates(session: Session, record: ImportRecord, found: Iterable[tuple[int, Suspicion]]) -> None:
    """Keep which rows are suspected, and of what."""
    marks = [
        {"position": position, "reason": one.reason, "expense": one.expense_id} for position, one in found
    ]
    of_import = {"owner": record.user_id, "its_import": record.id}
    if session.get_bind().dialect.name == "postgresql":
        session.execute(MARK_MANY, {**of_import, "marks": ENCODER.encode(marks).decode()})
    elif marks:
        session.execute(MARK, [{**of_import, "its_position": one.pop("position"), **one} for one in marks])


_IN_IMPORT = (ROWS.c.user_id == bindparam("owner"), ROWS.c.import_id == bindparam("its_import"))
MARK = (
    update(ROWS)
    .where(*_IN_IMPORT, ROWS.c.position == bindparam("its_position"))
    .values(state="duplicate", duplicate_reason=bindparam("reason"), duplicate_of=bindparam("expense"))
)


def _mark_many() -> Update:
    """As `MARK`, for many in one statement."""
    names = {"position": ROWS.c.position, "reason": ROWS.c.duplicate_reason, "expense": ROWS.c.duplicate_of}
    marks = recordset("marks", {name: one.type for name, one in names.items()})
    return (
        update(ROWS)
        .where(*_IN_IMPORT, ROWS.c.position == marks.c.position)
        .values(state="duplicate", duplicate_reason=marks.c.reason, duplicate_of=marks.c.expense)
    )


MARK_MANY = _mark_many()


def finish_reading(
    session: Session,
    record: ImportRecord,
    opened: OpenedFile,
    *,
    file_format: Format,
    tally: Tally,
    duplicates: int,
) -> None:
    """Show the preview; `duplicates` were found beyond those that the tally has.

    Raises:
        ImportGone
    """
    require_state(session, record, "reading")
    change_state(
        session,
        record,
        "preview",
        format=file_format,
        mapping=None if opened.mapping is None else msgspec.to_builtins(opened.mapping),
        findings=msgspec.to_builtins(opened.completed(tally.completed(opened.findings))),
        row_count=tally.rows,
        problem_count=tally.problems,
        credit_count=tally.credits,
        duplicate_count=tally.duplicates + duplicates,
        chosen_count=tally.rows - tally.duplicates - duplicates,
        first_day=tally.first_day,
        last_day=tally.last_day,
        failure=None,
    )


def fail_reading(
    session: Session,
    record: ImportRecord,
    error: InvalidInput,
    *,
    file_format: Format | None,
    opened: OpenedFile | None,
) -> None:
    """Say why the file cannot be read, with what was found out about it before."""
    values: dict[str, Any] = {"format": file_format}
    if opened is not None:
        values |= {
            "mapping": None if opened.mapping is None else msgspec.to_builtins(opened.mapping),
            "findings": msgspec.to_builtins(opened.findings),
        }
    field = error.fields[0]
    session.execute(delete(ROWS).where(ROWS.c.user_id == record.user_id, ROWS.c.import_id == record.id))
    fail_import(session, record, Failure(field.pointer, field.detail), **values)


def fail_import(session: Session, record: ImportRecord, failure: Failure, **values: Any) -> None:
    """Raises:
    ImportGone: while it was worked on.
    """
    change_state(session, record, "failed", failure=msgspec.to_builtins(failure), **values)
