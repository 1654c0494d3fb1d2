"""Recurring expenses that move to another account: what was handled there is not handled again here."""

from uuid import UUID

from sqlalchemy import select

from core.models import Expense, RecurringOccurrence
from core.queries.recurring_expenses import list_recurring
from core.services.recurring_occurrences import confirm_occurrence
from tests.archives.archivist import Archivist
from tests.core.services.bookkeeper import Bookkeeper, tick
from tests.core.services.spender import at


def posted(archivist: Archivist, user_id: UUID) -> list[str]:
    query = select(Expense.spent_on).where(Expense.user_id == user_id, Expense.deleted_at.is_(None))
    with archivist.database.reading() as session:
        return sorted(str(day) for day in session.scalars(query))


def test_what_was_handled_before_a_move_is_not_handled_again(archivist: Archivist) -> None:
    with at("2026-03-01T12:00:00"):
        before = Bookkeeper(archivist.database)
        before.recur("FREQ=DAILY")
        power = before.recur("FREQ=DAILY", is_variable=True, ends_on="2026-03-01")
        skipping = before.recur("FREQ=DAILY;INTERVAL=2", category="food")
        tick(archivist.database)
        before.skip(skipping, "2026-03-05")
        content = archivist.export(before.id)
        before.pause(skipping)
    with at("2026-03-03T12:00:00"):
        after = archivist.new_account()
        done = archivist.take_in(after, content)
        assert (done.state, done.problem_count) == ("succeeded", 0)
        assert posted(archivist, after) == ["2026-03-01", "2026-03-01"]
        tick(archivist.database)
        caught_up = ["2026-03-02", "2026-03-03", "2026-03-03"]
        assert posted(archivist, after) == ["2026-03-01", "2026-03-01", *caught_up]
        with archivist.database.transaction() as session:
            confirm_occurrence(
                session,
                user_id=after,
                recurring_id=power,
                due_on=before.find(power).starts_on,
                amount="5.00",
            )
        assert archivist.take_in(after, content).committed_count == 0
    with at("2026-03-05T12:00:00"):
        tick(archivist.database)
        assert posted(archivist, after).count("2026-03-05") == 1
        assert before.posted().count("2026-03-01") == 2


def test_undoing_takes_them_out_and_leaves_what_they_have_posted_since(archivist: Archivist) -> None:
    with at("2026-03-01T12:00:00"):
        before = Bookkeeper(archivist.database)
        before.recur("FREQ=DAILY", category="food")
        tick(archivist.database)
        content = archivist.export(before.id)
    with at("2026-03-02T12:00:00"):
        after = archivist.new_account()
        done = archivist.take_in(after, content)
        tick(archivist.database)
        archivist.undo(done)
        assert posted(archivist, after) == ["2026-03-02"]
        with archivist.database.reading() as session:
            assert list_recurring(session, user_id=after) == []
            own = select(RecurringOccurrence).where(RecurringOccurrence.user_id == after)
            assert session.scalars(own).all() == []
