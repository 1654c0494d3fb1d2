"""The sweep of files: what no attachment names goes, what one names stays, in whatever trash it lies."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from core import clock
from core.database import Database
from core.files import FileStore
from core.services import expenses
from core.services.attachments import NewAttachment, attach_file
from core.services.expenses import TRASH_LIFETIME
from tests.core.services.spender import Spender, at
from tests.core.test_files import keep, make_old
from workers.tasks.files import sweep_files, sweep_if_due


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "files")


def test_a_file_goes_with_the_last_attachment_that_names_it(database: Database, store: FileStore) -> None:
    me = Spender(database)
    shared = keep(store, b"shared")
    spare = keep(store, b"spare")
    ids = [me.spend("1.00"), me.spend("2.00")]
    for expense_id in ids:
        with database.transaction() as session:
            new = NewAttachment(file=shared, name="a.pdf", media_type="application/pdf")
            attach_file(session, user_id=me.id, expense_id=expense_id, attachment=new)
    make_old(store.path(shared.sha256))
    make_old(store.path(spare.sha256))
    assert sweep_files(database, store) == 1
    assert list(store.kept()) == [shared.sha256]
    for expense_id in ids:
        me.delete(expense_id)
    assert sweep_files(database, store) == 0, "expenses in the trash may be restored"
    _purge(database)
    assert sweep_files(database, store) == 1
    assert list(store.kept()) == []


def test_it_is_swept_once_a_night_and_by_day_if_nobody_was_there_at_night(
    database: Database, store: FileStore
) -> None:
    def tick(moment: str) -> int:
        spare = keep(store, moment.encode())
        os.utime(store.path(spare.sha256), (0, 0))
        with at(moment):
            return sweep_if_due(database, store)

    assert tick("2026-05-10T14:11:00") == 1
    assert tick("2026-05-10T15:11:00") == 0
    assert tick("2026-05-11T03:11:00") == 0
    assert tick("2026-05-11T04:11:00") == 3
    assert tick("2026-05-13T21:11:00") == 1
    assert FileStore(store.folder / "nowhere").swept_at() is None
    FileStore(store.folder / "nowhere").note_sweep(clock.now())
    assert not (store.folder / "nowhere").exists()


def _purge(database: Database) -> None:
    import time_machine

    with (
        time_machine.travel(clock.now() + TRASH_LIFETIME + timedelta(days=1)),
        database.transaction() as session,
    ):
        assert expenses.purge_trash(session) == 2
