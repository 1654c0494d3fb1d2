"""Who may ask for which reports, and which changes make them stale."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import update

from core.database import Database
from core.errors import Conflict, InvalidInput, NotFound
from core.models import Report
from core.queries.reports import ReportRecord, list_reports, load_report
from core.rate_files import DailyRate
from core.rules.conversion import RATE_SCALE
from core.services import budgets, reports
from core.services.categories import change_category
from core.services.exchange_rates import store_rates
from core.services.report_upkeep import mark_stale
from core.services.reports import NewReport, delete_report, request_report
from core.services.settlements import NewSettlement, confirm_settlement, record_settlement
from tests.core.services.household import Household
from tests.core.services.spender import Spender, at, settle_evaluations

NOW = "2026-06-10T12:00:00"


def ask(me: Spender, period: str, **fields: Any) -> ReportRecord:
    new = NewReport(kind="monthly" if "-" in period else "yearly", period=period, **fields)
    with me.database.transaction() as session:
        return request_report(session, user_id=me.id, report=new)


def wrong_field(error: pytest.ExceptionInfo[InvalidInput]) -> str:
    (field,) = error.value.fields
    return field.pointer


def stale(me: Spender) -> list[str]:
    """The months and years of the reports that are stale, the oldest first."""
    with me.database.reading_rows() as rows:
        found = list_reports(rows, user_id=me.id, kind=None, before=None, limit=100)
    return sorted(
        str(one.period_start)[: 4 if one.kind == "yearly" else 7] for one in found if one.stale_since
    )


def with_reports(me: Spender, *periods: str) -> Spender:
    """Reports that wait to be built, so nothing is known to have changed since."""
    with at(NOW):
        for period in periods:
            ask(me, period)
    return me


@pytest.mark.parametrize(
    ("kind", "period", "currency", "field"),
    [
        ("monthly", "2026", None, "/period"),
        ("yearly", "2026-05", None, "/period"),
        ("monthly", "2026-07", None, "/period"),
        ("yearly", "2027", None, "/period"),
        ("monthly", "1899-12", None, "/period"),
        ("monthly", "2026-05", "EURO", "/currency"),
        ("monthly", "2026-05", "XXX", "/currency"),
    ],
)
def test_what_is_wrong_is_named(
    database: Database, kind: Any, period: str, currency: str | None, field: str
) -> None:
    me = Spender(database)
    with at(NOW), database.transaction() as session, pytest.raises(InvalidInput) as error:
        request_report(session, user_id=me.id, report=NewReport(kind=kind, period=period, currency=currency))
    assert wrong_field(error) == field


def test_a_month_may_be_asked_for_from_its_first_moment_on(database: Database) -> None:
    me = Spender(database, timezone="Europe/Berlin")
    with at("2026-05-31T21:59:59"), pytest.raises(InvalidInput):
        ask(me, "2026-06")
    with at("2026-05-31T22:00:00"):
        assert ask(me, "2026-06").currency == "EUR"


def test_there_may_be_so_many_and_so_many_that_wait(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    me = Spender(database)
    monkeypatch.setattr(reports, "MAX_PENDING", 2)
    monkeypatch.setattr(reports, "MAX_REPORTS", 3)
    with at(NOW):
        first = ask(me, "2026-03")
        ask(me, "2026-04")
        with pytest.raises(Conflict, match="still to be built"):
            ask(me, "2026-05")
        assert ask(me, "2026-03").id == first.id, "it waits already"
        with database.transaction() as session:
            session.execute(update(Report).where(Report.user_id == me.id).values(state="succeeded"))
        ask(me, "2026-05")
        with pytest.raises(Conflict, match="delete one first"):
            ask(me, "2026-06")
        with database.transaction() as session:
            delete_report(session, user_id=me.id, report_id=first.id)
        ask(me, "2026-06")


def test_a_stranger_finds_none_of_them(database: Database) -> None:
    me, stranger = Spender(database), Spender(database)
    with at(NOW):
        report = ask(me, "2026-05")
    with database.transaction() as session:
        with pytest.raises(NotFound):
            load_report(session, user_id=stranger.id, report_id=report.id)
        with pytest.raises(NotFound):
            delete_report(session, user_id=stranger.id, report_id=report.id)
        assert list_reports(session, user_id=stranger.id, kind=None, before=None, limit=10) == []


def test_spending_makes_those_stale_that_end_after_its_day(database: Database) -> None:
    me = with_reports(Spender(database), "2025", "2026-04", "2026-05", "2026-06", "2026")
    me.spend("1.00", "2026-05-31")
    assert stale(me) == []
    me.settle()
    assert stale(me) == ["2026", "2026-05", "2026-06"]


def test_of_several_users_each_ones_own_day_counts(database: Database) -> None:
    me = with_reports(Spender(database), "2026-04", "2026-05")
    you = with_reports(Spender(database), "2026-04", "2026-05")
    me.spend("1.00", "2026-05-01")
    you.spend("1.00", "2026-04-01")
    me.settle()
    assert (stale(me), stale(you)) == (["2026-05"], ["2026-04", "2026-05"])


CHANGES: dict[str, Callable[[Spender, UUID], Any]] = {
    "an amount": lambda me, expense: me.revise(expense, amount="7.00"),
    "a payee": lambda me, expense: me.revise(expense, payee="Kiosk"),
    "tags": lambda me, expense: me.revise(expense, tags=("new",)),
    "a category": lambda me, expense: me.revise(expense, category="travel"),
    "a day": lambda me, expense: me.revise(expense, spent_on="2026-06-03"),
    "its deletion": lambda me, expense: me.delete(expense),
    "a budget": lambda me, expense: me.budget("5.00"),
    "the time zone": lambda me, expense: me.move_to("Asia/Tokyo"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_it_tells_of_makes_it_stale(database: Database, change: str) -> None:
    me = Spender(database)
    expense = me.spend("6.00", "2026-05-05")
    me.settle()
    with_reports(me, "2026-05")
    CHANGES[change](me, expense)
    me.settle()
    assert stale(me) == ["2026-05"]


def test_a_note_is_nothing_to_it(database: Database) -> None:
    me = Spender(database)
    expense = me.spend("6.00", "2026-05-05")
    me.settle()
    with_reports(me, "2026-05")
    me.revise(expense, note="with Grace")
    me.settle()
    assert stale(me) == []


def test_the_name_of_a_category_and_the_end_of_a_budget_are_told(database: Database) -> None:
    me = Spender(database)
    budget_id = me.budget("5.00")
    me.settle()
    with_reports(me, "2026-05")
    with database.transaction() as session:
        change_category(session, user_id=me.id, category_id=me.categories["food"], changes={"name": "Eating"})
    assert stale(me) == ["2026-05"]
    you = Spender(database)
    budget_id = you.budget("5.00")
    you.settle()
    with_reports(you, "2026-05")
    with database.transaction() as session:
        budgets.delete_budget(session, user_id=you.id, budget_id=budget_id)
    assert stale(you) == ["2026-05"]


def test_rates_that_arrive_late_are_for_those_who_convert(database: Database) -> None:
    me, you = Spender(database), Spender(database)
    me.spend("6.00", "2026-05-05", currency="USD")
    you.spend("6.00", "2026-05-05")
    me.settle()
    for one in (me, you):
        with_reports(one, "2026-04", "2026-05")
    with database.transaction() as session:
        rate = DailyRate(date(2026, 5, 4), "USD", RATE_SCALE)
        store_rates(session, rates=[rate], source="test")
        settle_evaluations(session)
    assert (stale(me), stale(you)) == (["2026-05"], [])


def test_an_expense_of_a_group_is_told_of_to_those_who_have_a_part_in_it(database: Database) -> None:
    home = Household(database, "Ada", "Ben", "Cleo")
    home.set_member("Ben", mirrors_expenses=False)
    for one in home.people.values():
        with_reports(one, "2026-04", "2026-05")
    expense = home.add("10.00", split=home.equal("Ada", "Ben"), spent_on=date(2026, 5, 3))
    home.settle()
    assert [stale(home.people[name]) for name in ("Ada", "Ben", "Cleo")] == [["2026-05"], ["2026-05"], []]
    home.revise(expense, spent_on=date(2026, 4, 3))
    home.settle()
    assert stale(home.people["Ben"]) == ["2026-04", "2026-05"]


def test_an_expense_of_a_group_that_moves_to_a_later_month_leaves_the_earlier_one(database: Database) -> None:
    home = Household(database, "Ada", "Ben")
    home.set_member("Ben", mirrors_expenses=False)
    expense = home.add("10.00", spent_on=date(2026, 4, 3))
    home.settle()
    ben = with_reports(home.people["Ben"], "2026-04", "2026-05")
    home.revise(expense, spent_on=date(2026, 5, 3))
    home.settle()
    assert stale(ben) == ["2026-04", "2026-05"]


def test_a_payment_counts_from_its_day_on_once_it_is_confirmed(database: Database) -> None:
    home = Household(database, "Ada", "Ben", "Cleo")
    for one in home.people.values():
        with_reports(one, "2026-04", "2026-05")
    payment = NewSettlement(to_member_id=home.ids["Ada"], amount="5.00", paid_on=date(2026, 5, 1))
    with database.transaction() as session:
        recorded = record_settlement(
            session, user_id=home.people["Ben"].id, group_id=home.id, settlement=payment
        )
    assert stale(home.people["Ada"]) == []
    with database.transaction() as session:
        confirm_settlement(
            session, user_id=home.people["Ada"].id, group_id=home.id, settlement_id=recorded.id
        )
    assert [stale(home.people[name]) for name in ("Ada", "Ben", "Cleo")] == [["2026-05"], ["2026-05"], []]


def test_what_is_stale_already_is_so_since_the_first_time(database: Database) -> None:
    me = with_reports(Spender(database), "2026-05")
    for instant in ("2026-06-11T00:00:00", "2026-06-12T00:00:00"):
        with at(instant), database.transaction() as session:
            mark_stale(session, {me.id: None})
    with database.reading_rows() as rows:
        (report,) = list_reports(rows, user_id=me.id, kind="monthly", before=None, limit=10)
    assert str(report.stale_since) == "2026-06-11 00:00:00+00:00"
    assert report.version == 2
