"""Two thousand expenses while everything is killed: nothing is lost, nothing happens twice."""

from collections import Counter, defaultdict
from contextlib import ExitStack
from datetime import date
from typing import Any
from uuid import UUID

from core import clock
from tests.cast import register
from tests.servers import TestRedis
from tests.system.chaos import AlertKey, Spender, Writers
from tests.system.sockets import Listener
from tests.system.stored import Stored
from tests.system.system import API, GATEWAY, WORKER, System

EXPENSES = 2_000
SPENDERS = 8
THREADS = 8
PACE_PER_S = 120
"""Each accident hits writes that are under way."""

BETWEEN_ACCIDENTS = 200

DRAIN_S = 60.0


def test_two_thousand_expenses_survive_the_death_of_every_process(
    system: System, stored: Stored, own_redis: TestRedis
) -> None:
    system.start()
    with ExitStack() as stack:
        spenders = prepare_spenders(system, stack)
        listeners = {one.person.id: stack.enter_context(Listener(system, one.person)) for one in spenders}
        writers = Writers(spenders, threads=THREADS, per_second=PACE_PER_S)
        writers.start()
        cause_chaos(system, stored, own_redis, writers)
        writers.finish()
        system.wait_until(
            lambda: stored.outbox_depth() == 0, lambda: f"{stored.outbox_depth()} jobs wait", within_s=DRAIN_S
        )
        assert writers.repeated > 0, "the API was killed while it had requests in hand"
        assert stored.dead_rows() == []
        assert_every_expense_is_there_once(stored, spenders)
        assert stored.spending_differences() == []
        assert_every_due_alert_is_there_once(stored, spenders)
        assert stored.numbering_gaps() == []
        for spender in spenders:
            assert_everything_was_heard_once(system, stored, spender, listeners[spender.person.id])


def prepare_spenders(system: System, stack: ExitStack) -> list[Spender]:
    client = stack.enter_context(system.client())
    today = clock.now().date()
    spenders = []
    for number in range(SPENDERS):
        person = stack.enter_context(register(client, f"spender-{number}"))
        spender = Spender(person, has_refunds=number % 2 == 1, today=today)
        spender.prepare(expenses=EXPENSES // SPENDERS, seed=number)
        spenders.append(spender)
    return spenders


def cause_chaos(system: System, stored: Stored, own_redis: TestRedis, writers: Writers) -> None:
    """Kill the worker in its work again and again, and everything else once."""
    for _ in range(2):
        writers.allow(BETWEEN_ACCIDENTS)
        kill_working_worker(system, stored, writers)
        system.start(WORKER)
    writers.allow(BETWEEN_ACCIDENTS)
    own_redis.kill()
    more_are_written(system, writers, BETWEEN_ACCIDENTS // 2)
    own_redis.restart()
    for other in (API, GATEWAY):
        writers.allow(BETWEEN_ACCIDENTS)
        kill_working_worker(system, stored, writers)
        writers.allow(BETWEEN_ACCIDENTS)
        more_are_written(system, writers, 1)
        system.kill(other)
        system.start(other, WORKER)
    writers.allow(BETWEEN_ACCIDENTS)
    kill_working_worker(system, stored, writers)
    system.start(WORKER)


def kill_working_worker(system: System, stored: Stored, writers: Writers) -> None:
    """Kill the worker when it has begun on what came in before."""
    more_are_written(system, writers, 1)
    newest = stored.newest_outbox_id()
    system.wait_until(lambda: stored.oldest_outbox_id() > newest, "the worker works off the outbox")
    system.kill(WORKER)


def more_are_written(system: System, writers: Writers, count: int) -> None:
    goal = writers.acknowledged + count
    system.wait_until(lambda: writers.acknowledged >= goal or bool(writers.errors), f"{goal} are written")
    assert not writers.errors, f"{writers.errors[0]}\n{system.logs()}"


def assert_every_expense_is_there_once(stored: Stored, spenders: list[Spender]) -> None:
    acknowledged = Counter(expense.payee for spender in spenders for expense in spender.acknowledged)
    assert acknowledged.total() == EXPENSES
    assert stored.expenses_by_payee() == acknowledged


def assert_every_due_alert_is_there_once(stored: Stored, spenders: list[Spender]) -> None:
    due = {key for spender in spenders for key in spender.crossed()}
    assert len(due) > 100, "the plans cross many thresholds"
    open_alerts = stored.open_alerts()
    assert set(open_alerts) == due
    assert set(open_alerts.values()) == {1}
    # Who has no refunds crosses each threshold once, so nothing was ever resolved or told again.
    only_up = {budget.id for one in spenders if not one.has_refunds for budget in one.budgets}
    told = Counter(
        (alert.budget_id, alert.period_start, alert.threshold)
        for alert in stored.alerts()
        if alert.budget_id in only_up
    )
    assert told == {key: 1 for key in due if key[0] in only_up}


def assert_everything_was_heard_once(
    system: System, stored: Stored, spender: Spender, listener: Listener
) -> None:
    """The socket, which was cut off and came back, gave each number once, and they tell of every alert."""
    seqs = stored.seqs(spender.person.id)
    system.wait_until(
        lambda: len(listener.messages) >= len(seqs),
        lambda: f"{spender.person.username} has heard {listener.seqs}, and there are {len(seqs)}",
    )
    assert listener.seqs == seqs == list(range(1, len(seqs) + 1))
    assert listener.connections > 1
    assert set(standing_alerts(listener.messages)) == spender.crossed()


def standing_alerts(messages: list[dict[str, Any]]) -> list[AlertKey]:
    """What somebody who only reads the messages believes to be open; each is told, taken back, told again."""
    standing: dict[AlertKey, int] = defaultdict(int)
    for message in messages:
        data = message["data"]
        key = (UUID(data["budget_id"]), date.fromisoformat(data["period_start"]), data["threshold"])
        standing[key] += {"budget.threshold": 1, "budget.recovered": -1}[message["kind"]]
        assert standing[key] in (0, 1), f"{message} comes twice"
    return [key for key, count in standing.items() if count]
