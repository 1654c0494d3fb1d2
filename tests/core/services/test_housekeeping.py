"""What has outlived its promise goes, and nothing else; what should never be is found."""

from datetime import timedelta
from types import SimpleNamespace
from uuid import UUID

import pytest
from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from core import clock
from core.database import Database
from core.models import (
    DailySpending,
    Expense,
    ExpenseLine,
    IdempotencyKey,
    LoginSession,
    Notification,
    RefreshToken,
)
from core.queries.invariants import SpendingDifference, spending_differences
from core.queries.ledger_invariants import LedgerDifference
from core.queries.notifications import numbering_gaps
from core.services.expense_drafts import ExpenseInput
from core.services.expenses import TRASH_LIFETIME, purge_trash, record_expenses
from core.services.idempotency import KeyedRequest, claim_keys, purge_keys
from core.services.purging import PURGE_BATCH
from core.services.sessions import (
    OpenSession,
    open_session,
    purge_refresh_tokens,
    purge_sessions,
    revoke_session,
    rotate_refresh_token,
)
from tests.core.services.household import Household
from tests.core.services.spender import Spender, at
from workers import process
from workers.tasks.housekeeping import check_invariants_task


@pytest.fixture
def me(database: Database) -> Spender:
    with at("2026-01-01T00:00:00"):
        return Spender(database)


def log_in(me: Spender) -> OpenSession:
    with me.database.transaction() as session:
        return open_session(session, user_id=me.id, user_agent=None, ip_address=None)


def test_what_lay_in_the_trash_for_thirty_days_is_gone_for_good(me: Spender, database: Database) -> None:
    with at("2026-01-01T00:00:00"):
        kept = me.spend("1.00", "2025-01-01")
        old = me.spend("3.00", "2026-01-01", lines=[("food", "1.00"), ("travel", "2.00")], tags=("a", "b"))
        me.delete(old)
    with at("2026-01-02T00:00:00"):
        later = me.spend("2.00", "2026-01-02")
        me.delete(later)
    with at("2026-01-31T00:00:00"), database.transaction() as session:
        assert purge_trash(session) == 0
    with at("2026-01-31T00:00:01"), database.transaction() as session:
        assert purge_trash(session) == 1
        assert set(session.scalars(select(Expense.id))) == {kept, later}
        assert session.scalars(select(ExpenseLine.expense_id)).all() == []
        assert spending_differences(session) == []
    with at("2026-01-31T00:00:01"):
        me.restore(later)


def test_the_trash_is_emptied_in_batches(me: Spender, database: Database) -> None:
    items = [ExpenseInput(user_id=me.id, amount="1.00")] * (PURGE_BATCH + 1)
    with database.transaction() as session:
        record_expenses(session, items=items)
        long_ago = clock.now() - TRASH_LIFETIME - timedelta(seconds=1)
        session.execute(update(Expense).values(deleted_at=long_ago))
    purged = []
    for _ in range(3):
        with database.transaction() as session:
            purged.append(purge_trash(session))
    assert purged == [PURGE_BATCH, 1, 0]


def test_logins_go_a_week_after_their_end(me: Spender, database: Database) -> None:
    with at("2026-01-01T00:00:00"):
        used, forgotten, ended = log_in(me), log_in(me), log_in(me)
        with database.transaction() as session:
            assert revoke_session(session, user_id=me.id, session_id=ended.session_id)

    def left_after_purge() -> set[str]:
        names = {used.session_id: "used", forgotten.session_id: "forgotten", ended.session_id: "ended"}
        with database.transaction() as session:
            purge_refresh_tokens(session)
            purge_sessions(session)
            return {names[one] for one in session.scalars(select(LoginSession.id))}

    with at("2026-01-08T00:00:00"):
        assert left_after_purge() == {"used", "forgotten", "ended"}
    with at("2026-01-08T00:00:01"):
        assert left_after_purge() == {"used", "forgotten"}
    with at("2026-01-30T00:00:00"), database.transaction() as session:
        renewed = rotate_refresh_token(session, refresh_token=used.refresh_token)
        assert isinstance(renewed, OpenSession)
    # A month after they began both would have ended on the 31st; only one was used meanwhile.
    with at("2026-02-07T00:00:00"):
        assert left_after_purge() == {"used", "forgotten"}
    with at("2026-02-07T00:00:01"):
        assert left_after_purge() == {"used"}
        with database.transaction() as session:
            assert len(session.scalars(select(RefreshToken.token_hash)).all()) == 1
            again = rotate_refresh_token(session, refresh_token=renewed.refresh_token)
            assert isinstance(again, OpenSession)


def test_stored_answers_go_after_a_day(me: Spender, database: Database) -> None:
    def keys_left() -> list[str]:
        with database.transaction() as session:
            purge_keys(session)
            return list(session.scalars(select(IdempotencyKey.key).order_by(IdempotencyKey.key)))

    for key, time in (("first", "2026-01-01T00:00:00"), ("second", "2026-01-01T00:00:01")):
        with at(time), database.transaction() as session:
            claim_keys(session, [KeyedRequest(me.id, key, b"-" * 32)])
    with at("2026-01-02T00:00:00"):
        assert keys_left() == ["first", "second"]
    with at("2026-01-02T00:00:01"):
        assert keys_left() == ["second"]


def test_a_falsified_total_and_a_missing_number_are_found(me: Spender, database: Database) -> None:
    other = Spender(database)
    for spender in (me, other):
        spender.budget("10.00")
        spender.spend("9.00")
        spender.spend("9.00")
        spender.settle()
        assert len(spender.messages()) == 2
    with database.transaction() as session:
        assert spending_differences(session) == []
        assert numbering_gaps(session) == []
        session.execute(
            update(DailySpending).where(DailySpending.user_id == me.id).values(amount_minor=17_00)
        )
        session.execute(delete(Notification).where(Notification.user_id == other.id, Notification.seq == 1))
    with database.reading() as session:
        (wrong,) = spending_differences(session)
        assert (wrong.user_id, wrong.kept_minor, wrong.actual_minor) == (me.id, 17_00, 18_00)
        assert numbering_gaps(session) == [other.id]


def test_spending_too_large_to_be_proved_in_time_is_told_and_stops_nothing(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database = Database(postgres_url, pool_size=2)
    first, second = Spender(database), Household(database, "Ada")
    asked = []

    def differences(session: Session, *, user_id: UUID) -> list[SpendingDifference]:
        asked.append(user_id)
        if user_id == first.id:
            session.execute(text("SET statement_timeout = 10"))
            session.execute(text("SELECT pg_sleep(5)"))
        session.execute(text("SET statement_timeout = 30000"))
        return []

    def ledger(_session: Session, *, group_id: UUID) -> list[LedgerDifference]:
        asked.append(group_id)
        return []

    monkeypatch.setattr(process, "_runtime", SimpleNamespace(database=database))
    monkeypatch.setattr("core.services.invariant_checks.spending_differences", differences)
    monkeypatch.setattr("core.services.invariant_checks.ledger_differences", ledger)
    check_invariants_task()
    assert asked == [first.id, second.people["Ada"].id, second.id]
    assert f"invariant.not_proved check=daily_spending subject=user={first.id}" in caplog.text
    database.close()


@pytest.mark.parametrize("seq", [1, 2, 3])
def test_a_gap_in_the_numbers_is_found_wherever_it_is(me: Spender, database: Database, seq: int) -> None:
    me.budget("10.00", thresholds=[10, 20, 30])
    me.spend("9.00")
    me.settle()
    with database.transaction() as session:
        session.execute(delete(Notification).where(Notification.seq == seq))
        assert numbering_gaps(session) == [me.id]


def test_a_number_below_the_first_one_fills_no_gap(me: Spender, database: Database) -> None:
    me.budget("10.00", thresholds=[10, 20])
    me.spend("9.00")
    me.settle()
    with database.transaction() as session:
        is_first = (Notification.user_id == me.id) & (Notification.seq == 1)
        session.execute(update(Notification).where(is_first).values(seq=0))
        assert numbering_gaps(session) == [me.id]
