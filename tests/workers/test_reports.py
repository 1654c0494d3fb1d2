"""Reports are built once, told of once, built anew when what they tell of has changed, and never lost."""

import hashlib
from datetime import date, timedelta

import pytest
import time_machine

from core import clock
from core.charts.renderer import ChartRenderer
from core.job_names import BUILD_REPORT
from core.services import report_upkeep
from core.services.report_upkeep import REBUILD_DELAY
from tests.core.services.spender import Spender, at
from tests.workers.outbox import rows
from tests.workers.report_desk import ReportDesk, ready_messages
from workers.long_jobs import LEASE, MAX_ATTEMPTS, Lease, LongJob
from workers.runtime import Runtime
from workers.tasks.reports import give_up_report, refresh_reports, report_job

NOW = "2026-06-10T12:00:00"


class Killed(BaseException):
    """As if the process ended here: nobody handles it."""


@pytest.fixture
def me(desk: ReportDesk) -> Spender:
    """Somebody who has spent 10 EUR in May, which has been evaluated."""
    with at(NOW):
        me = Spender(desk.database)
        me.spend("10.00", "2026-05-04", payee="Corner Bakery")
        me.settle()
    return me


def later(minutes: float = 0, **more: float) -> time_machine.travel:
    """After the delay and so much more."""
    with at(NOW):
        return time_machine.travel(
            clock.now() + REBUILD_DELAY + timedelta(minutes=minutes, **more), tick=False
        )


def test_a_report_is_built_with_its_workbook_and_told_of_once(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        asked = desk.ask(me, "2026-05")
        assert (asked.state, asked.built_at, asked.is_stale) == ("queued", None, False)
        assert desk.build() == 1
        report = desk.load(asked)
    assert (report.state, report.is_stale, report.stale_since) == ("succeeded", False, None)
    assert (desk.figures(report).whole.minor, desk.figures(report).running_on) == (1000, None)
    workbook = desk.workbook(report)
    assert (hashlib.sha256(workbook).hexdigest(), len(workbook)) == (report.sha256, report.size)
    assert ready_messages(me) == [
        {"report_id": str(report.id), "kind": "monthly", "period": "2026-05", "currency": "EUR"}
    ]
    assert [row.job for row in rows(desk.database) if row.job == BUILD_REPORT] == []


def test_asked_for_again_it_is_the_one_that_is_there(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        waiting = desk.ask(me, "2026-05")
        assert desk.ask(me, "2026-05").id == waiting.id
        assert desk.build() == 1, "asked for twice, built once"
        report = desk.load(waiting)
        assert desk.ask(me, "2026-05") == report
        assert desk.build() == 0
        other = desk.ask(me, "2026-05", currency="USD")
        assert other.id != report.id
    assert len(ready_messages(me)) == 1


def test_a_late_expense_has_it_built_anew_after_a_while(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        report = desk.built(me, "2026-05")
        me.spend("5.00", "2026-05-20")
        me.settle()
        assert desk.load(report).is_stale
        me.spend("1.00", "2026-05-21")
        me.settle()
        assert desk.refresh() == 0, "nobody who enters many has it built for each"
        assert desk.figures(report).whole.minor == 1000
    with later():
        assert desk.refresh() == 1
        anew = desk.load(report)
    assert (desk.figures(report).whole.minor, anew.is_stale, anew.state) == (1600, False, "succeeded")
    assert anew.sha256 != report.sha256
    assert anew.version > report.version
    assert len(ready_messages(me)) == 1, "nobody waited for it"


def test_who_asks_for_a_stale_one_gets_it_built_at_once_and_is_told(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        report = desk.built(me, "2026-05")
        me.spend("5.00", "2026-05-20")
        # Nobody has noticed yet that the report tells of it.
        assert desk.ask(me, "2026-05").state == "queued"
        assert desk.build() == 1
        assert desk.figures(report).whole.minor == 1500
        me.settle()
        assert desk.load(report).is_stale, "it cannot be known that it was built after that"
    assert len(ready_messages(me)) == 2


def test_what_is_spent_later_than_all_that_it_tells_of_leaves_it_alone(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        report = desk.built(me, "2026-05")
        me.spend("5.00", "2026-06-01")
        me.settle()
        assert desk.load(report) == report


def test_one_that_would_say_the_same_stays_as_it_is(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        report = desk.built(me, "2026-05")
        me.spend("5.00", "2020-01-01")
        me.settle()
        assert desk.load(report).is_stale
    drawn = desk.renderer.drawn
    with later():
        assert desk.refresh() == 1
        same = desk.load(report)
    assert (same.built_at, same.sha256, same.is_stale) == (report.built_at, report.sha256, False)
    assert desk.renderer.drawn == drawn
    assert len(ready_messages(me)) == 1


def test_a_running_month_is_built_anew_when_it_is_over(desk: ReportDesk, me: Spender) -> None:
    me.move_to("America/New_York")
    me.settle()
    with at(NOW):
        report = desk.built(me, "2026-06")
        assert desk.figures(report).running_on == date(2026, 6, 10)
    with at("2026-07-01T03:59:59"):
        assert desk.refresh() == 0
    with at("2026-07-01T04:00:00"):  # midnight in New York
        assert desk.refresh() == 0, "it waits as all others do"
        assert desk.load(report).is_stale
    with at("2026-07-01T04:05:00"):
        assert desk.refresh() == 1
        assert desk.figures(report).running_on is None
        assert desk.refresh() == 0


def test_who_is_killed_is_followed_by_another(desk: ReportDesk, me: Spender) -> None:
    def die() -> None:
        raise Killed

    with at(NOW):
        report = desk.ask(me, "2026-05")
        desk.renderer.before = die
        with pytest.raises(Killed):
            desk.build()
        assert (desk.load(report).state, ready_messages(me)) == ("running", [])
        assert list((desk.files.folder / "drafts").glob("*")) == []
        desk.renderer.before = int
        assert desk.build() == 0, "the lease is not over"
        lease_end = clock.now() + LEASE
    with time_machine.travel(lease_end, tick=False):
        assert desk.build() == 1
    assert desk.load(report).state == "succeeded"
    assert len(ready_messages(me)) == 1


def test_what_changes_while_it_is_built_is_not_lost(desk: ReportDesk, me: Spender) -> None:
    def spend() -> None:
        desk.renderer.before = int
        me.spend("5.00", "2026-05-20")
        me.settle()

    with at(NOW):
        desk.renderer.before = spend
        report = desk.built(me, "2026-05")
        assert desk.figures(report).whole.minor == 1000
        assert report.is_stale
    with later():
        assert desk.refresh() == 1
        assert desk.figures(report).whole.minor == 1500


def test_one_that_is_deleted_before_it_is_built_is_gone(desk: ReportDesk, me: Spender) -> None:
    with at(NOW):
        waiting, running = desk.ask(me, "2026-04"), desk.ask(me, "2026-05")

        def delete() -> None:
            desk.renderer.before = int
            desk.delete(me.id, running.id)

        desk.delete(me.id, waiting.id)
        desk.renderer.before = delete
        assert desk.build() == 2
    assert ready_messages(me) == []
    assert [row.job for row in rows(desk.database) if row.job == BUILD_REPORT] == []


def test_one_that_cannot_be_built_says_so_and_keeps_what_it_had(desk: ReportDesk, me: Spender) -> None:
    def fail(_runtime: Runtime, _lease: Lease) -> None:
        raise ValueError("it cannot be done")

    failing = LongJob(BUILD_REPORT, fail, give_up_report)
    with at(NOW):
        report = desk.built(me, "2026-05")
        me.spend("5.00", "2026-05-20")
        me.settle()
        desk.ask(me, "2026-05")
        start = clock.now()
    for attempt in range(MAX_ATTEMPTS):
        with time_machine.travel(start + attempt * LEASE, tick=False):
            assert desk.build(failing) == 1
    failed = desk.load(report)
    assert (failed.state, failed.is_stale, failed.sha256) == ("failed", True, report.sha256)
    assert desk.figures(failed).whole.minor == 1000
    with later(hours=1):
        assert desk.ask(me, "2026-05").state == "queued"
        assert desk.build() == 1
    assert desk.figures(report).whole.minor == 1500
    assert len(ready_messages(me)) == 2


def test_without_its_charts_a_report_is_one_all_the_same(desk: ReportDesk, me: Spender) -> None:
    closed = ChartRenderer()
    closed.close()
    with at(NOW):
        report = desk.ask(me, "2026-05")
        assert desk.build(report_job(closed)) == 1
    assert desk.load(report).state == "succeeded"
    assert b"image1.png" not in desk.workbook(report)


def test_few_are_built_anew_at_a_time_those_first_that_have_waited_longest(
    desk: ReportDesk, me: Spender, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(NOW):
        older, newer = desk.built(me, "2026-04"), desk.built(me, "2026-05")
        me.spend("1.00", "2026-04-30")
        me.settle()
    monkeypatch.setattr(report_upkeep, "MAX_WAITING_REBUILDS", 1)
    with later():
        refresh_reports(desk.database)
        refresh_reports(desk.database)
        states = [desk.load(one).state for one in (older, newer)]
        assert sorted(states) == ["queued", "succeeded"]
        assert desk.build() == 1
        assert desk.refresh() == 1
        assert desk.refresh() == 0
    assert not any(desk.load(one).is_stale for one in (older, newer))
