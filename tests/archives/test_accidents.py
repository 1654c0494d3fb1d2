"""Whoever dies while an archive comes in, and whenever: another goes on, and everything is there once."""

from collections.abc import Callable, Iterator

import pytest
import time_machine

from core import clock
from core.archive import batches
from core.config import Settings
from core.services import archive_undoing
from tests.api.calls import PDF
from tests.archives.archivist import Archivist, Document, comparable, encoded
from tests.archives.documents import document
from tests.archives.test_attachments import attachment, parts
from tests.archives.test_imports import category, expense
from tests.archives.test_round_trip import assert_totals
from tests.core.services.spender import Spender, at
from tests.workers.test_import_accidents import Killed, Mortal, exhaust
from workers.long_jobs import LEASE, LongJob, work_off_long
from workers.tasks.imports import COMMITTING, UNDOING

AT_ONCE = 3

Die = Callable[[LongJob, int, bool], bool]


@pytest.fixture
def die(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Die]:
    """Does a job until a death; answers False if it was done before."""
    monkeypatch.setattr(batches, "MAX_WEIGHT", AT_ONCE)
    monkeypatch.setattr(archive_undoing, "AT_ONCE", AT_ONCE)
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


@pytest.fixture
def archive(archivist: Archivist) -> Document:
    """With a budget that has an alert, and all else."""
    with at("2026-05-20T12:00:00"):
        me = Spender(archivist.database)
        me.budget("100.00", has_pace_alert=True)
        me.spend("85.00", "2026-05-04", category="food")
        me.settle()
        found = archivist.document(me.id)
    food = category("More food")
    spent = [expense(category_id=food["id"]) for _ in range(3)]
    attachments = [attachment(one["id"], PDF) for one in spent[:2]]
    lists = {name: found[name] for name in ("budgets", "alerts", "pace_alerts")}
    return document(
        {
            "categories": [food, *found["categories"]],
            "expenses": [*found["expenses"], *spent],
            "files": parts(PDF),
            "attachments": attachments,
            **lists,
        }
    )


def go_on(archivist: Archivist, job: LongJob) -> None:
    """What the next worker does once the lease of the dead one is over."""
    with time_machine.travel(clock.now() + LEASE, tick=True):
        work_off_long(archivist.runtime, job)


def names_of(found: Document) -> dict[str, list[str]]:
    """The ids and keys of what is there, in no order."""
    return {
        name: sorted(str(one.get("id", one)) for one in records)
        for name, records in comparable(found).items()
        if isinstance(records, list)
    }


@pytest.mark.parametrize("has_committed", [False, True], ids=["before the commit", "after it"])
def test_a_commit_ends_as_if_nothing_had_happened(
    archivist: Archivist, die: Die, archive: Document, has_committed: bool
) -> None:
    dies_in, has_died = 0, True
    rows = sum(len(archive[name]) for name in ("categories", "expenses", "attachments", "budgets"))
    while has_died:
        dies_in += 1
        user_id = archivist.new_account()
        record = archivist.preview(user_id, encoded(archive))
        archivist.begin_commit(record, settings=True)
        has_died = die(COMMITTING, dies_in, has_committed)
        go_on(archivist, COMMITTING)
        done = archivist.find(user_id, record.id)
        assert (done.state, done.failure) == ("succeeded", None)
        assert (done.committed_count, done.duplicate_count, done.problem_count) == (rows + 1, 0, 0)
        known = {one.name: one.known for one in done.findings.lists if one.name in archive}
        assert not any(known[name] for name in ("categories", "expenses", "attachments", "budgets"))
        found = archivist.document(user_id)
        assert names_of(found) == names_of(archive)
        assert [one["kind"] for one in found["notifications"]] == ["import.finished"]
        assert_totals(archivist, user_id)
    assert dies_in > len(archive["expenses"]) // AT_ONCE + 4


@pytest.mark.parametrize("has_committed", [False, True], ids=["before the commit", "after it"])
def test_undoing_ends_as_if_nothing_had_happened(
    archivist: Archivist, die: Die, archive: Document, has_committed: bool
) -> None:
    dies_in, has_died = 0, True
    empty = names_of(document({}))
    while has_died:
        dies_in += 1
        user_id = archivist.new_account()
        done = archivist.take_in(user_id, encoded(archive), settings=True)
        archivist.begin_undo(done)
        has_died = die(UNDOING, dies_in, has_committed)
        go_on(archivist, UNDOING)
        undone = archivist.find(user_id, done.id)
        assert (undone.state, undone.committed_count) == ("undone", 0)
        assert names_of(archivist.document(user_id)) == empty
        assert_totals(archivist, user_id)
    assert dies_in > len(archive["expenses"]) // AT_ONCE + 4


def test_what_is_given_up_is_told_and_can_be_undone(
    archivist: Archivist, die: Die, archive: Document
) -> None:
    user_id = archivist.new_account()
    record = archivist.preview(user_id, encoded(archive))
    archivist.begin_commit(record)
    assert die(COMMITTING, 3, True)
    exhaust(archivist.database)
    go_on(archivist, COMMITTING)
    failed = archivist.find(user_id, record.id)
    assert (failed.state, failed.failure is None) == ("failed", False)
    assert failed.committed_count > 0
    assert archivist.undo(failed).state == "undone"
    assert names_of(archivist.document(user_id)) == names_of(document({}))
    assert_totals(archivist, user_id)
