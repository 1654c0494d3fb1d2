"""Receivers of payments that wait for too long are asked, and asked again, whoever cannot be."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.models import Group, Settlement
from core.queries.settlements import load_settlement
from core.services.settlement_nudges import due_settlements, nudge_receivers
from core.services.settlements import NewSettlement, confirm_settlement, record_settlement
from tests.core.services.household import Household
from tests.core.services.spender import at
from workers.tasks import settlements as task
from workers.tasks.settlements import nudge_all


@pytest.fixture
def home(database: Database) -> Household:
    with at("2026-05-01T00:00:00"):
        return Household(database, "Ada", "Bob", "Cleo")


def pay(home: Household, *, by: str = "Bob", to: str = "Ada") -> UUID:
    payment = NewSettlement(to_member_id=home.ids[to], amount="5.00")
    with home.database.transaction() as session:
        return record_settlement(session, user_id=home.people[by].id, group_id=home.id, settlement=payment).id


def asked(home: Household, name: str) -> list[str]:
    """Ids of the settlements that somebody was reminded of."""
    return [
        data["settlement_id"]
        for kind, data in home.people[name].messages()
        if kind == "settlement.recorded" and data.get("is_reminder")
    ]


def test_a_receiver_is_asked_after_the_groups_days_and_again_after_as_many(home: Household) -> None:
    with at("2026-05-01T00:00:00"):
        paid = pay(home)
    asked_at = []
    for day in ("07", "08", "09", "14", "15", "21", "22"):
        with at(f"2026-05-{day}T00:00:00"):
            if nudge_all(home.database):
                asked_at.append(day)
    assert asked_at == ["08", "15", "22"]
    assert asked(home, "Ada") == [str(paid)] * 3
    assert asked(home, "Bob") == []
    kind, data = home.people["Ada"].messages()[-1]
    assert kind == "settlement.recorded"
    assert data["is_reminder"] is True
    assert (data["by"], data["from_name"], data["to_name"], data["amount"]) == ("Bob", "Bob", "Ada", "5.00")
    assert (data["state"], data["balance"]) == ("pending", "0.00")


def test_each_group_has_its_own_patience(home: Household, database: Database) -> None:
    with at("2026-05-01T00:00:00"):
        patient = Household(database, "Dora", "Emil", settlement_days=30)
        pay(home)
        late = pay(patient, by="Emil", to="Dora")
    with at("2026-05-20T00:00:00"):
        assert nudge_all(database) == 1
    with at("2026-05-31T00:00:00"):
        assert nudge_all(database) == 2
    assert asked(patient, "Dora") == [str(late)]


def test_what_is_not_pending_or_not_there_is_left_alone(home: Household, database: Database) -> None:
    with at("2026-05-01T00:00:00"):
        gone = Household(database, "Dora", "Emil")
        pay(gone, by="Emil", to="Dora")
        confirmed = pay(home)
        with database.transaction() as session:
            confirm_settlement(
                session, user_id=home.people["Ada"].id, group_id=home.id, settlement_id=confirmed
            )
            session.execute(update(Group).where(Group.id == gone.id).values(deleted_at=clock.now()))
        nameless = pay(home, to="Cleo")
    home.set_member("Cleo", user_id=None)
    with at("2026-06-01T00:00:00"):
        assert nudge_all(database) == 0
    with database.reading() as session:
        found = load_settlement(session, group_id=home.id, settlement_id=nameless)
    assert found.nudged_at is None


def test_all_are_asked_in_batches(
    home: Household, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(task, "NUDGE_BATCH", 2)
    with at("2026-05-01T00:00:00"):
        paid = [str(pay(home, to=to)) for to in ("Ada", "Cleo", "Ada", "Cleo", "Ada")]
    with at("2026-05-08T00:00:00"):
        assert nudge_all(database) == 5
        assert nudge_all(database) == 0
    assert sorted(asked(home, "Ada") + asked(home, "Cleo")) == sorted(paid)


def test_one_that_cannot_be_asked_stops_no_other(
    home: Household, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with at("2026-05-01T00:00:00"):
        bad, *good = [pay(home) for _ in range(3)]
    with database.transaction() as session:
        # No currency that ever was: what it amounts to cannot be told.
        session.execute(update(Settlement).where(Settlement.id == bad).values(currency="QQQ"))
    with at("2026-05-08T00:00:00"):
        assert nudge_all(database) == 2
        assert nudge_all(database) == 0
    assert asked(home, "Ada") == [str(one) for one in good]
    assert str(bad) in caplog.text
    with database.transaction() as session:
        session.execute(update(Settlement).where(Settlement.id == bad).values(currency="EUR"))
    with at("2026-05-08T01:00:00"):
        assert nudge_all(database) == 1


def test_a_tick_whose_time_is_over_ends_instead_of_trying_each_by_itself(
    home: Household, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def nudge(_session: Session, keys: Sequence[object]) -> int:
        tried.append(len(keys))
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(task, "nudge_receivers", nudge)
    with at("2026-05-01T00:00:00"):
        for _ in range(3):
            pay(home)
    with at("2026-05-08T00:00:00"), pytest.raises(SoftTimeLimitExceeded):
        nudge_all(database)
    assert tried == [3]


def test_whoever_looks_again_asks_nobody_twice(home: Household, database: Database) -> None:
    """Two ticks may find the same ones due before either has asked."""
    with at("2026-05-01T00:00:00"):
        pay(home)
    with at("2026-05-08T00:00:00"):
        with database.reading() as session:
            keys = due_settlements(session, limit=10)
        counts = []
        for _ in range(2):
            with database.transaction() as session:
                counts.append(nudge_receivers(session, keys))
    assert counts == [1, 0]


def test_one_that_somebody_is_at_is_skipped(home: Household, database: Database) -> None:
    if database.dialect == "sqlite":
        pytest.skip("there is one write lock for all")
    with at("2026-05-01T00:00:00"):
        held, free = pay(home), pay(home)
    with at("2026-05-08T00:00:00"):
        with database.transaction() as session:
            session.execute(select(Settlement.id).where(Settlement.id == held).with_for_update()).all()
            assert nudge_all(database) == 1
        assert asked(home, "Ada") == [str(free)]
        assert nudge_all(database) == 1
