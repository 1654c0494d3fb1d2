"""Whoever dies while an import is worked on, and whenever: another goes on, and everything is there once."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import time_machine
from sqlalchemy import update
from sqlalchemy.orm import Session

from core import clock
from core.config import Settings
from core.database import Database
from core.models import OutboxRow
from core.services import import_purge
from core.services.import_purge import expire_import
from core.services.statement_imports import StatementImports
from tests.workers.importer import Importer, csv_of, importer
from workers.long_jobs import CONNECTIONS, LEASE, MAX_ATTEMPTS, LongJob, work_off_long
from workers.runtime import Runtime
from workers.tasks import imports as tasks
from workers.tasks.imports import COMMITTING, READING, UNDOING

ROWS = 7
AT_ONCE = 2

FILE = csv_of([(f"2026-05-{n % 3 + 1:02d}", "-3.20", "Café", "", "New") for n in range(ROWS)])


class Killed(BaseException):
    """As if the process ended here: nobody handles it."""


class Mortal(Runtime):
    """Dies in its n-th writing transaction, just before or just after the commit; the others live on."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, {}, connections=CONNECTIONS)
        self.dies_in, self.has_committed = 0, False

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with super().writing() as session:
            yield session
            self.dies_in -= 1
            if self.dies_in == 0 and not self.has_committed:
                raise Killed
        if self.dies_in == 0:
            raise Killed


@pytest.fixture
def me(settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Importer]:
    monkeypatch.setattr(tasks, "ROWS_AT_ONCE", AT_ONCE)
    monkeypatch.setattr(StatementImports, "recorded_at_once", AT_ONCE)
    monkeypatch.setattr(StatementImports, "undone_at_once", AT_ONCE)
    with importer(settings, database) as me:
        yield me


@pytest.fixture
def die(settings: Settings) -> Iterator[Callable[[LongJob, int, bool], bool]]:
    """Does a job until a death; answers False if it was done before."""
    mortal = Mortal(settings)

    def die(job: LongJob, dies_in: int, has_committed: bool) -> bool:
        mortal.dies_in, mortal.has_committed = dies_in, has_committed
        try:
            work_off_long(mortal, job)
        except Killed:
            return True
        return False

    yield die
    mortal.close()


def go_on(me: Importer, job: LongJob) -> None:
    """What the next worker does once the lease of the dead one is over."""
    with time_machine.travel(clock.now() + LEASE, tick=True):
        work_off_long(me.runtime, job)


@pytest.mark.parametrize("has_committed", [False, True], ids=["before the commit", "after it"])
def test_a_commit_goes_on_where_it_was(
    me: Importer, die: Callable[[LongJob, int, bool], bool], has_committed: bool
) -> None:
    dies_in = 0
    has_died = True
    while has_died:
        dies_in += 1
        found_id = me.read(FILE)
        me.ask_to_commit(found_id, duplicates=True)
        has_died = die(COMMITTING, dies_in, has_committed)
        go_on(me, COMMITTING)
        found = me.record(found_id)
        assert (found.state, found.committed_count) == ("succeeded", ROWS)
        rows = me.rows(found_id, "committed")
        recorded = Counter(one.id for one in me.expenses())
        assert all(recorded[row.expense_id] == 1 for row in rows if row.expense_id is not None)
        assert len(me.expenses()) == ROWS * dies_in
        me.assert_totals()
        assert [kind for kind, _data in me.messages()] == ["import.finished"] * dies_in
    assert dies_in > ROWS // AT_ONCE
    assert list(me.category_names().values()).count("New") == 1


@pytest.mark.parametrize("has_committed", [False, True], ids=["before the commit", "after it"])
def test_undoing_goes_on_where_it_was(
    me: Importer, die: Callable[[LongJob, int, bool], bool], has_committed: bool
) -> None:
    me.spend("3.20", "2026-05-01", payee="Café")
    dies_in = 0
    has_died = True
    while has_died:
        dies_in += 1
        found = me.load(FILE, duplicates=True)
        assert me.drop(found.id) is not None
        has_died = die(UNDOING, dies_in, has_committed)
        go_on(me, UNDOING)
        assert (me.record(found.id).state, me.record(found.id).committed_count) == ("undone", 0)
        assert me.all_expenses() == 1
        me.assert_totals()
    assert dies_in > ROWS // AT_ONCE


@pytest.mark.parametrize("job", [COMMITTING, UNDOING], ids=["commit", "undoing"])
def test_however_often_somebody_dies_it_goes_on(
    me: Importer, die: Callable[[LongJob, int, bool], bool], job: LongJob
) -> None:
    batches = 2 * MAX_ATTEMPTS
    rows = batches * AT_ONCE
    import_id = me.read(csv_of([("2026-05-01", "-3.20", "Café", n, "New") for n in range(rows)]))
    me.ask_to_commit(import_id)
    if job is UNDOING:
        me.work(COMMITTING)
        assert me.drop(import_id) is not None
    with time_machine.travel(clock.now(), tick=True) as traveller:
        for _ in range(batches):
            assert die(job, 1, True)
            traveller.shift(LEASE)
        me.work(job)
    done = me.record(import_id)
    assert (done.state, me.all_expenses()) == (("succeeded", rows) if job is COMMITTING else ("undone", 0))
    me.assert_totals()


def test_a_file_is_read_anew(me: Importer, die: Callable[[LongJob, int, bool], bool]) -> None:
    for dies_in, has_committed in ((1, False), (1, True), (2, False), (2, True)):
        import_id = me.upload(FILE)
        assert die(READING, dies_in, has_committed)
        go_on(me, READING)
        assert me.record(import_id).state == "preview"
        assert len(me.rows(import_id)) == me.record(import_id).row_count == ROWS


def test_what_was_deleted_while_it_waits_is_not_read(me: Importer) -> None:
    import_id = me.upload(FILE)
    assert me.drop(import_id) is None
    me.work(READING)
    assert me.rows(import_id) == []


def test_what_is_deleted_while_it_is_read_is_gone(
    me: Importer, die: Callable[[LongJob, int, bool], bool]
) -> None:
    import_id = me.upload(FILE)
    assert die(READING, 1, True)
    assert me.record(import_id).state == "reading"
    assert me.drop(import_id) is None
    go_on(me, READING)
    assert me.rows(import_id) == []
    assert me.messages() == []


def test_what_is_given_up_is_told_and_can_be_undone(
    me: Importer, die: Callable[[LongJob, int, bool], bool]
) -> None:
    import_id = me.read(FILE)
    me.ask_to_commit(import_id)
    assert die(COMMITTING, 2, True)
    exhaust(me.database)
    go_on(me, COMMITTING)
    found = me.record(import_id)
    assert (found.state, found.committed_count) == ("failed", AT_ONCE)
    assert found.failure is not None
    (message,) = me.messages()
    assert message[1]["state"] == "failed"
    me.assert_totals()
    assert me.undo(import_id).state == "undone"
    assert me.all_expenses() == 0
    me.assert_totals()


def test_a_file_that_takes_its_readers_along_is_given_up(
    me: Importer, die: Callable[[LongJob, int, bool], bool]
) -> None:
    import_id = me.upload(FILE)
    assert die(READING, 1, True)
    exhaust(me.database)
    go_on(me, READING)
    assert me.record(import_id).state == "failed"
    assert me.drop(import_id) is None


def test_a_file_that_is_not_there_any_more_is_a_failure(me: Importer) -> None:
    import_id = me.upload(FILE)
    for path in me._files.folder.rglob("blobs/*/*"):
        path.unlink()
    me.work(READING)
    failure = me.record(import_id).failure
    assert failure is not None
    assert failure.pointer == "/file"


def test_a_preview_expires_and_is_forgotten(me: Importer) -> None:
    preview, kept = me.read(FILE), me.load(FILE)
    assert not expire(me.database)
    with time_machine.travel(clock.now() + import_purge.PREVIEW_LIFETIME, tick=True):
        assert expire(me.database)
        assert not expire(me.database)
        found = me.record(preview)
        assert (found.state, found.sha256, me.rows(preview)) == ("expired", None, [])
        with time_machine.travel(clock.now() + import_purge.RECORD_LIFETIME, tick=True):
            assert expire(me.database)
            assert not expire(me.database)
    assert me.record(kept.id) == kept
    assert me.drop(kept.id) is not None


def expire(database: Database) -> bool:
    with database.transaction() as session:
        return expire_import(session)


def exhaust(database: Database) -> None:
    """As if the attempts before had ended like the last one."""
    with database.transaction() as session:
        tried = update(OutboxRow).where(OutboxRow.attempts > 0)
        session.execute(tried.values(attempts=MAX_ATTEMPTS, payload={}))
