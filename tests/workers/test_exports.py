"""The job that builds files: whole or not at all, for as long as somebody wants them."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
import time_machine
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import delete, select

from core import clock
from core.config import Settings
from core.database import Database
from core.files import DRAFTS, FileStore
from core.models import Export, OutboxRow, User
from core.queries.export_csv import build_csv
from core.queries.export_rows import BuildFile, Building
from core.queries.exports import ExportFormat
from core.services import exports
from core.services.exports import ExportRequest, request_export
from tests.core.services.spender import Spender
from workers.long_jobs import CONNECTIONS, LEASE, work_off_long
from workers.runtime import Runtime
from workers.tasks import exports as task
from workers.tasks.exports import JOB

OLD = "2026-05-04"


@pytest.fixture
def builder(settings: Settings, database: Database) -> Iterator[Runtime]:
    made = Runtime(settings, {}, connections=CONNECTIONS)
    yield made
    made.close()


@pytest.fixture
def files(settings: Settings) -> FileStore:
    return FileStore(settings.files)


@pytest.fixture
def me(database: Database) -> Spender:
    spender = Spender(database)
    for cents in range(3):
        spender.spend(f"{cents}.00", OLD)
    return spender


class Killed(BaseException):
    """As if the process ended here: nobody handles it."""


def ask(me: Spender, kind: ExportFormat = "csv") -> UUID:
    with me.database.transaction() as session:
        return request_export(session, user_id=me.id, wanted=ExportRequest(format=kind)).id


def export(me: Spender, export_id: UUID) -> Export | None:
    with me.database.reading() as session:
        return session.scalar(select(Export).where(Export.user_id == me.id, Export.id == export_id))


def there(me: Spender, export_id: UUID) -> Export:
    found = export(me, export_id)
    assert found is not None
    return found


def jobs(database: Database) -> list[OutboxRow]:
    with database.reading() as session:
        return list(session.scalars(select(OutboxRow).where(OutboxRow.job == JOB.name)))


def drafts(files: FileStore) -> list[str]:
    return [path.name for path in (files.folder / DRAFTS).glob("*")]


def built_with(monkeypatch: pytest.MonkeyPatch, during: Callable[[Building], None]) -> None:
    """Have something happen after the first rows of each CSV file are written."""

    def build(building: Building) -> int:
        building.write(b"the first half")
        during(building)
        return build_csv(building)

    builders: dict[str, BuildFile] = {**task.BUILDERS, "csv": build}
    monkeypatch.setattr(task, "BUILDERS", builders)


def tell_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task, "PROGRESS_S", 0.0)


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_file_is_kept_by_its_hash_and_its_owner_is_told(
    builder: Runtime, me: Spender, files: FileStore, kind: ExportFormat
) -> None:
    export_id = ask(me, kind)
    assert work_off_long(builder, JOB) == 1
    done = there(me, export_id)
    assert (done.state, done.progress, done.row_count) == ("succeeded", 100, 3)
    content = files.path(done.sha256 or "").read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (done.sha256, done.size)
    assert me.messages() == [
        ("export.ready", {"export_id": str(export_id), "format": kind, "rows": 3, "bytes": done.size})
    ]
    assert (jobs(me.database), drafts(files)) == ([], [])


def test_progress_is_told_while_it_is_built(
    builder: Runtime, me: Spender, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_at_once(monkeypatch)
    seen: list[tuple[str, int, int | None]] = []
    export_id = ask(me)

    def look(building: Building) -> None:
        for done in (0, 1, 2, 4):
            building.tell(done, 3)
            now = there(me, export_id)
            seen.append((now.state, now.progress, now.row_count))

    built_with(monkeypatch, look)
    assert work_off_long(builder, JOB) == 1
    assert seen == [("running", 0, 0), ("running", 33, 1), ("running", 66, 2), ("running", 99, 4)]


def test_who_is_killed_half_way_is_followed_by_another_who_starts_over(
    builder: Runtime, me: Spender, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_at_once(monkeypatch)
    export_id = ask(me)

    def die(building: Building) -> None:
        building.tell(2, 3)
        raise Killed

    with monkeypatch.context() as patch:
        built_with(patch, die)
        with pytest.raises(Killed):
            work_off_long(builder, JOB)
    half = there(me, export_id)
    assert (half.state, half.progress, half.sha256) == ("running", 66, None)
    assert me.messages() == []
    with time_machine.travel(clock.now() + LEASE, tick=True):
        assert work_off_long(builder, JOB) == 1
    done = there(me, export_id)
    assert (done.state, done.row_count) == ("succeeded", 3)
    assert files.path(done.sha256 or "").read_bytes().startswith(b"date,amount")
    assert len(me.messages()) == 1


@pytest.mark.parametrize("tells", [True, False])
def test_an_export_that_is_deleted_meanwhile_ends_quietly(
    builder: Runtime, me: Spender, files: FileStore, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    """Whether or not the worker asks before it has built all of it."""
    monkeypatch.setattr(task, "PROGRESS_S", 0.0 if tells else 3_600.0)
    export_id = ask(me)

    def delete_it(_building: Building) -> None:
        with me.database.transaction() as session:
            exports.delete_export(session, user_id=me.id, export_id=export_id)

    built_with(monkeypatch, delete_it)
    assert work_off_long(builder, JOB) == 1
    assert export(me, export_id) is None
    assert (jobs(me.database), me.messages(), drafts(files)) == ([], [], [])


def test_an_export_that_is_deleted_before_is_not_begun(builder: Runtime, me: Spender) -> None:
    export_id = ask(me)
    with me.database.transaction() as session:
        exports.delete_export(session, user_id=me.id, export_id=export_id)
    assert work_off_long(builder, JOB) == 1
    assert jobs(me.database) == []


@pytest.mark.parametrize("tells", [True, False])
def test_with_the_account_the_work_ends(
    builder: Runtime, me: Spender, files: FileStore, monkeypatch: pytest.MonkeyPatch, tells: bool
) -> None:
    monkeypatch.setattr(task, "PROGRESS_S", 0.0 if tells else 3_600.0)
    ask(me)

    def delete_the_account(_building: Building) -> None:
        from core.services.accounts import delete_account

        with me.database.transaction() as session:
            delete_account(session, user_id=me.id, expected_versions=None)

    built_with(monkeypatch, delete_the_account)
    assert work_off_long(builder, JOB) == 1
    assert (jobs(me.database), drafts(files)) == ([], [])
    with me.database.reading() as session:
        assert session.scalar(select(User.id).where(User.id == me.id)) is None
        assert session.scalars(select(Export)).all() == []


def test_what_takes_more_room_than_is_allowed_fails_and_says_so(
    builder: Runtime, me: Spender, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "MAX_KEPT_BYTES", 200)
    export_ids = [ask(me, kind) for kind in ("csv", "xlsx")]
    assert work_off_long(builder, JOB) == 2
    for export_id in export_ids:
        failed = there(me, export_id)
        assert (failed.state, failed.sha256, failed.finished_at is None) == ("failed", None, False)
        assert "bytes" in (failed.error or "")
    assert (jobs(me.database), drafts(files), me.messages()) == ([], [], [])


def test_what_runs_out_of_time_or_fails_again_and_again_is_given_up(
    builder: Runtime, me: Spender, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, broken = ask(me, "csv"), ask(me, "xlsx")

    def take_long(_building: Building) -> int:
        raise SoftTimeLimitExceeded

    def fail(_building: Building) -> int:
        raise ValueError("a mistake of ours")

    monkeypatch.setattr(task, "BUILDERS", {"csv": take_long, "xlsx": fail})
    with pytest.raises(SoftTimeLimitExceeded):
        work_off_long(builder, JOB)
    for attempt in range(1, 5):
        with time_machine.travel(clock.now() + attempt * LEASE, tick=True):
            work_off_long(builder, JOB)
    for export_id in (late, broken):
        failed = there(me, export_id)
        assert (failed.state, failed.error) == ("failed", task.FAILED), "what went wrong is for the log"
    assert (jobs(me.database), drafts(files)) == ([], [])


def test_a_file_is_of_one_moment_whoever_writes_meanwhile(
    builder: Runtime, me: Spender, files: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.queries import export_rows

    monkeypatch.setattr(export_rows, "BATCH", 1)
    tell_at_once(monkeypatch)
    write = task._Work.tell

    def spend_and_tell(work: Any, done: int, total: int) -> None:
        me.spend("9.00", "2026-05-05")
        write(work, done, total)

    monkeypatch.setattr(task._Work, "tell", spend_and_tell)
    export_id = ask(me)
    assert work_off_long(builder, JOB) == 1
    assert there(me, export_id).row_count == 3


def test_the_connections_come_back_clean(
    builder: Runtime, me: Spender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those on which rows were still to come when the work ended."""
    from core.queries import export_rows

    monkeypatch.setattr(export_rows, "BATCH", 1)
    tell_at_once(monkeypatch)

    def refuse(_work: Any, _done: int, _total: int) -> None:
        raise task.NotWanted

    for kind in ("csv", "xlsx"):
        ask(me, kind)
    with monkeypatch.context() as patch:
        patch.setattr(task._Work, "tell", refuse)
        assert work_off_long(builder, JOB) == 2
    with me.database.transaction() as session:
        session.execute(delete(Export))
    export_id = ask(me)
    for _ in range(CONNECTIONS):
        work_off_long(builder, JOB)
    assert there(me, export_id).state == "succeeded"
    assert builder.database.engine.pool.checkedout() == 0
