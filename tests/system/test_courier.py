"""The courier as a real process, killed in the middle of a request."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from sqlalchemy import update

from core import clock
from core.broker import new_celery
from core.config import Settings
from core.database import Database
from core.job_names import SEND_DELIVERIES
from core.models import Delivery
from tests.cast import register
from tests.receiver import PATIENCE_S, Received, Receiver, Reply
from tests.servers import TestRedis
from tests.system.spending import set_budget, spend
from tests.system.system import API, BEAT, COURIER, WORKER, System
from tests.workers.outbox import add_user
from tests.workers.outgoing import add_channel, deliveries, secret_of, states, tell


@pytest.fixture
def system(tmp_path: Path, own_database_url: str, own_redis: TestRedis) -> Iterator[System]:
    with System(
        tmp_path, database_url=own_database_url, redis_url=own_redis.url(), private_targets="allow"
    ) as system:
        yield system


@pytest.fixture
def database(own_database_url: str) -> Iterator[Database]:
    database = Database(own_database_url, pool_size=2)
    yield database
    database.close()


def wake(redis_url: str) -> None:
    celery = new_celery(msgspec.structs.replace(Settings(), redis_url=redis_url), is_current=False)
    celery.send_task(SEND_DELIVERIES)
    celery.close()


def test_what_was_under_way_when_it_was_killed_is_sent_again_and_nothing_else(
    system: System, database: Database, own_redis: TestRedis
) -> None:
    user_id = add_user(database)
    receiver = Receiver()
    receiver.gate.clear()
    with receiver.running():
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id, *["budget.threshold"] * 3)
        system.start(COURIER)
        wake(own_redis.url())
        system.wait_until(lambda: len(receiver.received) == 3, "all are under way")
        system.kill(COURIER)
        assert states(database) == ["pending"] * 3
        receiver.gate.set()
        system.start(COURIER)
        wake(own_redis.url())
        tell(database, user_id)
        wake(own_redis.url())
        system.wait_until(lambda: states(database)[3] == "sent", "another one is sent")
        assert states(database)[:3] == ["pending"] * 3, "their leases hold"
        with database.transaction() as session:
            session.execute(
                update(Delivery).where(Delivery.state == "pending").values(available_at=clock.now())
            )
        wake(own_redis.url())
        system.wait_until(lambda: set(states(database)) == {"sent"}, "all are sent")
        wake(own_redis.url())
        system.terminate(COURIER)
        assert system.exit_code(COURIER) == 0
    ids = [str(row.id) for row in deliveries(database)]
    assert sorted(receiver.ids) == sorted([*ids, *ids[:3]])
    assert [row.attempts for row in deliveries(database)] == [2, 2, 2, 1]
    bodies = {request.id: request.body for request in receiver.received}
    for request in receiver.received:
        assert request.body == bodies[request.id]
        request.verified(secret_of(Settings(), user_id, channel_id))


def test_what_was_answered_and_noted_before_it_was_killed_is_not_sent_again(
    system: System, database: Database, own_redis: TestRedis
) -> None:
    user_id = add_user(database)
    answered, goes_on = threading.Semaphore(2), threading.Event()

    def reply(_request: Received) -> Reply:
        if not answered.acquire(blocking=False):
            goes_on.wait(PATIENCE_S)
        return Reply()

    receiver = Receiver(reply)
    with receiver.running():
        add_channel(database, user_id, receiver.url)
        tell(database, user_id, *["budget.threshold"] * 5)
        system.start(COURIER)
        wake(own_redis.url())
        system.wait_until(lambda: len(receiver.received) == 5, "all are under way")
        system.wait_until(lambda: states(database).count("sent") == 2, "two have been answered and noted")
        system.kill(COURIER)
        noted = {str(row.id) for row in deliveries(database) if row.state == "sent"}
        goes_on.set()
        with database.transaction() as session:
            session.execute(
                update(Delivery).where(Delivery.state == "pending").values(available_at=clock.now())
            )
        system.start(COURIER)
        wake(own_redis.url())
        system.wait_until(lambda: states(database) == ["sent"] * 5, "the others are sent")
        wake(own_redis.url())
        system.terminate(COURIER)
        assert system.exit_code(COURIER) == 0
    again = {str(row.id) for row in deliveries(database)} - noted
    assert len(noted) == 2
    assert Counter(receiver.ids) == {**dict.fromkeys(noted, 1), **dict.fromkeys(again, 2)}
    assert [row.attempts for row in deliveries(database)] == [
        1 if str(row.id) in noted else 2 for row in deliveries(database)
    ]


def test_an_expense_reaches_the_webhook(system: System, database: Database) -> None:
    with Receiver().running() as receiver, system.start(API, WORKER, COURIER, BEAT).client() as client:
        with register(client, "owner") as owner:
            asked = {"url": receiver.url, "kinds": ["budget.threshold"]}
            webhook = owner.client.post("/v1/webhooks", json=asked).json()
            set_budget(owner.client, "Everything", "100.00", currency="EUR", thresholds=[80])
            spend(owner.client, "85.00", currency="EUR")
            system.wait_until(lambda: len(receiver.received) == 1, "the alert has arrived")
        document = receiver.received[0].verified(webhook["secret"])
        assert document["type"] == "budget.threshold"
        assert document["data"]["budget_name"] == "Everything"
        system.wait_until(lambda: states(database, UUID(webhook["id"])) == ["sent"], "it is noted")


def test_a_courier_that_is_told_to_end_notes_what_is_under_way(
    system: System, database: Database, own_redis: TestRedis
) -> None:
    user_id = add_user(database)
    receiver = Receiver()
    receiver.gate.clear()
    with receiver.running():
        add_channel(database, user_id, receiver.url)
        tell(database, user_id, *["budget.threshold"] * 3)
        system.start(COURIER)
        wake(own_redis.url())
        system.wait_until(lambda: len(receiver.received) == 3, "all are under way")
        system.terminate(COURIER)
        receiver.gate.set()
        assert system.exit_code(COURIER) == 0
    assert states(database) == ["sent"] * 3
    assert len(receiver.received) == 3
