"""Somebody who imports files, with the jobs done when the test says so."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from sqlalchemy import select

from core.config import Settings
from core.database import Database
from core.files import FileStore
from core.models import Category, Expense
from core.queries.expenses import ExpenseFilter, ExpenseRecord, list_expenses
from core.queries.imports import (
    ImportRecord,
    RowState,
    StoredRow,
    category_names,
    list_import_rows,
    load_import,
)
from core.queries.invariants import spending_differences
from core.services.imports import (
    Choice,
    NewImport,
    commit_import,
    correct_import,
    drop_import,
    request_import,
)
from core.statements.mapping import Mapping
from tests.core.services.spender import Spender
from workers.long_jobs import CONNECTIONS, LongJob, work_off_long
from workers.runtime import Runtime
from workers.tasks.imports import COMMITTING, READING, UNDOING

HEADER = "Date,Amount,Payee,Note,Category"


def csv_of(rows: Iterable[Sequence[object]], header: str = HEADER) -> bytes:
    """A file of a bank: money spent is negative there."""
    return "\n".join([header, *(",".join(map(str, row)) for row in rows), ""]).encode()


class Importer(Spender):
    """A spender with files."""

    def __init__(self, settings: Settings, database: Database) -> None:
        super().__init__(database)
        self.runtime = Runtime(settings, {}, connections=CONNECTIONS)
        self._files = FileStore(settings.files)

    def upload(self, content: bytes, name: str = "statement.csv", **fields: Any) -> UUID:
        """Ask for the import; it is not read yet."""
        with self._files.draft() as draft:
            draft.write(content)
            file = draft.keep()
        new = NewImport(file=file, name=name, **fields)
        with self.database.transaction() as session:
            return request_import(session, user_id=self.id, new=new).id

    def read(self, content: bytes, name: str = "statement.csv", **fields: Any) -> UUID:
        """Upload the file and have it read."""
        import_id = self.upload(content, name, **fields)
        self.work(READING)
        return import_id

    def correct(self, import_id: UUID, mapping: Mapping) -> ImportRecord:
        with self.database.transaction() as session:
            correct_import(session, user_id=self.id, import_id=import_id, mapping=mapping)
        self.work(READING)
        return self.record(import_id)

    def ask_to_commit(self, import_id: UUID, **choice: Any) -> None:
        with self.database.transaction() as session:
            commit_import(session, user_id=self.id, import_id=import_id, choice=Choice(**choice))

    def commit(self, import_id: UUID, **choice: Any) -> ImportRecord:
        self.ask_to_commit(import_id, **choice)
        self.work(COMMITTING)
        return self.record(import_id)

    def load(self, content: bytes, name: str = "statement.csv", **choice: Any) -> ImportRecord:
        """Read a file and commit it."""
        return self.commit(self.read(content, name), **choice)

    def drop(self, import_id: UUID) -> ImportRecord | None:
        with self.database.transaction() as session:
            return drop_import(session, user_id=self.id, import_id=import_id)

    def undo(self, import_id: UUID) -> ImportRecord:
        assert self.drop(import_id) is not None
        self.work(UNDOING)
        return self.record(import_id)

    def work(self, job: LongJob) -> None:
        assert work_off_long(self.runtime, job) == 1

    def record(self, import_id: UUID) -> ImportRecord:
        with self.database.reading() as session:
            return load_import(session, user_id=self.id, import_id=import_id)

    def rows(self, import_id: UUID, *states: RowState) -> list[StoredRow]:
        with self.database.reading() as session:
            return list_import_rows(
                session, user_id=self.id, import_id=import_id, states=states, after=-1, limit=1_000_000
            )

    def lines(self, import_id: UUID, *states: RowState) -> list[int]:
        """The lines of the rows in these states."""
        return [row.line for row in self.rows(import_id, *states)]

    def expenses(self, **filters: Any) -> list[ExpenseRecord]:
        """The oldest first."""
        with self.database.reading() as session:
            return list_expenses(
                session,
                user_id=self.id,
                filters=ExpenseFilter(**filters),
                sort="spent_on",
                after=None,
                limit=1_000_000,
            )

    def payees(self) -> list[str | None]:
        return sorted((one.payee for one in self.expenses()), key=str)

    def category_names(self) -> dict[UUID, str]:
        with self.database.reading() as session:
            query = select(Category.id, Category.name).where(Category.user_id == self.id)
            return {row.id: row.name for row in session.execute(query)}

    def category_paths(self) -> dict[UUID | None, str]:
        """As `Parent: Child`, or `Name`; nothing for none."""
        with self.database.reading() as session:
            found = {one.id: one for one in category_names(session, user_id=self.id)}
        return {
            None: "",
            **{
                one.id: one.name if one.parent_id is None else f"{found[one.parent_id].name}: {one.name}"
                for one in found.values()
            },
        }

    def all_expenses(self) -> int:
        """Also those in the trash."""
        with self.database.reading() as session:
            return len(session.scalars(select(Expense.id).where(Expense.user_id == self.id)).all())

    def assert_totals(self) -> None:
        with self.database.reading() as session:
            assert spending_differences(session, user_id=self.id) == []


@contextmanager
def importer(settings: Settings, database: Database) -> Iterator[Importer]:
    made = Importer(settings, database)
    try:
        yield made
    finally:
        made.runtime.close()
