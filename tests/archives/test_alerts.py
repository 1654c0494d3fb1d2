"""Budgets come when all that they count is there: what was told is not told again, and nothing is missed."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from core.rules.periods import MIN_DAY
from tests.archives.archivist import Archivist, comparable, encoded
from tests.archives.test_imports import lists, problems
from tests.core.services.spender import Spender, at

NOW = "2026-05-20T12:00:00"

PERIOD = {"kind": "daily", "every": 1, "anchor": "2026-01-01", "ends_on": None}


class Twin(Spender):
    """An account that somebody's archive has come into; it has none of the usual categories."""

    def __init__(self, archivist: Archivist) -> None:
        self.database = archivist.database
        self.id = archivist.new_account()
        self.categories: dict[str, UUID] = {}


def test_what_was_told_is_not_told_again_and_the_next_threshold_is(archivist: Archivist) -> None:
    with at(NOW):
        me = Spender(archivist.database)
        budget_id = me.budget("100.00", categories=["food"], has_pace_alert=True)
        me.spend("85.00", "2026-05-04", category="groceries")
        me.spend("500.00", "2026-04-04", category="food")
        me.settle()
        assert me.told() == ["threshold 80", "projected"]
        archive = archivist.export(me.id)
        twin = Twin(archivist)
        archivist.take_in(twin.id, archive)
        twin.settle()
        assert [kind for kind, _ in twin.messages()] == ["import.finished"]
        assert twin.open(budget_id) == me.open(budget_id) != set()
        assert twin.current(budget_id) == me.current(budget_id)
        assert twin.next_period_at(budget_id) == me.next_period_at(budget_id)
        twin.categories = me.categories
        twin.spend("15.00", "2026-05-05", category="food")
        twin.settle()
        assert twin.told()[1:] == ["threshold 100"]


def test_what_is_crossed_by_what_comes_in_is_told_once(archivist: Archivist) -> None:
    with at(NOW):
        me = Spender(archivist.database)
        me.budget("100.00")
        me.spend("120.00", "2026-05-04")
        archive = archivist.export(me.id)  # before anybody has evaluated it
        twin = Twin(archivist)
        own = twin.budget("1000.00", thresholds=[10])
        archivist.take_in(twin.id, archive)
        twin.settle()
        assert sorted(twin.told()[1:]) == ["threshold 10", "threshold 100", "threshold 80"]
        assert len(twin.open(own)) == 1
        archivist.take_in(twin.id, archive)
        twin.settle()
        assert len(twin.told()) == 5


def test_an_open_alert_whose_spending_did_not_come_is_resolved(archivist: Archivist) -> None:
    with at(NOW):
        me = Spender(archivist.database)
        me.budget("100.00")
        me.spend("85.00", "2026-05-04")
        me.settle()
        document = {**archivist.document(me.id), "expenses": []}
        twin = Twin(archivist)
        archivist.take_in(twin.id, encoded(document))
        twin.settle()
        assert (twin.told()[1:], twin.open()) == (["recovered 80"], set())


def test_undoing_takes_budgets_out_before_their_spending(archivist: Archivist) -> None:
    with at(NOW):
        me = Spender(archivist.database)
        me.budget("100.00")
        me.spend("85.00", "2026-05-04")
        me.settle()
        twin = Twin(archivist)
        done = archivist.take_in(twin.id, archivist.export(me.id))
        twin.settle()
        archivist.undo(done)
        twin.settle()
        assert twin.told()[1:] == []
        assert comparable(archivist.document(twin.id))["budgets"] == []


def test_amounts_that_have_changed_come_with_their_days(archivist: Archivist) -> None:
    with at("2026-03-10T12:00:00"):
        me = Spender(archivist.database)
        budget_id = me.budget("100.00", rollover="both", categories=["travel", "food"])
        me.spend("30.00", "2026-03-04", category="travel")
    with at("2026-04-10T12:00:00"):
        me.change(budget_id, amount="50.00")
        archived = me.budget("7.00", kind="weekly", every=2)
        me.archive(archived)
    with at(NOW):
        twin = Twin(archivist)
        done = archivist.take_in(twin.id, archivist.export(me.id))
        assert lists(done)["budgets"] == (2, 0)
        assert twin.current(budget_id) == me.current(budget_id)
        assert twin.past(budget_id) == me.past(budget_id)
        assert [one.limit_minor for one in twin.past(budget_id, 2)] == [12_000, 10_000]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"currency": "XAU"}, "/currency"),
        ({"starts_on": "2019-12-31"}, "/starts_on"),
        ({"amounts": []}, "/amounts"),
        ({"amounts": [{"effective_on": str(MIN_DAY), "amount": "-1.00"}]}, "/amounts/0/amount"),
        ({"amounts": [{"effective_on": str(MIN_DAY), "amount": "1.00"}] * 2}, "/amounts/1/effective_on"),
        ({"category_ids": ["0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6"]}, "/category_ids/0"),
        ({"thresholds": [0]}, "/thresholds/0"),
        ({"rollover": "all"}, "/rollover"),
        (
            {"period": {"kind": "once", "every": 1, "anchor": "2026-01-01", "ends_on": None}},
            "/period/ends_on",
        ),
        ({"period": {"kind": "daily", "every": 0, "anchor": "2026-01-01", "ends_on": None}}, "/period/every"),
        ({"id": str(UUID(int=0))}, "/id"),
    ],
)
def test_a_budget_that_makes_no_sense_is_a_problem(
    archivist: Archivist, changes: dict[str, Any], pointer: str
) -> None:
    me = Spender(archivist.database)
    me.budget("1.00")
    found = archivist.document(me.id)
    found["budgets"] = [{**found["budgets"][0], **changes}]
    user_id = archivist.new_account()
    done = archivist.take_in(user_id, encoded(found))
    assert (done.state, [field for field, _ in problems(done)]) == ("succeeded", [f"/budgets/0{pointer}"])


def test_alerts_that_make_no_sense_are_left_out(archivist: Archivist) -> None:
    with at(NOW):
        me = Spender(archivist.database)
        me.budget("100.00", has_pace_alert=True)
        me.spend("85.00", "2026-05-04")
        me.settle()
        found = archivist.document(me.id)
        (alert,), (pace,) = found["alerts"], found["pace_alerts"]
        other = "0198f3a5-6c1e-7d42-9b07-5e2f8a41c3d6"
        found["alerts"] = [
            alert,
            alert,
            {**alert, "id": other},
            {**alert, "id": other, "budget_id": other},
            {**alert, "id": other, "spent": "x", "threshold": 100},
            {**alert, "id": other, "limit": "9" * 29, "threshold": 100},
        ]
        found["pace_alerts"] = [pace, pace, {**pace, "budget_id": other}]
        twin = Twin(archivist)
        done = archivist.take_in(twin.id, msgspec.json.encode(found))
        assert lists(done)["alerts"] == (1, 3)
        assert lists(done)["pace_alerts"] == (1, 2)
        assert [field for field, _ in problems(done)] == ["/alerts/4/spent", "/alerts/5/limit"]
        assert len(twin.open()) == 1
