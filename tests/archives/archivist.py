"""Accounts whose archives are exported and imported by the jobs, without HTTP."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import insert

from core import clock
from core.config import Settings
from core.database import Database
from core.files import FileStore
from core.ids import new_id
from core.models import User
from core.queries.expenses import ExpenseFilter
from core.queries.export_archive import build_archive
from core.queries.export_rows import Building
from core.queries.imports import ImportRecord, load_import
from core.services import imports
from core.services.imports import Choice, NewImport
from workers.long_jobs import CONNECTIONS, work_off_long
from workers.runtime import Runtime
from workers.tasks.imports import COMMITTING, READING, UNDOING

Document = dict[str, Any]
"""An archive as JSON has it."""

THEIR_OWN = ("user", "exported_at", "sessions", "notifications", "exports", "imports", "reports")
"""What differs between an account and the one that its archive came into."""


class Archivist:
    """A process of builders. Its accounts begin without categories, so that all ids can be kept."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.database = database
        self.runtime = Runtime(settings, {}, connections=CONNECTIONS)
        self.files = FileStore(settings.files)

    def close(self) -> None:
        self.runtime.close()

    def new_account(self, **changes: Any) -> UUID:
        user_id, now = new_id(), clock.now()
        name = f"u{user_id.hex}"
        values = {
            "id": user_id,
            "username": name,
            "username_key": name,
            "email": f"{name}@example.com",
            "email_key": f"{name}@example.com",
            "display_name": name,
            "password_hash": "secret hash",
            "timezone": "UTC",
            "currency": "EUR",
            "is_active": True,
            "created_at": now,
            "updated_at": now,
        }
        with self.database.transaction() as session:
            session.execute(insert(User), {**values, **changes})
        return user_id

    def upload(self, user_id: UUID, content: bytes) -> UUID:
        with self.files.draft() as draft:
            draft.write(content)
            file = draft.keep()
        with self.database.transaction() as session:
            new = NewImport(file=file, name="archive.json", format="outlay_json")
            return imports.request_import(session, user_id=user_id, new=new).id

    def preview(self, user_id: UUID, content: bytes) -> ImportRecord:
        """The import, read by the job."""
        import_id = self.upload(user_id, content)
        assert work_off_long(self.runtime, READING) == 1
        return self.find(user_id, import_id)

    def begin_commit(self, record: ImportRecord, *, settings: bool = False) -> None:
        with self.database.transaction() as session:
            imports.commit_import(
                session, user_id=record.user_id, import_id=record.id, choice=Choice(settings=settings)
            )

    def commit(self, record: ImportRecord, *, settings: bool = False) -> ImportRecord:
        self.begin_commit(record, settings=settings)
        assert work_off_long(self.runtime, COMMITTING) == 1
        return self.find(record.user_id, record.id)

    def take_in(self, user_id: UUID, content: bytes, *, settings: bool = False) -> ImportRecord:
        """The import, read and committed."""
        record = self.preview(user_id, content)
        assert record.state == "preview", record.failure
        return self.commit(record, settings=settings)

    def begin_undo(self, record: ImportRecord) -> None:
        with self.database.transaction() as session:
            imports.drop_import(session, user_id=record.user_id, import_id=record.id)

    def undo(self, record: ImportRecord) -> ImportRecord:
        self.begin_undo(record)
        assert work_off_long(self.runtime, UNDOING) == 1
        return self.find(record.user_id, record.id)

    def find(self, user_id: UUID, import_id: UUID) -> ImportRecord:
        with self.database.reading() as session:
            return load_import(session, user_id=user_id, import_id=import_id)

    def export(self, user_id: UUID) -> bytes:
        pieces: list[bytes] = []
        with self.database.snapshot_rows() as rows:
            build_archive(
                Building(
                    rows=rows,
                    user_id=user_id,
                    filters=ExpenseFilter(),
                    sort="spent_on",
                    dialect=None,
                    files=self.files,
                    write=pieces.append,
                    tell=lambda done, total: None,
                )
            )
        return b"".join(pieces)

    def document(self, user_id: UUID) -> Document:
        found: Document = msgspec.json.decode(self.export(user_id))
        return found


def comparable(document: Mapping[str, Any]) -> Document:
    """The document without what is the account's alone."""
    return {name: value for name, value in document.items() if name not in THEIR_OWN}


def encoded(document: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode(document)
