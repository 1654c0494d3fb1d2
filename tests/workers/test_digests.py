"""Digests come once a period, at the right local hour, whatever beats, clocks and workers do."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

import pytest
import time_machine
from msgspec import structs
from sqlalchemy import select, update

from core.config import Settings
from core.database import Database
from core.models import User
from core.queries.notification_settings import load_settings_of
from core.rules.digests import JITTER_S, MAX_CATCH_UP, DigestPlan, due_days, due_instant
from core.services import digests
from core.services.accounts import delete_account
from core.services.outbox import MAX_ATTEMPTS, revive_dead_rows
from tests.core.services.spender import Spender, at
from tests.workers.digest_desk import DigestDesk
from workers.tasks.digests import LEASE

ZONES = ("Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/New_York")
LATER = timedelta(seconds=JITTER_S)


@pytest.fixture
def desk(settings: Settings, database: Database) -> Iterator[DigestDesk]:
    desk = DigestDesk(settings, database)
    yield desk
    desk.runtime.close()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("frequency", ["daily", "weekly", "monthly"])
def test_two_years_of_restarts_and_doubled_beats_bring_each_digest_once(
    desk: DigestDesk, database: Database, zone: str, frequency: str
) -> None:
    random = Random(f"{zone} {frequency}")
    me = Spender(database, timezone=zone)
    now = datetime(2010, 12, 1, 12, tzinfo=UTC)
    end = now + timedelta(days=730 if frequency != "daily" else 430)
    plan = DigestPlan(frequency, random.randrange(24), random.randrange(1, 8), random.choice([1, 15, 29, 31]))  # type: ignore[arg-type]
    with time_machine.travel(now, tick=False) as clock:
        desk.plan(me, plan.frequency, hour=plan.hour, weekday=plan.weekday, day=plan.day)
        while now < end:
            # A beat's thirty seconds would be two million ticks: from one that is due to the next.
            now = max(now + timedelta(seconds=30), _next_at(desk, me))
            # Down for up to two days, as long as no more is missed than is made up for.
            now += timedelta(hours=random.choice([0, 0, 0, 1, 5, 40]))
            clock.move_to(now, tick=False)
            for _ in range(random.choice([1, 2])):
                desk.tick()
    first = due_days(plan, date(2010, 12, 1))
    expected = []
    for day in first:
        due_at = due_instant(plan, day, zone, user_id=me.id)
        if due_at > now:
            break
        if due_at > datetime(2010, 12, 1, 12, tzinfo=UTC):
            expected.append(day)
    assert [end for _, end in desk.periods(me)] == expected
    for run in desk.runs(me):
        local = run.created_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        assert local >= datetime.combine(run.period_end, datetime.min.time())


def _next_at(desk: DigestDesk, me: Spender) -> datetime:
    with desk.database.reading() as session:
        found = load_settings_of(session, user_id=me.id).next_digest_at
        assert found is not None
        return found


def test_two_beats_at_the_same_moment_bring_one_digest(desk: DigestDesk, database: Database) -> None:
    people = [Spender(database) for _ in range(20)]
    with at("2026-05-09T12:00:00"):
        for me in people:
            desk.plan(me, "weekly")
    with at("2026-05-11T09:00:00"), ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: desk.tick(), range(4)))
        assert [len(desk.periods(me)) for me in people] == [1] * 20
        list(threads.map(lambda _: desk.build(), range(4)))
    assert [me.messages()[0][0] for me in people] == ["digest.ready"] * 20
    assert [len(me.messages()) for me in people] == [1] * 20


def test_of_many_missed_days_the_last_are_made_up_for_in_order_and_the_log_says_so(
    desk: DigestDesk, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    me = Spender(database)
    with at("2026-05-01T12:00:00"):
        desk.plan(me, "daily")
    with at("2026-05-11T09:00:00"), caplog.at_level(logging.WARNING):
        desk.run()
    assert [end.day for _, end in desk.periods(me)] == [9, 10, 11]
    assert MAX_CATCH_UP == 3
    assert f"digest.left_out user_id={me.id} count=7" in caplog.text
    days = [data["period_end"] for _, data in me.messages()]
    assert days == ["2026-05-09", "2026-05-10", "2026-05-11"]


def test_another_hour_while_a_digest_is_overdue_does_not_lose_it(
    desk: DigestDesk, database: Database
) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
    with at("2026-05-11T09:30:00"):
        desk.plan(me, "weekly", hour=9)
        desk.run()
    assert [end for _, end in desk.periods(me)] == [date(2026, 5, 11)]
    assert len(me.messages()) == 1


def test_a_digest_that_has_failed_for_good_comes_when_its_job_is_tried_again(
    desk: DigestDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "daily")
    moment = datetime(2026, 5, 11, 9, tzinfo=UTC)
    with time_machine.travel(moment, tick=False) as traveller, monkeypatch.context() as patch:
        desk.tick()

        def failing(*_arguments: object) -> None:
            raise ValueError("figures that cannot be read")

        patch.setattr("workers.tasks.digests.digest_figures", failing)
        for _ in range(MAX_ATTEMPTS):
            desk.build()
            moment += timedelta(hours=1)
            traveller.move_to(moment, tick=False)
    assert [run.state for run in desk.runs(me)] == ["failed"]
    with time_machine.travel(moment, tick=False):
        with database.transaction() as session:
            revive_dead_rows(session)
        assert desk.build() == 1
    assert [run.state for run in desk.runs(me)] == ["sent"]
    assert len(me.messages()) == 1


def test_who_is_held_by_somebody_else_stops_nobodys_digest(
    migrated_copy: Database, settings: Settings
) -> None:
    if migrated_copy.dialect == "sqlite":
        pytest.skip("there is one lock for all")
    changed = structs.replace(settings, database_url=migrated_copy.engine.url.render_as_string(False))
    desk = DigestDesk(changed, migrated_copy)
    held, me = Spender(migrated_copy), Spender(migrated_copy)
    with at("2026-05-10T12:00:00"):
        for one in (held, me):
            desk.plan(one, "daily")
    with at("2026-05-11T09:00:00"):
        with migrated_copy.transaction() as session:
            session.execute(select(User.id).where(User.id == held.id).with_for_update())
            desk.tick()
            assert (len(desk.runs(held)), len(desk.runs(me))) == (0, 1)
        desk.tick()
        assert len(desk.runs(held)) == 1
    desk.runtime.close()


def test_who_is_not_active_gets_none_until_they_are_again(desk: DigestDesk, database: Database) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "daily")
    for is_active, count in ((False, 0), (True, 1)):
        with database.transaction() as session:
            session.execute(update(User).where(User.id == me.id).values(is_active=is_active))
        with at("2026-05-11T09:00:00"):
            desk.run()
        assert len(me.messages()) == count


def test_who_moves_to_another_zone_gets_the_same_digest_there(desk: DigestDesk, database: Database) -> None:
    me = Spender(database, timezone="Europe/Berlin")
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
    with at("2026-05-11T05:00:00"):  # seven in Berlin, two in the afternoon in Tokyo
        me.move_to("Asia/Tokyo")
        desk.run()
        assert [end for _, end in desk.periods(me)] == [date(2026, 5, 11)]
        me.move_to("America/New_York")
    with at("2026-05-11T13:00:00"):
        desk.run()
        assert len(desk.periods(me)) == 1


def test_another_hour_on_the_same_day_brings_no_second_digest(desk: DigestDesk, database: Database) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
    with at("2026-05-11T09:00:00"):
        desk.run()
        desk.plan(me, "weekly", hour=18)
    with at("2026-05-11T19:00:00"):
        desk.run()
    assert len(desk.periods(me)) == 1
    assert len(me.messages()) == 1


def test_settings_that_are_saved_again_do_not_lose_a_digest_that_is_due(
    desk: DigestDesk, database: Database
) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
    with at("2026-05-11T08:30:00"):
        desk.plan(me, "weekly")
        desk.run()
    assert len(me.messages()) == 1


def test_a_user_whose_zone_is_gone_holds_up_nobody(
    desk: DigestDesk, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    lost, me = Spender(database), Spender(database)
    with at("2026-05-10T12:00:00"):
        for one in (lost, me):
            desk.plan(one, "daily")
        _rename_zone(database, lost)
    with at("2026-05-11T09:00:00"):
        desk.run()
    assert [kind for kind, _ in me.messages()] == ["digest.ready"]
    assert lost.messages() == []
    assert f"digest.not_planned user_id={lost.id}" in caplog.text


def _rename_zone(database: Database, me: Spender) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == me.id).values(timezone="Europe/Nowhere"))


def test_a_builder_that_dies_leaves_its_digests_to_the_next_one(
    desk: DigestDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "daily")
    with at("2026-05-11T09:00:00"):
        desk.tick()
        with monkeypatch.context() as patch:

            def killed(*_arguments: object) -> None:
                raise KeyboardInterrupt

            patch.setattr("workers.tasks.digests._build", killed)
            with pytest.raises(KeyboardInterrupt):
                desk.build()
        assert desk.build() == 0  # it is leased
    with time_machine.travel(datetime(2026, 5, 11, 9, tzinfo=UTC) + LEASE, tick=False):
        assert desk.build() == 1
        assert desk.build() == 0
    assert len(me.messages()) == 1


def test_one_digest_that_cannot_be_computed_stops_no_other(
    desk: DigestDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, me = Spender(database), Spender(database)
    with at("2026-05-10T12:00:00"):
        for one in (broken, me):
            desk.plan(one, "daily")
    finish = digests.finish_digests

    def refusing(session: object, built: object) -> int:
        pairs = list(built)  # type: ignore[call-overload]
        if any(digest.user_id == broken.id for digest, _ in pairs):
            raise ValueError("a digest that cannot be kept")
        return finish(session, pairs)  # type: ignore[arg-type]

    monkeypatch.setattr("workers.tasks.digests.finish_digests", refusing)
    with at("2026-05-11T09:00:00"):
        desk.run()
    assert [run.state for run in desk.runs(me)] == ["sent"]
    assert [run.state for run in desk.runs(broken)] == ["queued"]


def test_an_account_that_is_deleted_meanwhile_gets_none(desk: DigestDesk, database: Database) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "daily")
    with at("2026-05-11T09:00:00"):
        desk.tick()
        with database.transaction() as session:
            delete_account(session, user_id=me.id, expected_versions=None)
        assert desk.build() == 0
    assert desk.runs(me) == []


def test_old_digests_are_forgotten(desk: DigestDesk, database: Database) -> None:
    me = Spender(database)
    with at("2025-01-01T12:00:00"):
        desk.plan(me, "daily")
    with at("2025-01-02T12:00:00"):
        desk.run()
    with at("2026-01-02T12:00:00"), database.transaction() as session:
        assert digests.purge_digests(session) == 0
    with at("2026-03-02T12:00:00"), database.transaction() as session:
        assert digests.purge_digests(session) == 1
    assert desk.runs(me) == []
