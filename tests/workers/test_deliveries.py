"""What becomes of deliveries besides being sent: retried by their user, given back, cleaned up."""

from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.errors import Conflict, NotFound
from core.models import Channel, Delivery, User
from core.rules.deliveries import GIVEN_UP_AFTER
from core.services.deliveries import KEPT, purge_deliveries, retry_delivery
from core.services.delivery_claims import claim_messages, give_back
from tests.receiver import Receiver, Reply
from tests.workers.outbox import add_user
from tests.workers.outgoing import (
    add_channel,
    channel,
    courier,
    deliveries,
    quiet_hours,
    states,
    tell,
    user_with_mail,
)


def test_a_dead_delivery_is_retried_for_another_three_days(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    replies = [Reply(410), Reply(500), Reply(200)]
    receiver = Receiver(lambda _request: replies[len(receiver.received) - 1])
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        sender.run()
        [row] = deliveries(database)
        assert row.state == "dead"
        traveller.shift(timedelta(days=30))
        with database.transaction() as session:
            session.execute(update(Channel).values(state="active", off_reason=None))
            retried = retry_delivery(session, user_id=user_id, channel_id=channel_id, delivery_id=row.id)
        assert retried.state == "pending"
        sender.run()
        assert states(database) == ["failed"], "it is not given up for what was a month ago"
        traveller.shift(timedelta(seconds=10))
        assert sender.run() == 1
    assert len(set(receiver.ids)) == 1


def test_on_a_channel_that_is_off_nothing_is_retried(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    replies = [Reply(410), Reply(200)]
    receiver = Receiver(lambda _request: replies[len(receiver.received) - 1])
    with receiver.running(), courier(settings) as sender:
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        sender.run()
        [row] = deliveries(database)

        def retry() -> None:
            with database.transaction() as session:
                retry_delivery(session, user_id=user_id, channel_id=channel_id, delivery_id=row.id)

        with pytest.raises(Conflict, match="switch it on first"):
            retry()
        assert deliveries(database)[0].last_error == row.last_error, "it still says why"
        with database.transaction() as session:
            session.execute(update(Channel).values(state="active", off_reason=None))
        retry()
        assert sender.run() == 1


@pytest.mark.parametrize("kind", ["webhook", "push"])
def test_time_in_which_the_system_was_off_gives_nothing_up(
    settings: Settings, database: Database, kind: str
) -> None:
    user_id = add_user(database)
    receiver = Receiver(lambda _request: Reply(503 if len(receiver.received) < 3 else 200))
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        url = receiver.url if kind == "webhook" else f"gotify://127.0.0.1:{receiver.port}/token"
        channel_id = add_channel(database, user_id, url, kind=kind)
        tell(database, user_id)
        sender.run()
        traveller.shift(GIVEN_UP_AFTER + timedelta(days=1))
        sender.run()
        [row] = deliveries(database, channel_id)
        assert (row.state, row.attempts) == ("failed", 2)
        assert channel(database, channel_id).state == "active"
        traveller.move_to(row.available_at + timedelta(milliseconds=1))
        assert sender.run() == 1


def test_the_time_off_is_not_forgotten_when_it_is_quiet_at_its_end(
    settings: Settings, database: Database
) -> None:
    user_id = add_user(database)
    with (
        Receiver(lambda _request: Reply(503)).running() as receiver,
        courier(settings) as sender,
        time_machine.travel("2026-05-10T20:00:00+00:00") as traveller,
    ):
        url = f"gotify://127.0.0.1:{receiver.port}/token"
        channel_id = add_channel(database, user_id, url, kind="push")
        quiet_hours(database, user_id, 22 * 60, 7 * 60)
        tell(database, user_id)
        sender.run()
        traveller.move_to("2026-05-14T02:00:00+00:00")
        sender.run()
        assert len(receiver.received) == 1, "it is quiet"
        traveller.move_to("2026-05-14T07:00:01+00:00")
        sender.run()
    assert len(receiver.received) == 2
    assert states(database, channel_id) == ["failed"]


def test_what_is_being_sent_or_is_over_is_not_retried(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    receiver = Receiver(lambda _request: Reply(500))
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        [row] = deliveries(database)

        def retry() -> None:
            with database.transaction() as session:
                retry_delivery(session, user_id=user_id, channel_id=channel_id, delivery_id=row.id)

        with pytest.raises(Conflict):
            retry()
        sender.run()
        traveller.shift(timedelta(seconds=10))
        with database.transaction() as session:
            claim_messages(session, of_a_host=1, in_all=1)
        with pytest.raises(Conflict, match="at this moment"):
            retry()
    with pytest.raises(NotFound), database.transaction() as session:
        retry_delivery(session, user_id=add_user(database), channel_id=channel_id, delivery_id=row.id)


def test_whoever_writes_keeps_nobody_from_looking_for_what_is_due(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """On SQLite there is one write lock, and a courier looks twenty times a second."""
    user_id = add_user(database)
    with (
        Receiver().running() as receiver,
        courier(settings) as sender,
        time_machine.travel(clock.now()) as traveller,
    ):
        add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        with database.transaction() as session:
            session.execute(update(Delivery).values(available_at=clock.now() + timedelta(minutes=1)))
        with database.transaction() as session:
            session.execute(update(User).where(User.id == user_id).values(display_name="Ada"))
            assert sender.run() == 0
        assert "not_claimed" not in caplog.text
        traveller.shift(timedelta(minutes=1))
        assert sender.run() == 1


def test_what_was_claimed_and_not_begun_is_given_back(settings: Settings, database: Database) -> None:
    user_id = user_with_mail(database)
    with Receiver().running() as receiver, courier(settings) as sender:
        add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        for _ in range(2):
            with database.transaction() as session:
                claim = claim_messages(session, of_a_host=10, in_all=10)
            assert len(claim.messages) == 2
            with database.transaction() as session:
                give_back(session, claim.messages)
            assert {row.first_tried_at for row in deliveries(database)} == {None}
        assert sender.run() == 2
    assert states(database) == ["sent", "sent"]


def test_old_ones_that_are_over_are_deleted_in_batches(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    with (
        Receiver().running() as receiver,
        courier(settings) as sender,
        time_machine.travel(clock.now()) as now,
    ):
        add_channel(database, user_id, receiver.url)
        tell(database, user_id, *["budget.threshold"] * 3)
        sender.run()
        with database.transaction() as session:
            assert purge_deliveries(session) == 0
        now.shift(KEPT + timedelta(seconds=1))
        tell(database, user_id)
        with database.transaction() as session:
            assert purge_deliveries(session) == 3
    assert states(database) == ["pending"]


def test_what_waits_is_never_deleted(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    add_channel(database, user_id, "http://127.0.0.1:1/")
    tell(database, user_id)
    with time_machine.travel(clock.now() + KEPT * 2), database.transaction() as session:
        assert purge_deliveries(session) == 0
    assert states(database) == ["pending"]


def test_many_that_are_held_back_keep_nobody_from_being_told(settings: Settings, database: Database) -> None:
    sleeper, other = user_with_mail(database), user_with_mail(database, "grace")
    with (
        Receiver().running() as receiver,
        courier(settings) as sender,
        time_machine.travel("2026-05-10T23:00:00+00:00"),
    ):
        quiet_hours(database, sleeper, 22 * 60, 7 * 60)
        url = f"gotify://127.0.0.1:{receiver.port}/token"
        for user_id in (sleeper, other):
            add_channel(database, user_id, url, kind="push")
        tell(database, sleeper, *["settlement.recorded"] * 200)
        tell(database, other, "settlement.recorded")
        assert sender.run() == 1
    assert len(receiver.received) == 1
    assert set(states(database, None)) == {"pending", "sent"}
