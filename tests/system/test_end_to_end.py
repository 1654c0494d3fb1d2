"""From the POST to the message in the socket, on real processes, through the death of each."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import redis

from core import clock
from tests.cast import Person, register
from tests.servers import TestRedis
from tests.system.sockets import Listener, open_socket, receive, until_ready
from tests.system.spending import set_budget, spend
from tests.system.stored import Stored
from tests.system.system import API, BEAT, GATEWAY, WORKER, System
from workers.schedules import SWEEP_S

THRESHOLDS = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]


@pytest.fixture
def owner(system: System) -> Iterator[Person]:
    """Somebody with an account on the running system."""
    system.start()
    with system.client() as client, register(client, "owner") as person:
        yield person


def thresholds(messages: list[dict[str, Any]]) -> list[int]:
    return [message["data"]["threshold"] for message in messages]


def today(expense: dict[str, Any]) -> date:
    """The day on which the system has noted the expense, whatever happened at midnight."""
    return date.fromisoformat(expense["spent_on"])


def test_an_expense_over_http_becomes_an_alert_on_the_socket(owner: Person, system: System) -> None:
    budget = set_budget(owner.client, "Everything", "200.00", currency="EUR", thresholds=[80, 100])
    with open_socket(system, owner) as socket:
        assert until_ready(socket) == ([], 0)
        day = today(spend(owner.client, "161.25", currency="EUR"))
        alert = receive(socket)
    created_at = alert.pop("created_at")
    start = day.replace(day=1)
    end = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    assert alert == {
        "type": "notification",
        "seq": 1,
        "kind": "budget.threshold",
        "data": {
            "budget_id": budget["id"],
            "budget_name": "Everything",
            "threshold": 80,
            "percent": 80.6,
            "spent": "161.25",
            "limit": "200.00",
            "currency": "EUR",
            "period_start": start.isoformat(),
            "period_end": end.isoformat(),
        },
    }
    assert created_at.endswith("Z")
    assert created_at[:10] >= day.isoformat()


def test_what_was_missed_while_the_gateway_was_dead_arrives_in_order_and_once(
    owner: Person, system: System, stored: Stored
) -> None:
    set_budget(owner.client, "Everything", "100.00", currency="EUR", thresholds=THRESHOLDS)
    with open_socket(system, owner) as socket:
        assert until_ready(socket) == ([], 0)
        spend(owner.client, "20.00", currency="EUR")
        heard = [receive(socket), receive(socket)]
        assert thresholds(heard) == [10, 20]
        system.kill(GATEWAY)
    for _ in range(5):
        spend(owner.client, "11.00", currency="EUR")
    system.wait_until(lambda: stored.seqs(owner.id) == [1, 2, 3, 4, 5, 6, 7], "all alerts are stored")
    system.start(GATEWAY)
    with open_socket(system, owner, since=heard[-1]["seq"]) as socket:
        missed, seq = until_ready(socket)
        assert (thresholds(missed), seq) == ([30, 40, 50, 60, 70], 7)
        spend(owner.client, "25.00", currency="EUR")
        live = [receive(socket) for _ in range(3)]
    messages = heard + missed + live
    assert thresholds(messages) == THRESHOLDS
    assert [message["seq"] for message in messages] == list(range(1, 11))
    assert_inbox_shows_the_same(owner, messages)


def assert_inbox_shows_the_same(owner: Person, messages: list[dict[str, Any]]) -> None:
    """The messages of the socket are what REST lists; reading some leaves the others unread."""
    inbox = owner.client.get("/v1/notifications", params={"after": 0}).json()["items"]
    assert [{**item, "type": "notification", "read_at": None} for item in inbox] == [
        {**message, "read_at": None} for message in messages
    ]
    assert all(item["read_at"] is None for item in inbox)
    assert owner.client.patch("/v1/notifications/3", json={"is_read": True}).status_code == 200
    answer = owner.client.post("/v1/notifications/read-all", json={"up_to": 5})
    assert answer.json() == {"updated": 4}
    unread = owner.client.get("/v1/notifications", params={"unread": True}).json()["items"]
    assert [item["seq"] for item in unread] == list(range(len(messages), 5, -1))


def test_alerts_arrive_though_the_worker_is_killed_in_between(owner: Person, system: System) -> None:
    set_budget(owner.client, "Everything", "100.00", currency="EUR", thresholds=THRESHOLDS)
    with Listener(system, owner) as listener:
        for count in (1, 2):
            spend(owner.client, "10.00", currency="EUR")
            system.kill(WORKER)
            spend(owner.client, "10.00", currency="EUR")
            system.start(WORKER)
            expected = THRESHOLDS[: 2 * count]
            system.wait_until(
                lambda expected=expected: thresholds(listener.messages) == expected,  # type: ignore[misc]
                lambda expected=expected: f"{thresholds(listener.messages)} is {expected}",  # type: ignore[misc]
            )
        assert listener.seqs == [1, 2, 3, 4]


def test_the_sweep_makes_up_for_wake_ups_that_are_lost(
    owner: Person, system: System, stored: Stored, own_redis: TestRedis
) -> None:
    set_budget(owner.client, "Everything", "100.00", currency="EUR", thresholds=THRESHOLDS)
    system.wait_until(lambda: stored.outbox_depth() == 0, "the new budget is evaluated")
    with open_socket(system, owner) as socket, redis.Redis.from_url(own_redis.url()) as server:
        until_ready(socket)
        for name in (WORKER, BEAT):
            system.kill(name)
        spend(owner.client, "35.00", currency="EUR")
        # Nobody wakes the worker any more: the wake-up is lost, and whoever would send the next one is dead.
        system.terminate(API)
        system.exit_code(API)
        server.flushall()
        system.start(WORKER, BEAT)
        began = clock.now()
        assert thresholds([receive(socket) for _ in range(3)]) == [10, 20, 30]
        # A tick of beat, beside the time that the two take to start.
        assert (clock.now() - began).total_seconds() < SWEEP_S + 15
