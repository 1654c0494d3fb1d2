"""While Redis is away expenses are taken as ever; when it is back all catches up, without a restart."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cast import Person, register
from tests.servers import TestRedis
from tests.system.sockets import Listener
from tests.system.spending import set_budget, spend
from tests.system.stored import Stored
from tests.system.system import API, BEAT, GATEWAY, WORKER, System

WRITES = 60

UNBLOCKED_S = 2.5
"""Whatever waits for a Redis that hangs waits for three seconds at least; a write takes milliseconds."""

RECOVERY_S = 10.0
"""A reconnection, a sweep at most, and the work itself."""

THRESHOLDS = list(range(1, 20))


@pytest.fixture
def own_database_url(sqlite_url: str) -> str:
    """Nothing here depends on the kind of database."""
    return sqlite_url


@pytest.fixture
def owner(system: System) -> Iterator[Person]:
    system.start()
    with system.client() as client, register(client, "owner") as person:
        set_budget(person.client, "Everything", "100.00", currency="EUR", thresholds=THRESHOLDS)
        yield person


def kill(server: TestRedis) -> Callable[[], None]:
    """Let Redis crash; answers how to bring it back."""
    server.kill()
    return server.restart


def hang(server: TestRedis) -> Callable[[], None]:
    """Let Redis take connections and answer nothing; answers how to bring it back."""
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    return lambda: os.kill(pid, signal.SIGCONT)


def readiness(person: Person) -> tuple[int, dict[str, Any]]:
    answer = person.client.get("/readyz")
    return answer.status_code, answer.json()


def attempts(system: System, name: str) -> int:
    """How often a process has noted that Redis cannot be reached."""
    return system.log(name).count("Trying again")


@pytest.mark.parametrize("break_it", [kill, hang])
def test_expenses_are_taken_while_redis_is_away_and_their_alerts_follow(
    system: System,
    owner: Person,
    own_redis: TestRedis,
    break_it: Callable[[TestRedis], Callable[[], None]],
) -> None:
    with Listener(system, owner) as listener:
        spend(owner.client, "1.00", currency="EUR")
        system.wait_until(lambda: listener.seqs == [1], "the first alert arrives")
        bring_back = break_it(own_redis)
        times_s = []
        for _ in range(WRITES):
            began = time.monotonic()
            spend(owner.client, "0.10", currency="EUR")
            times_s.append(time.monotonic() - began)
        assert max(times_s) < UNBLOCKED_S
        status, state = readiness(owner)
        assert (status, state["status"], state["redis"], state["database"]) == (200, "degraded", "down", "ok")
        bring_back()
        due = list(range(1, 8))
        system.wait_until(lambda: listener.seqs == due, lambda: f"{listener.seqs} is {due}")
        assert all(system.is_running(name) for name in (API, GATEWAY, WORKER, BEAT)), system.logs()
        system.wait_until(lambda: readiness(owner)[1]["status"] == "ok", lambda: str(readiness(owner)))


def test_worker_and_beat_come_through_a_long_outage(
    system: System, owner: Person, own_redis: TestRedis, stored: Stored
) -> None:
    with Listener(system, owner) as listener:
        spend(owner.client, "1.00", currency="EUR")
        system.wait_until(lambda: listener.seqs == [1], "the first alert arrives")
        own_redis.kill()
        # Tasks were in hand or came due; each attempt after that is later than the one before.
        system.wait_until(lambda: attempts(system, WORKER) >= 8, "the worker goes on trying")
        spend(owner.client, "1.00", currency="EUR")
        # From now on only beat can wake the worker.
        system.terminate(API)
        system.exit_code(API)
        own_redis.restart()
        system.wait_until(
            lambda: listener.seqs == [1, 2], lambda: f"{listener.seqs} is [1, 2]", within_s=3 * RECOVERY_S
        )
        assert system.is_running(BEAT)
        assert system.is_running(WORKER)
        assert "Traceback" not in system.log(BEAT), "an outage is told of in a line, not once a tick"
    system.wait_until(lambda: stored.outbox_depth() == 0, "nothing is left in the outbox")


def test_what_starts_while_redis_is_away_works_as_soon_as_it_is_there(
    system: System, own_redis: TestRedis, stored: Stored
) -> None:
    own_redis.kill()
    system.start()
    with system.client() as client, register(client, "owner") as person, Listener(system, person) as listener:
        set_budget(person.client, "Everything", "100.00", currency="EUR", thresholds=THRESHOLDS)
        spend(person.client, "2.00", currency="EUR")
        system.wait_until(lambda: attempts(system, WORKER) >= 4, "the worker goes on trying")
        assert listener.seqs == []
        own_redis.restart()
        system.wait_until(
            lambda: listener.seqs == [1, 2], lambda: f"{listener.seqs} is [1, 2]", within_s=3 * RECOVERY_S
        )
    system.wait_until(lambda: stored.outbox_depth() == 0, "nothing is left in the outbox")


def test_the_worker_can_be_stopped_while_redis_is_away(
    system: System, owner: Person, own_redis: TestRedis
) -> None:
    own_redis.kill()
    system.wait_until(lambda: attempts(system, WORKER) >= 2, "the worker goes on trying")
    system.wait_until(lambda: "beat.started" in system.log(BEAT), "beat is there")
    for name in (WORKER, BEAT):
        system.terminate(name)
    assert [system.exit_code(name) for name in (WORKER, BEAT)] == [0, 0]
