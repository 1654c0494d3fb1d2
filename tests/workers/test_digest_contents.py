"""What digests tell."""

from collections.abc import Iterator
from datetime import date

import pytest

from core.config import Settings
from core.database import Database
from core.mails.digest import digest_letter
from core.queries.digest_documents import read_digest
from core.services.expense_drafts import ExpenseInput
from core.services.recurring_expenses import NewRecurring, set_up_recurring
from core.services.recurring_input import ScheduleInput
from tests.core.services.bookkeeper import Bookkeeper, tick
from tests.core.services.spender import Spender, at
from tests.workers.digest_desk import DigestDesk


@pytest.fixture
def desk(settings: Settings, database: Database) -> Iterator[DigestDesk]:
    desk = DigestDesk(settings, database)
    yield desk
    desk.runtime.close()


def test_a_digest_tells_of_its_period_beside_the_one_before(desk: DigestDesk, database: Database) -> None:
    me = Spender(database, timezone="Europe/Berlin")
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
        me.budget("40.00", kind="weekly", categories=["food"])
        me.spend("10.00", "2026-05-03", category="travel")  # the week before
        me.spend("30.00", "2026-05-04", category="groceries", payee="Market")
        me.spend("20.00", "2026-05-10", category="dining")
    with at("2026-05-11T06:10:00"):
        me.spend("45.00", "2026-05-11", category="groceries")  # of the running week
        desk.run()
    [run] = desk.runs(me)
    assert (run.state, run.period_start, run.period_end) == ("sent", date(2026, 5, 4), date(2026, 5, 11))
    figures = read_digest(run.figures)
    assert figures is not None
    assert (figures.whole.minor, figures.whole.count, figures.before.minor) == (5000, 2, 1000)
    assert [(one.label, one.minor, one.before_minor) for one in figures.categories] == [
        ("food / groceries", 3000, 0),
        ("food / dining", 2000, 0),
        ("travel", 0, 1000),
    ]
    assert [slice_.minor for slice_ in figures.by_day] == [3000, 0, 0, 0, 0, 0, 2000]
    assert [(one.name, one.spent_minor, one.status) for one in figures.budgets] == [
        ("Budget", 5000, "exceeded")
    ]
    [(kind, data)] = me.messages()
    assert kind == "digest.ready"
    assert data["digest_id"] == str(run.id)
    assert (data["spent"], data["spent_before"], data["count"]) == ("50.00", "10.00", 2)
    assert (data["budgets_exceeded"], data["upcoming"]) == (1, 0)


def test_a_months_digest_has_that_months_budgets(desk: DigestDesk, database: Database) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "monthly")
        me.budget("50.00", categories=["food"])
        me.spend("60.00", "2026-05-31", category="food")
    with at("2026-06-01T09:00:00"):
        me.spend("5.00", "2026-06-01", category="food")
        desk.run()
    [run] = desk.runs(me)
    figures = read_digest(run.figures)
    assert figures is not None
    assert [(one.period.start, one.spent_minor, one.status) for one in figures.budgets] == [
        (date(2026, 5, 1), 6000, "exceeded")
    ]


def test_what_there_is_no_room_for_is_counted(
    desk: DigestDesk, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.queries.digest_figures.MAX_UPCOMING", 3)
    monkeypatch.setattr("core.queries.digest_figures.MAX_BUDGETS", 1)
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly")
        me.budget("50.00", categories=["food"])
        me.budget("60.00", categories=["travel"])
        with database.transaction() as session:
            template = ExpenseInput(user_id=me.id, amount="3.00", payee="Bus")
            schedule = ScheduleInput(every=1, unit="day", starts_on=date(2026, 5, 12))
            new = NewRecurring(template=template, schedule=schedule)
            set_up_recurring(session, user_id=me.id, recurring=new)
    with at("2026-05-11T09:00:00"):
        desk.run()
    figures = read_digest(desk.runs(me)[0].figures)
    assert figures is not None
    assert (len(figures.upcoming), figures.more_upcoming) == (3, 3)
    assert (len(figures.budgets), figures.more_budgets) == (1, 1)
    [(_, data)] = me.messages()
    assert data["upcoming"] == 6
    letter = digest_letter(
        figures, to="ada@example.com", told=(), png=None, public_url="", unsubscribe_url="", subjects=""
    )
    assert letter.text.count("and 3 more") == letter.html.count("and 3 more") == 1


def test_a_digest_announces_what_falls_due_in_the_days_after_it(desk: DigestDesk, database: Database) -> None:
    me = Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "weekly", has_empty_digests=False)
        with database.transaction() as session:
            for payee, day, is_variable in (("Rent", 13, False), ("Power", 17, True), ("Later", 18, False)):
                template = ExpenseInput(user_id=me.id, amount="850.00", payee=payee)
                schedule = ScheduleInput(every=1, unit="month", starts_on=date(2026, 5, day))
                new = NewRecurring(template=template, schedule=schedule, is_variable=is_variable)
                set_up_recurring(session, user_id=me.id, recurring=new)
    with at("2026-05-11T09:00:00"):
        desk.run()
    [run] = desk.runs(me)
    figures = read_digest(run.figures)
    assert figures is not None
    assert [(one.payee, one.due_on.day, one.is_variable) for one in figures.upcoming] == [
        ("Rent", 13, False),
        ("Power", 17, True),
    ]


def test_what_awaits_its_amount_is_told_until_it_is_confirmed(desk: DigestDesk, database: Database) -> None:
    me = Bookkeeper(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(me, "daily", has_empty_digests=False)
        power = me.recur(payee="Power", amount="50.00", is_variable=True, count=1)
        tick(database)
    with at("2026-05-11T09:00:00"):
        desk.run()
        me.confirm(power, "2026-05-10", "61.20")
    with at("2026-05-12T09:00:00"):
        desk.run()
    first, second = (read_digest(run.figures) for run in desk.runs(me))
    assert first is not None
    assert [(one.payee, one.due_on.day, one.amount_minor) for one in first.awaiting] == [("Power", 10, 5000)]
    assert first.whole.count == 0
    assert second is None, "nothing is left to be said"
    [data] = [data for kind, data in me.messages() if kind == "digest.ready"]
    assert data["awaiting"] == 1
    letter = digest_letter(
        first, to="ada@example.com", told=(), png=None, public_url="", unsubscribe_url="", subjects=""
    )
    assert "10 May: Power, about €50.00" in letter.text
    assert "Waiting for the amount" in letter.html


def test_nothing_to_say_is_not_said_unless_it_is_asked_for(desk: DigestDesk, database: Database) -> None:
    quiet, curious = Spender(database), Spender(database)
    with at("2026-05-10T12:00:00"):
        desk.plan(quiet, "daily", has_empty_digests=False)
        desk.plan(curious, "daily", has_empty_digests=True)
    with at("2026-05-11T09:00:00"):
        desk.run()
    assert [run.state for run in desk.runs(quiet)] == ["skipped"]
    assert quiet.messages() == []
    assert [kind for kind, _ in curious.messages()] == ["digest.ready"]
