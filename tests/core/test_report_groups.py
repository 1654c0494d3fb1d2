"""How somebody stands in their groups at the beginning and the end of a month."""

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.database import Database
from core.queries.report_groups import GroupStanding, group_standings
from core.rules.periods import Period
from core.services.group_members import remove_member
from core.services.settlements import NewSettlement, record_settlement
from tests.core.services.household import Household

MAY = Period(date(2026, 5, 1), date(2026, 6, 1))
NAMES = ("Ada", "Ben", "Cleo")


@dataclass(frozen=True)
class Event:
    """An expense of all three that somebody paid, or with a receiver a payment, in euro cents."""

    day: date
    by: str
    minor: int
    to: str | None


DAYS = st.dates(date(2026, 3, 1), date(2026, 8, 1))
EXPENSES = st.builds(
    Event, DAYS, st.sampled_from(NAMES), st.integers(1, 3_000).map(lambda part: 3 * part), st.none()
)
PAYMENTS = st.tuples(DAYS, st.permutations(NAMES), st.integers(1, 9_999)).map(
    lambda one: Event(one[0], one[1][0], one[2], one[1][1])
)


def standings(home: Household, name: str, period: Period = MAY) -> list[GroupStanding]:
    with home.database.reading_rows() as rows:
        return group_standings(rows, user_id=home.people[name].id, period=period)


def pay(home: Household, payer: str, receiver: str, amount: str, on: date) -> UUID:
    """Recorded by the receiver, and so confirmed."""
    payment = NewSettlement(
        from_member_id=home.ids[payer], to_member_id=home.ids[receiver], amount=amount, paid_on=on
    )
    with home.database.transaction() as session:
        return record_settlement(
            session, user_id=home.people[receiver].id, group_id=home.id, settlement=payment
        ).id


def move_of(event: Event, name: str) -> int:
    """What the event adds to somebody's balance."""
    if event.to is not None:
        return event.minor * ((event.by == name) - (event.to == name))
    return event.minor * (event.by == name) - event.minor // 3


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(EXPENSES | PAYMENTS, max_size=8))
def test_balances_are_those_of_everything_that_is_dated_until_then(
    database: Database, events: list[Event]
) -> None:
    home = Household(database, *NAMES)
    for event in events:
        amount = f"{event.minor // 100}.{event.minor % 100:02d}"
        if event.to is None:
            home.add(amount, by=event.by, spent_on=event.day)
        else:
            pay(home, event.by, event.to, amount, event.day)
    home.settle()
    for name in NAMES:
        before = sum(move_of(one, name) for one in events if one.day < MAY.start)
        within = [one for one in events if one.day in MAY]
        after = before + sum(move_of(one, name) for one in within)
        found = standings(home, name)
        if not found:
            concerning = [one for one in within if one.to is None or name in (one.by, one.to)]
            assert (after, concerning) == (0, [])
            continue
        (standing,) = found
        assert (standing.before_minor, standing.after_minor) == (before, after)
        shared = [one for one in within if one.to is None]
        assert standing.expenses == len(shared)
        assert standing.share_minor == sum(one.minor // 3 for one in shared)
        assert standing.paid_minor == sum(one.minor for one in shared if one.by == name)
        assert standing.sent_minor == sum(one.minor for one in within if one.to and one.by == name)
        assert standing.received_minor == sum(one.minor for one in within if one.to == name)


def test_currencies_stand_apart(database: Database) -> None:
    home = Household(database, "Ada", "Ben")
    home.add("10.00", spent_on=date(2026, 5, 3))
    home.add("8.00", spent_on=date(2026, 5, 4), currency="USD")
    home.settle()
    assert [(one.name, one.currency, one.after_minor) for one in standings(home, "Ben")] == [
        ("Flat", "EUR", -500),
        ("Flat", "USD", -400),
    ]


def test_what_was_changed_or_deleted_counts_as_it_is_now(database: Database) -> None:
    home = Household(database, "Ada", "Ben")
    moved, gone = (home.add("10.00", spent_on=date(2026, 5, 3)) for _ in range(2))
    home.settle()
    home.revise(moved, spent_on=date(2026, 4, 3), amount="12.00")
    home.delete(gone)
    home.settle()
    (standing,) = standings(home, "Ada")
    assert (standing.before_minor, standing.expenses, standing.after_minor) == (600, 0, 600)


def test_a_group_of_others_or_one_that_was_left_is_not_told_of(database: Database) -> None:
    home = Household(database, "Ada", "Ben", "Cleo")
    home.add("10.00", split=home.equal("Ada", "Ben"), spent_on=date(2026, 5, 3))
    home.settle()
    assert standings(home, "Cleo") == []
    assert len(standings(home, "Ben")) == 1
    home.leave("Ben")
    assert standings(home, "Ben") == []


def test_that_somebody_leaves_moves_nobodys_balance(database: Database) -> None:
    home = Household(database, "Ada", "Ben", "Cleo")
    home.add("10.00", by="Ada", split=home.equal("Ben"), spent_on=date(2026, 4, 3))
    home.add("10.00", by="Ben", split=home.equal("Cleo"), spent_on=date(2026, 5, 3))
    home.settle()
    before = [standings(home, name) for name in ("Ada", "Cleo")]
    with database.transaction() as session:
        remove_member(session, user_id=home.people["Ben"].id, group_id=home.id, member_id=home.ids["Ben"])
    assert home.balances() == {"Ada": "10.00", "Cleo": "-10.00"}
    assert [standings(home, name) for name in ("Ada", "Cleo")] == before
