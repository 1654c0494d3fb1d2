"""Databases to back up and to restore into, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import select

from core.backup.folder import list_backups
from core.backup.operations import back_up, put_back, verify
from core.commands.restore import have_clients_start_over
from core.config import Settings
from core.database import Database
from core.files import FileStore
from core.ids import new_id
from core.models import Base
from core.services.attachments import NewAttachment, attach_file
from core.services.audit import Action, record_action
from core.services.invariant_checks import CHECKS, prove
from tests.core.services.household import Household
from tests.core.services.spender import Spender
from tests.servers import TestPostgres

Content = dict[str, list[tuple[Any, ...]]]
"""All rows of each table."""


@contextmanager
def empty_like(url: str, folder: Path) -> Iterator[str]:
    """The address of a database of the same kind in which there is nothing at all."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{folder / 'restored.db'}"
        return
    server, name = TestPostgres(), f"outlay_restored_{new_id().hex}"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)


class Installation:
    """A database with its folders, and what the commands do on it."""

    def __init__(self, url: str, folder: Path, **settings: Any) -> None:
        given: dict[str, Any] = {"database_url": url, "data_dir": str(folder), **settings}
        self.settings = Settings(**given)
        self.store = FileStore(self.settings.files)

    @contextmanager
    def database(self) -> Iterator[Database]:
        database = Database(self.settings.database, pool_size=2)
        try:
            yield database
        finally:
            database.close()

    def back_up(self) -> Path:
        with self.database() as database:
            return back_up(self.settings, database, self.settings.backups, is_tried_out=False)[0]

    def put_back(self, path: Path) -> None:
        with self.database() as database:
            put_back(self.settings, database, path, finish=have_clients_start_over)

    def verify(self, path: Path) -> None:
        with self.database() as database:
            verify(self.settings, database, path)

    @property
    def backups(self) -> list[Path]:
        return [one.path for one in list_backups(self.settings.backups)]

    def content(self) -> Content:
        with self.database() as database, database.reading_rows() as connection:
            return {
                table.name: sorted(map(tuple, connection.execute(select(table))), key=repr)
                for table in Base.metadata.sorted_tables
            }

    def broken_invariants(self) -> list[str]:
        with self.database() as database, database.reading() as session:
            return [name for name in CHECKS if not prove(session, name=name).is_whole]

    def attach(self, spender: Spender, expense_id: Any, content: bytes) -> str:
        with self.store.draft() as draft:
            draft.write(content)
            file = draft.keep()
        with self.database() as database, database.transaction() as session:
            new = NewAttachment(file=file, name="receipt.pdf", media_type="application/pdf")
            attach_file(session, user_id=spender.id, expense_id=expense_id, attachment=new)
        return file.sha256


def live_in(database: Database) -> Spender:
    """A bit of everything that has rows of its own: a budget that alerts, lines, a rate, a group."""
    me = Spender(database)
    me.budget("10.00")
    me.spend("9.50", category="food", tags=("lunch",), note="50 % off, 'quoted' \\ and\nbroken")
    me.spend("4.00", lines=(("groceries", "1.00"), ("travel", "3.00")))
    me.spend("-2.00")
    me.delete(me.spend("7.77"))
    me.settle()
    with database.transaction() as session:
        record_action(session, Action(me.id, "password.changed"))
    home = Household(database, "Ada", "Bob", "Cleo")
    home.add("25.01", split=home.equal("Ada", "Bob", "Cleo"))
    home.settle_all()
    home.revise(home.add("3.33", by="Bob", split=home.equal("Ada", "Bob")), amount="4.44")
    home.settle_all()
    home.add("1.00")  # still waits to be split, in the outbox
    return me
