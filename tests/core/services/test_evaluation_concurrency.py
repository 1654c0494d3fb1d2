"""Several workers and writers at once: one alert for each crossing, and the right state in the end."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from core import clock
from core.database import Database
from core.services.evaluation import Occasion, evaluate_budgets
from tests.core.services.spender import Spender

WORKERS = 4
ROUNDS = 12


def at_once(*works: Callable[[], None]) -> None:
    """Run all of them, each in a thread, from the same moment on."""
    start = threading.Barrier(len(works))

    def run(work: Callable[[], None]) -> None:
        start.wait()
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(run, work) for work in works]:
            done.result()


def test_many_evaluations_of_one_user_at_once_give_one_alert_for_each_crossing(database: Database) -> None:
    me = Spender(database)
    budgets = [me.budget("100.00", has_pace_alert=True) for _ in range(2)]
    me.spend("100.00")

    def evaluate() -> None:
        with database.transaction() as session:
            evaluate_budgets(session, {me.id: Occasion(touched_from=None, asked_at=clock.now())})

    at_once(*[evaluate] * WORKERS)
    assert all(len(me.alerts(budget)) == len(me.open(budget)) == 2 for budget in budgets)
    assert me.told().count("threshold 80") == me.told().count("threshold 100") == 2
    # On a period's last day the projection is what was spent, and does not pass the limit.
    assert me.told().count("projected") in (0, 2)


def test_several_workers_share_what_waits(database: Database) -> None:
    people = [Spender(database) for _ in range(WORKERS)]
    for one in people:
        one.budget("100.00", thresholds=[100])
        for _ in range(3):
            one.spend("40.00")
    at_once(*[people[0].settle] * WORKERS)
    # A worker skips what another one holds, and then finds nothing left.
    people[0].settle()
    assert [one.told() for one in people] == [["threshold 100"]] * WORKERS


def test_expenses_budget_changes_and_workers_at_once_end_in_the_right_state(database: Database) -> None:
    me = Spender(database)
    budget = me.budget("100.00", thresholds=[50, 100])

    def spend() -> None:
        for _ in range(ROUNDS):
            me.delete(me.spend("60.00"))
            me.spend("9.00")

    def change() -> None:
        for number in range(ROUNDS):
            me.change(budget, amount="1000.00" if number % 2 else "50.00", thresholds=[50, 100])

    def work() -> None:
        for _ in range(ROUNDS):
            me.settle()

    at_once(spend, change, work, work)
    me.settle()
    shown = me.current(budget)
    assert (shown.spent_minor, shown.limit_minor) == (ROUNDS * 900, 100_000)
    assert me.open(budget) == set()
    me.change(budget, amount=f"{ROUNDS * 9}.00")
    me.settle()
    assert me.open(budget) == {(shown.period.start, 50), (shown.period.start, 100)}
    assert len(me.alerts(budget)) == sum(told.startswith("threshold") for told in me.told())
    for threshold in ("50", "100"):
        kinds = [told.split()[0] for told in me.told() if told.endswith(f" {threshold}")]
        assert kinds == ["threshold", "recovered"] * (len(kinds) // 2) + ["threshold"]


def test_a_tick_beside_evaluations_leaves_every_next_period_planned(database: Database) -> None:
    me = Spender(database)
    budgets = [me.budget("100.00", kind="daily") for _ in range(3)]

    def work() -> None:
        for _ in range(ROUNDS):
            me.spend("1.00")
            me.settle()

    def tick() -> None:
        for _ in range(ROUNDS):
            me.move_to("Asia/Tokyo")
            me.tick()
            me.move_to("UTC")
            me.tick()

    at_once(work, tick)
    me.settle()
    planned = {me.next_period_at(budget) for budget in budgets}
    assert len(planned) == 1
    assert (planned.pop() or clock.now()) > clock.now()
