"""What the nightly checks find is kept: by its name, until the same check has come to its end again."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.database import Database
from core.models import (
    DailySpending,
    Expense,
    ExpenseLine,
    ExpenseTag,
    InvariantCheck,
    Notification,
    PairBalance,
)
from core.queries.invariant_checks import STALE_AFTER, CheckResult, check_results
from core.services import invariant_checks
from core.services.audit import Action, record_action
from core.services.invariant_checks import CHECKS, MAX_DETAILS, Proof, keep_proof, prove
from tests.core.services.household import Household
from tests.core.services.spender import Spender, at
from workers.tasks.housekeeping import check_invariants, due_checks

NAMES = [
    "audit_trail",
    "daily_conversions",
    "daily_spending",
    "expense_parts",
    "group_ledger",
    "notification_numbers",
    "references",
]


@pytest.fixture
def me(database: Database) -> Spender:
    with at("2026-01-01T00:00:00"):
        return Spender(database)


def check_all(database: Database) -> None:
    check_invariants(database, CHECKS)


def failures(database: Database) -> dict[str, int]:
    with database.reading() as session:
        return {one.name: one.failures for one in check_results(session)}


def stored(database: Database, name: str) -> InvariantCheck:
    with database.reading() as session:
        return session.scalars(select(InvariantCheck).where(InvariantCheck.name == name)).one()


def falsify(me: Spender) -> None:
    with me.database.transaction() as session:
        is_mine = DailySpending.user_id == me.id
        session.execute(update(DailySpending).where(is_mine).values(amount_minor=17_00))


def test_every_check_leaves_its_result(me: Spender, database: Database) -> None:
    me.spend("9.00")
    with at("2026-01-02T03:41:00"):
        check_all(database)
    with database.reading() as session:
        results = check_results(session)
    assert [one.name for one in results] == NAMES == sorted(CHECKS)
    assert {(one.checked_at, one.failures, one.unproved) for one in results} == {
        (datetime(2026, 1, 2, 3, 41, tzinfo=UTC), 0, 0)
    }


@pytest.mark.parametrize(
    "damage",
    [
        update(ExpenseLine).values(amount_minor=ExpenseLine.amount_minor + 1),
        delete(ExpenseLine).where(ExpenseLine.position == 0),
        update(Expense).values(line_count=0),
        delete(ExpenseTag),
        update(Expense).values(tag_count=2),
    ],
    ids=["line changed", "line lost", "lines denied", "tag lost", "tags claimed"],
)
def test_lines_and_tags_are_what_their_expense_says(me: Spender, database: Database, damage: Any) -> None:
    me.spend("9.00", lines=(("food", "4.00"), ("travel", "5.00")), tags=("lunch",))
    me.spend("-3.00")
    check_all(database)
    assert failures(database)["expense_parts"] == 0
    with database.transaction() as session:
        session.execute(damage)
    check_all(database)
    assert failures(database)["expense_parts"] >= 1


def test_each_kind_of_damage_is_counted_under_its_name_and_no_longer_once_it_is_mended(
    me: Spender, database: Database
) -> None:
    me.budget("10.00")
    me.spend("9.00")
    me.settle()
    home = Household(database, "Ada", "Bob")
    home.add("10.00")
    home.settle()
    falsify(me)
    with database.transaction() as session:
        session.execute(delete(Notification).where(Notification.user_id == me.id))
        session.execute(
            update(PairBalance).where(PairBalance.member_id == home.ids["Ada"]).values(amount_minor=1)
        )
    check_all(database)
    found = failures(database)
    assert (found["daily_spending"], found["notification_numbers"], found["daily_conversions"]) == (1, 1, 0)
    assert found["group_ledger"] >= 1
    [detail] = stored(database, "daily_spending").details
    assert detail.startswith(f"user={me.id} SpendingDifference(")
    with database.transaction() as session:
        is_mine = DailySpending.user_id == me.id
        session.execute(update(DailySpending).where(is_mine).values(amount_minor=9_00))
    check_all(database)
    assert failures(database)["daily_spending"] == 0
    assert stored(database, "daily_spending").details == []


def test_a_check_that_is_killed_in_the_middle_leaves_the_former_results(
    me: Spender, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me.spend("9.00")
    with at("2026-01-02T03:41:00"):
        check_all(database)
    falsify(me)

    def out_of_time(_session: Session) -> Any:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(invariant_checks, "CHECKS", CHECKS | {"daily_conversions": out_of_time}, raising=True)
    monkeypatch.setattr("workers.tasks.housekeeping.CHECKS", invariant_checks.CHECKS)
    with at("2026-01-03T03:41:00"), pytest.raises(SoftTimeLimitExceeded):
        check_all(database)
    with database.reading() as session:
        days = {one.name: (one.checked_at.day, one.failures) for one in check_results(session)}
    # The first one had come to its end; the others had not, or not begun.
    assert days == {name: (3, 1) if name == "daily_spending" else (2, 0) for name in NAMES}


def test_one_check_that_breaks_stops_no_other(
    me: Spender, database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_session: Session) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(invariant_checks, "CHECKS", CHECKS | {"daily_spending": broken})
    check_all(database)
    assert sorted(failures(database)) == [name for name in NAMES if name != "daily_spending"]
    assert "invariant.not_checked check=daily_spending" in caplog.text


def test_what_cannot_be_read_is_a_failure_of_its_subject_and_stops_nothing(
    sqlite_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(sqlite_url, pool_size=1)
    me, other = Spender(database), Spender(database)
    for spender in (me, other):
        spender.spend("9.00")
        falsify(spender)
    with database.transaction() as session:
        session.execute(
            text("UPDATE expenses SET spent_on = 'secret' WHERE user_id = :id"), {"id": me.id.hex}
        )
    check_all(database)
    found = stored(database, "daily_spending")
    assert found.details[0] == f"user={me.id} ValueError"
    assert found.details[1].startswith(f"user={other.id} SpendingDifference(")
    assert (found.failures, len(failures(database))) == (2, len(CHECKS))
    assert "secret" not in caplog.text
    database.close()


def test_subjects_that_cannot_be_listed_are_one_failure_after_those_before_them(
    me: Spender, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def subjects(_session: Session) -> Any:
        yield "one", lambda: ["wrong"]
        raise ValueError("badly formed")

    monkeypatch.setattr(invariant_checks, "CHECKS", CHECKS | {"daily_spending": subjects})
    check_all(database)
    assert stored(database, "daily_spending").details == ["one wrong", "of all others ValueError"]


def test_a_database_that_is_away_is_no_finding(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def subjects(_session: Session) -> Any:
        yield "one", away

    def away() -> Any:
        raise OperationalError("", None, psycopg.OperationalError())

    monkeypatch.setattr(invariant_checks, "CHECKS", {"daily_spending": subjects})
    with pytest.raises(OperationalError), database.reading() as session:
        prove(session, name="daily_spending")


def test_what_refers_to_nothing_is_found_where_sqlite_was_written_to_by_others(
    sqlite_url: str,
) -> None:
    database = Database(sqlite_url, pool_size=1)
    me = Spender(database)
    me.spend("9.00", category="travel")
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as shell:
        shell.execute("DELETE FROM categories WHERE id = ?", (me.categories["travel"].hex,))
        shell.commit()
    check_all(database)
    found = stored(database, "references")
    assert found.details == ["table=expenses LostReference(rowid=1, parent='categories')"]
    database.close()


def test_a_night_that_was_missed_is_made_up_for_by_day_and_once(database: Database) -> None:
    with at("2026-01-02T10:41:00"):
        assert due_checks(database) == list(CHECKS), "a fresh installation checks at once"
        check_all(database)
        assert due_checks(database) == []
    with at("2026-01-03T02:41:00"):
        assert due_checks(database) == []
    with at("2026-01-03T03:41:00"):
        check_invariants(database, due_checks(database)[:2])
    with at("2026-01-03T04:41:00"):
        assert due_checks(database) == list(CHECKS)[2:], "it goes on with what was not reached"
    with at("2026-01-05T21:41:00"):
        assert due_checks(database) == list(CHECKS)


def test_of_two_at_once_the_one_that_began_later_counts(database: Database) -> None:
    with at("2026-01-02T00:00:00"):
        early = Proof("daily_spending", datetime(2026, 1, 1, tzinfo=UTC), failures=1, details=["one"])
        late = Proof("daily_spending", datetime(2026, 1, 2, tzinfo=UTC))
        for proof in (late, early):
            with database.transaction() as session:
                keep_proof(session, proof)
    assert failures(database) == {"daily_spending": 0}


def test_only_the_first_details_are_kept(me: Spender, database: Database) -> None:
    for day in range(1, MAX_DETAILS + 3):
        me.spend("9.00", f"2026-01-{day:02}")
    falsify(me)
    with database.reading() as session:
        proof = prove(session, name="daily_spending")
    assert (proof.failures, len(proof.details)) == (MAX_DETAILS + 2, MAX_DETAILS)
    assert not proof.is_whole


def test_a_result_is_stale_after_three_days() -> None:
    result = CheckResult("daily_spending", datetime(2026, 1, 1, tzinfo=UTC), 0, 0)
    assert timedelta(days=3) == STALE_AFTER
    with at("2026-01-04T00:00:00"):
        assert not result.is_stale
    with at("2026-01-04T00:00:01"):
        assert result.is_stale


@pytest.mark.parametrize(
    "spelling",
    ["upper(user_id)", "'nobody'", "CAST(user_id AS BLOB)", "user_id || char(0)", "CAST(x'ff' AS TEXT)"],
)
def test_a_trail_of_what_is_no_id_is_broken_and_stops_no_proof_of_others(
    database: Database, spelling: str
) -> None:
    if database.dialect == "postgresql":
        pytest.skip("it has a type for ids")
    owner = Spender(database)
    with database.transaction() as session:
        record_action(session, Action(owner.id, "session.opened", owner.id, owner.id))
    with database.transaction() as session:
        columns = "at, actor_id, action, object_id, details, hash FROM audit_events WHERE user_id = :owner_id"
        forged = text(f"INSERT INTO audit_events SELECT {spelling}, seq + 1, {columns}")
        session.execute(forged, {"owner_id": owner.id.hex})
    with database.reading() as session:
        proof = prove(session, name="audit_trail")
    [detail] = proof.details
    assert detail.startswith(f"user={UUID(int=0)} ")
    assert detail.endswith(" is no user's id")
