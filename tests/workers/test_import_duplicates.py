"""What is there already does not come in twice, and nothing that only looks like it is lost."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core.config import Settings
from core.database import Database
from core.rules.conditions import Document
from core.rules.expense_rules import Action
from core.services.expense_rules import NewRule, create_rule
from core.statements.mapping import Columns, Mapping
from tests.workers.importer import Importer, csv_of, importer

COFFEE = ("2026-05-04", "-3.20", "Café Größe", "", "")
BREAD = ("2026-05-04", "-4.10", "Corner Bakery", "", "")

WITH_IDS = Mapping(
    currency="EUR", header_row=1, columns=Columns(day=0, amount=1, payee=2, bank_id=3, status=4, account=5)
)


@pytest.fixture
def me(settings: Settings, database: Database) -> Iterator[Importer]:
    with importer(settings, database) as me:
        yield me


def load(me: Importer, *rows: tuple[str, ...], **choice: Any) -> tuple[int, int]:
    """Import a file; answers how many rows were recorded, and how many suspected."""
    found = me.load(csv_of(rows), **choice)
    me.assert_totals()
    return found.committed_count, found.duplicate_count


def load_with_ids(me: Importer, *rows: tuple[str, ...]) -> tuple[int, int]:
    """As `load`, for a bank that gives ids: day, amount, payee, id, status and account."""
    content = csv_of(rows, header="Date,Amount,Payee,Id,Status,Account")
    found = me.commit(me.read(content, mapping=WITH_IDS))
    me.assert_totals()
    return found.committed_count, found.duplicate_count


def test_two_equal_coffees_of_a_day_stay_two_and_do_not_become_four(me: Importer) -> None:
    assert load(me, COFFEE, COFFEE) == (2, 0)
    assert load(me, COFFEE, COFFEE) == (0, 2)
    assert load(me, COFFEE, COFFEE, COFFEE) == (1, 2)


def test_of_two_coffees_one_that_was_written_down_by_hand_is_suspected(me: Importer) -> None:
    written = me.spend("3.20", "2026-05-04", payee="CAFE GRÖSSE")
    import_id = me.read(csv_of([COFFEE, COFFEE]))
    (suspected,) = me.rows(import_id, "duplicate")
    assert (suspected.duplicate_reason, suspected.duplicate_of) == ("same_values", written)
    assert me.commit(import_id).committed_count == 1


def test_what_was_deleted_does_not_come_back(me: Importer) -> None:
    load(me, COFFEE, BREAD)
    (bread,) = [one for one in me.expenses() if one.payee == "Corner Bakery"]
    me.delete(bread.id)
    assert load(me, COFFEE, BREAD) == (0, 2)


def test_what_was_changed_is_still_known(me: Importer) -> None:
    load(me, COFFEE)
    (coffee,) = me.expenses()
    me.revise(coffee.id, payee="With Lin", amount="1.60", spent_on="2026-05-02")
    assert load(me, COFFEE) == (0, 1)


def test_what_a_rule_has_renamed_is_still_known(me: Importer) -> None:
    when: Document = {"payee": {"contains": "cafe"}}
    food = me.categories["dining"]
    action = Action(payee="Coffee", category_id=food, add_tags=("daily",))
    with me.database.transaction() as session:
        create_rule(session, user_id=me.id, rule=NewRule(name="Coffee", when=when, then=action))
    assert load(me, COFFEE) == (1, 0)
    (coffee,) = me.expenses()
    assert (coffee.payee, coffee.category_id, coffee.tags) == ("Coffee", food, ("daily",))
    assert load(me, COFFEE) == (0, 1)


def test_a_category_of_the_file_is_stronger_than_a_rule(me: Importer) -> None:
    action = Action(category_id=me.categories["dining"])
    rule = NewRule(name="All", when={"amount": {"at_least": "0"}}, then=action)
    with me.database.transaction() as session:
        create_rule(session, user_id=me.id, rule=rule)
    load(me, (*COFFEE[:4], "Travel"), BREAD)
    found = {one.payee: one.category_id for one in me.expenses()}
    assert found == {"Café Größe": me.categories["travel"], "Corner Bakery": me.categories["dining"]}


def test_what_was_undone_may_come_again(me: Importer) -> None:
    me.undo(me.load(csv_of([COFFEE])).id)
    assert load(me, COFFEE) == (1, 0)


def test_duplicates_are_recorded_if_that_is_asked_for(me: Importer) -> None:
    load(me, COFFEE, BREAD)
    assert load(me, COFFEE, BREAD, duplicates=frozenset({3})) == (1, 2)
    assert load(me, COFFEE, BREAD, duplicates=True) == (2, 2)
    assert len(me.expenses()) == 5


def test_the_banks_id_tells_rows_of_the_same_amount_whatever_else_they_say(me: Importer) -> None:
    row = ("2026-05-04", "-3.20", "Café", "A1", "booked", "DE02")
    assert load_with_ids(me, row) == (1, 0)
    assert load_with_ids(me, ("2026-05-05", "-3.20", "CAFE BERLIN DE", "A1", "booked", "DE02")) == (0, 1)
    assert load_with_ids(me, ("2026-05-05", "-3.20", "Café", "A1", "booked", "DE03")) == (1, 0)
    (first, *_others) = me.expenses()
    me.delete(first.id)
    assert load_with_ids(me, ("2026-05-09", "-3.20", "Renamed", "A1", "booked", "DE02")) == (0, 1)
    assert load_with_ids(me, ("2026-06-04", "-1.00", "Bar", "A1", "booked", "DE02")) == (1, 0)


def test_a_pending_row_and_its_booked_twin_are_one(me: Importer) -> None:
    pending = ("2026-05-04", "-3.20", "Café", "P1", "pending", "DE02")
    booked = ("2026-05-06", "-3.20", "Café", "B7", "booked", "DE02")
    other = ("2026-05-06", "-3.20", "Café", "B8", "booked", "DE02")
    late = ("2026-05-30", "-3.20", "Café", "B9", "booked", "DE02")
    assert load_with_ids(me, pending) == (1, 0)
    import_id = me.read(
        csv_of([booked, other, late], header="Date,Amount,Payee,Id,Status,Account"), mapping=WITH_IDS
    )
    (suspected,) = me.rows(import_id, "duplicate")
    assert (suspected.line, suspected.duplicate_reason) == (2, "pending")
    assert suspected.duplicate_of == me.expenses()[0].id


def test_amount_currency_and_day_tell_rows_apart(me: Importer) -> None:
    header = "Date,Amount,Payee,Currency"
    mapping = Mapping(currency="EUR", header_row=1, columns=Columns(day=0, amount=1, payee=2, currency=3))
    rows = [
        ("2026-05-04", "-3.20", "Café", "EUR"),
        ("2026-05-04", "-3.20", "Café", "USD"),
        ("2026-05-04", "3.20", "Café", "EUR"),
        ("2026-05-05", "-3.20", "Café", "EUR"),
        ("2026-05-04", "-3.21", "Café", "EUR"),
        ("2026-05-04", "-3.20", "Cafeteria", "EUR"),
        ("2026-05-04", "-3.20", "", "EUR"),
    ]
    me.commit(me.read(csv_of(rows[:1], header), mapping=mapping))
    assert me.commit(me.read(csv_of(rows[1:], header), mapping=mapping)).duplicate_count == 0


coffees = st.lists(st.sampled_from([COFFEE, BREAD, ("2026-05-05", *COFFEE[1:])]), min_size=1, max_size=5)
steps = st.one_of(
    st.tuples(st.just("import"), coffees),
    st.tuples(st.just("write"), coffees),
    st.tuples(st.just("delete"), st.integers(0, 20)),
)


@hypothesis_settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(steps, min_size=2, max_size=5))
def test_each_file_brings_what_is_more_in_it_than_is_there(
    settings: Settings, database: Database, plan: list[tuple[str, Any]]
) -> None:
    """What is there: all that ever came with files, and what was written down by hand and not deleted."""
    with importer(settings, database) as me:
        came, by_hand, written = Counter[Any](), Counter[Any](), dict[Any, Any]()
        for step, what in plan:
            if step == "import":
                brought = Counter(what) - (came + by_hand)
                assert load(me, *what) == (brought.total(), len(what) - brought.total())
                came += brought
            elif step == "write":
                for row in what:
                    expense_id = me.spend(row[1].removeprefix("-"), row[0], payee=row[2])
                    written[expense_id] = row
                    by_hand[row] += 1
            elif there := me.expenses():
                doomed = there[what % len(there)].id
                me.delete(doomed)
                if doomed in written:
                    by_hand[written.pop(doomed)] -= 1
            assert len(me.expenses()) <= came.total() + by_hand.total()
