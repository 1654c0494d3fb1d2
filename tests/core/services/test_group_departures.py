"""Whoever leaves while even takes no debts along: they pass to the others, and nobody's balance changes."""

import pytest
from sqlalchemy import select

from core.database import Database
from core.errors import Conflict
from core.models import Posting
from core.models.ledger import MAX_PAIR_BALANCE_MINOR
from core.queries.debts import group_debts
from core.queries.explanations import explain_debts
from core.queries.ledger_invariants import ledger_differences
from core.rules.debts import Transfer
from core.services.group_members import remove_member
from core.services.ledger import Entry, post_entries
from tests.core.services.household import Household

Debts = list[tuple[str, str, str, int]]


class Circle(Household):
    """Ann, Ben and Cleo; whoever owes, owes pair by pair."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, "Ann", "Ben", "Cleo", simplify_debts=False)

    def owe(self, debtor: str, creditor: str, amount: str, currency: str = "EUR") -> None:
        self.add(amount, by=creditor, split=self.equal(debtor), currency=currency)
        self.settle()

    def remove(self, name: str, *, by: str | None = None) -> None:
        user_id = self.people[by or name].id
        with self.database.transaction() as session:
            remove_member(session, user_id=user_id, group_id=self.id, member_id=self.ids[name])

    def debts(self) -> Debts:
        names = {member_id: name for name, member_id in self.ids.items()}
        with self.database.reading() as session:
            found = group_debts(session, group_id=self.id, is_simplified=False)
        return [(one.currency, names[one.from_id], names[one.to_id], one.amount_minor) for one in found]

    def departures(self, name: str) -> set[tuple[int, str]]:
        """Number and currency of each entry."""
        query = select(Posting.entry, Posting.currency).where(
            Posting.source_id == self.ids[name], Posting.source_kind == "departure"
        )
        with self.database.reading() as session:
            return {(row.entry, row.currency) for row in session.execute(query)}

    def is_whole(self) -> bool:
        with self.database.reading() as session:
            return ledger_differences(session, group_id=self.id) == []


@pytest.fixture
def circle(database: Database) -> Circle:
    return Circle(database)


@pytest.mark.parametrize("by", ["Ben", "Ann"])
def test_debts_lead_around_who_has_left(circle: Circle, by: str) -> None:
    circle.owe("Ben", "Ann", "10.00")
    circle.owe("Cleo", "Ben", "10.00")
    before = circle.balances()
    assert circle.debts() == [("EUR", "Ben", "Ann", 1000), ("EUR", "Cleo", "Ben", 1000)]
    circle.remove("Ben", by=by)
    assert circle.debts() == [("EUR", "Cleo", "Ann", 1000)]
    assert circle.balances() == before == {"Ann": "10.00", "Cleo": "-10.00"}
    assert circle.is_whole()


def test_the_departure_explains_the_debt(circle: Circle) -> None:
    circle.owe("Ben", "Ann", "10.00")
    circle.owe("Cleo", "Ben", "10.00")
    circle.owe("Cleo", "Ann", "1.00")
    circle.remove("Ben")
    for is_simplified in (False, True):
        with circle.database.snapshot_rows() as session:
            debts = group_debts(session, group_id=circle.id, is_simplified=is_simplified)
            (why,) = explain_debts(session, group_id=circle.id, debts=debts, is_simplified=is_simplified)
        assert [one.amount_minor for one in debts] == [1100]
        assert sum(one.amount_minor for one in why.postings) == -1100
        departed = [one for one in why.postings if one.source == "departure"]
        assert {(one.description, one.source_id, one.part) for one in departed} == {
            ("Ben left", circle.ids["Ben"], None)
        }
        assert departed[0].on == departed[0].created_at.date()


def test_who_is_even_with_everybody_leaves_nothing_behind(circle: Circle) -> None:
    circle.owe("Ben", "Ann", "10.00")
    circle.owe("Ann", "Ben", "10.00")
    circle.remove("Ben")
    assert circle.departures("Ben") == set()


def test_each_currency_is_passed_on_and_again_when_they_leave_again(circle: Circle) -> None:
    circle.owe("Ben", "Ann", "10.00")
    circle.owe("Cleo", "Ben", "10.00")
    circle.owe("Ben", "Cleo", "700", "JPY")
    circle.owe("Ann", "Ben", "700", "JPY")
    circle.remove("Ben")
    assert circle.debts() == [("EUR", "Cleo", "Ann", 1000), ("JPY", "Ann", "Cleo", 700)]
    assert circle.departures("Ben") == {(1, "EUR"), (2, "JPY")}
    circle.set_member("Ben", left_at=None)
    circle.owe("Ben", "Cleo", "4.00")
    circle.owe("Ann", "Ben", "4.00")
    circle.remove("Ben")
    assert circle.departures("Ben") == {(1, "EUR"), (2, "JPY"), (3, "EUR")}
    assert circle.debts() == [("EUR", "Cleo", "Ann", 600), ("JPY", "Ann", "Cleo", 700)]
    assert circle.balances() == {"Ann": "6.00", "Cleo": "-6.00"}
    assert circle.is_whole()


def test_nobody_leaves_who_would_pass_on_more_than_can_be_kept(circle: Circle) -> None:
    circle.owe("Ben", "Ann", "10.00")
    circle.owe("Cleo", "Ben", "10.00")
    with circle.database.transaction() as session:
        much = Transfer(circle.ids["Cleo"], circle.ids["Ann"], MAX_PAIR_BALANCE_MINOR)
        entry = Entry(
            group_id=circle.id,
            source_kind="departure",
            source_id=circle.ids["Ann"],
            number=1,
            currency="EUR",
            debts=(much,),
        )
        post_entries(session, [entry])
    before = circle.debts()
    with pytest.raises(Conflict, match="larger than can be kept"):
        circle.remove("Ben")
    assert circle.debts() == before
