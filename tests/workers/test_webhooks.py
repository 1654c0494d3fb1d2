"""Webhooks arrive, signed, once a 200 has been answered never again, and nobody holds up the others."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.errors import Conflict
from core.models import Channel
from core.rules.deliveries import GIVEN_UP_AFTER, LONGEST_DELAY, Fate, Outcome
from core.services.channels import MAX_SECRETS, ROTATION_OVERLAP, rotate_secret
from core.services.delivery_claims import LEASE, claim_messages
from core.services.delivery_settling import Settled, settle_messages
from tests.receiver import Received, Receiver, Reply
from tests.workers.outbox import add_user
from tests.workers.outgoing import (
    BUDGET,
    add_channel,
    channel,
    courier,
    deliveries,
    notices,
    secret_of,
    states,
    tell,
)

STARTED_AT = "2026-05-10T09:30:00Z"


def test_a_notification_is_posted_signed_and_once(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    with Receiver().running() as receiver, courier(settings) as sender:
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        assert sender.run() == 1
        assert sender.run() == 0
    [request] = receiver.received
    [row] = deliveries(database)
    document = request.verified(secret_of(settings, user_id, channel_id))
    assert document["type"] == "budget.threshold"
    assert document["data"] == {"seq": 1, **BUDGET}
    assert document["timestamp"].endswith("Z")
    assert request.id == str(row.id)
    assert request.headers["Content-Type"] == "application/json"
    assert (row.state, row.attempts, row.last_status, row.last_error) == ("sent", 1, 200, None)
    assert row.sent_at is not None


def test_a_failure_is_tried_again_with_the_same_id_and_bytes(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    replies = [Reply(500), Reply(503), Reply(302, {"Location": "/elsewhere"}), Reply(200)]
    receiver = Receiver(lambda _request: replies[len(receiver.received) - 1])
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        for attempt in range(1, 5):
            assert sender.run() == (attempt == 4)
            [row] = deliveries(database)
            assert row.attempts == attempt
            if attempt < 4:
                assert (row.state, row.last_status) == ("failed", replies[attempt - 1].status)
                assert sender.run() == 0, "not before its time"
                traveller.move_to(row.available_at + timedelta(milliseconds=1))
    assert len({(request.id, request.body) for request in receiver.received}) == 1
    assert len(receiver.received) == 4
    assert states(database) == ["sent"]


def test_a_receiver_that_answers_too_late_is_asked_again_with_the_same_id(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.outgoing.webhooks.TIMEOUT_S", 0.3)
    user_id = add_user(database)
    receiver = Receiver()
    receiver.gate.clear()
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        assert sender.run() == 0
        [row] = deliveries(database)
        assert (row.state, row.attempts, row.last_status) == ("failed", 1, None)
        assert row.last_error == "no answer within 0.3 s"
        receiver.gate.set()
        assert sender.run() == 0, "not before its time"
        traveller.move_to(row.available_at + timedelta(milliseconds=1))
        assert sender.run() == 1
        assert sender.run() == 0
    first, second = receiver.received
    assert first.id == second.id == str(row.id)
    assert first.body == second.body
    assert second.verified(secret_of(settings, user_id, channel_id))
    assert states(database) == ["sent"]


def test_what_the_receiver_asks_for_is_heeded_within_bounds(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    asked = {
        "/an-hour": "3600",
        "/a-year": "31536000",
        "/nonsense": "soon",
        "/past": "Mon, 01 Jan 2001 00:00:00 GMT",
    }
    receiver = Receiver(lambda request: Reply(429, {"Retry-After": asked[request.path]}))
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now(), tick=False):
        now = clock.now()
        ids = {path: add_channel(database, user_id, receiver.url.replace("/hook", path)) for path in asked}
        tell(database, user_id)
        sender.run()
        waits = {path: deliveries(database, ids[path])[0].available_at - now for path in asked}
    # With a fifth on top at most, so that not all come back at once.
    assert timedelta(hours=1) <= waits["/an-hour"] <= timedelta(hours=1.2)
    assert LONGEST_DELAY <= waits["/a-year"] <= LONGEST_DELAY * 1.2
    for path in ("/nonsense", "/past"):
        assert timedelta(seconds=5) <= waits[path] <= timedelta(seconds=6)


def test_a_receiver_that_is_gone_is_switched_off_and_its_user_told(
    settings: Settings, database: Database
) -> None:
    user_id = add_user(database)
    gone, other = Receiver(lambda _request: Reply(410)), Receiver()
    with gone.running(), other.running(), courier(settings) as sender:
        channel_id = add_channel(database, user_id, f"{gone.url}?token=secret", name="Mine")
        add_channel(database, user_id, other.url_of("127.0.0.2"))
        tell(database, user_id)
        sender.run()
        assert len(gone.received) == 1
        found = channel(database, channel_id)
        assert (found.state, found.off_reason) == ("off", "the receiver has answered 410 (gone)")
        assert found.off_at is not None
        [notice] = notices(database, user_id, "channel.disabled")
        assert notice == {
            "channel_id": str(channel_id),
            "kind": "webhook",
            "name": "Mine",
            "url": "http://127.0.0.1",
            "reason": "the receiver has answered 410 (gone)",
        }
        tell(database, user_id)
        sender.run()
    assert len(gone.received) == 1
    assert len(other.received) == 2
    assert states(database, channel_id) == ["dead"], "what comes later is not staged for it"


def test_what_waits_on_a_channel_that_is_off_is_dead_with_the_reason(
    settings: Settings, database: Database
) -> None:
    user_id = add_user(database)
    with Receiver().running() as receiver, courier(settings) as sender:
        add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        with database.transaction() as session:
            session.execute(update(Channel).values(state="off", off_reason="you have switched it off"))
        assert sender.run() == 0
    assert receiver.received == []
    [row] = deliveries(database)
    assert (row.state, row.last_error) == ("dead", "the channel is off: you have switched it off")


def test_after_three_days_of_failures_it_is_dead_and_the_channel_off(
    settings: Settings, database: Database
) -> None:
    user_id = add_user(database)
    receiver = Receiver(lambda _request: Reply(500))
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        began = clock.now()
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        for _ in range(40):
            sender.run()
            [row] = deliveries(database)
            if row.state == "dead":
                break
            traveller.move_to(row.available_at + timedelta(milliseconds=1))
        assert row.state == "dead"
        assert GIVEN_UP_AFTER <= clock.now() - began < GIVEN_UP_AFTER + timedelta(seconds=5)
    assert 15 < row.attempts < 30
    assert channel(database, channel_id).state == "off"
    [notice] = notices(database, user_id, "channel.disabled")
    assert notice["reason"].startswith("nothing has got through for three days")


def test_a_channel_on_which_something_gets_through_stays_on(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    receiver = Receiver(lambda request: Reply(500 if b'"threshold":99' in request.body else 200))
    with receiver.running(), courier(settings) as sender, time_machine.travel(clock.now()) as traveller:
        channel_id = add_channel(database, user_id, receiver.url)
        tell(database, user_id, threshold=99)
        sender.run()
        tell(database, user_id)
        assert sender.run() == 1
        for _ in range(40):
            row = deliveries(database)[0]
            if row.state == "dead":
                break
            traveller.move_to(row.available_at + timedelta(milliseconds=1))
            sender.run()
    assert states(database) == ["dead", "sent"]
    assert channel(database, channel_id).state == "active"
    assert notices(database, user_id, "channel.disabled") == []


def test_during_a_rotation_both_secrets_verify(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    until = clock.now() + timedelta(hours=24)
    with Receiver().running() as receiver, courier(settings) as sender:
        channel_id = add_channel(database, user_id, receiver.url, secret_issue=2, previous_secret_until=until)
        old, new = (secret_of(settings, user_id, channel_id, issue) for issue in (1, 2))
        tell(database, user_id)
        sender.run()
        with time_machine.travel(until + timedelta(seconds=1)):
            tell(database, user_id)
            sender.run()
            assert receiver.received[1].verified(new)
    during, after = (request.headers["webhook-signature"].split(" ") for request in receiver.received)
    assert receiver.received[0].verified(old) == receiver.received[0].verified(new)
    assert (len(during), len(after)) == (2, 1)
    assert old != new


def test_what_the_receiver_knows_goes_on_to_sign_when_it_is_rotated_twice(
    settings: Settings, database: Database
) -> None:
    user_id = add_user(database)
    with (
        Receiver().running() as receiver,
        courier(settings) as sender,
        time_machine.travel(clock.now()) as traveller,
    ):
        channel_id = add_channel(database, user_id, receiver.url)
        deployed, lost, newest = (secret_of(settings, user_id, channel_id, issue) for issue in (1, 2, 3))

        def rotate() -> None:
            with database.transaction() as session:
                rotate_secret(session, user_id=user_id, channel_id=channel_id)

        rotate()
        traveller.shift(ROTATION_OVERLAP / 2)
        rotate()
        traveller.shift(ROTATION_OVERLAP - timedelta(seconds=10))
        tell(database, user_id)
        sender.run()
        for secret in (deployed, lost, newest):
            assert receiver.received[0].verified(secret)
        traveller.shift(timedelta(seconds=11))
        tell(database, user_id)
        sender.run()
        assert receiver.received[1].verified(newest)
        assert len(receiver.received[1].headers["webhook-signature"].split(" ")) == 1
        rotate()
        assert channel(database, channel_id).oldest_issue == 3, "those that had ended stay ended"


def test_no_more_secrets_sign_than_a_few(settings: Settings, database: Database) -> None:
    user_id = add_user(database)
    channel_id = add_channel(database, user_id, "https://example.com/hook")

    def rotate() -> None:
        with database.transaction() as session:
            rotate_secret(session, user_id=user_id, channel_id=channel_id)

    with time_machine.travel("2026-05-10T09:30:00+00:00") as traveller:
        for _ in range(MAX_SECRETS - 1):
            rotate()
        with pytest.raises(Conflict, match="until 2026-05-11 09:30 UTC"):
            rotate()
        traveller.shift(ROTATION_OVERLAP + timedelta(seconds=1))
        rotate()


def test_a_lost_lease_is_taken_up_again_and_its_late_result_does_not_count(
    settings: Settings, database: Database
) -> None:
    """As when a process was stopped for minutes in the middle of a request."""
    user_id = add_user(database)
    with Receiver().running() as receiver, courier(settings) as sender:
        add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        with database.transaction() as session:
            claim = claim_messages(session, of_a_host=10, in_all=10)
        assert sender.run() == 0, "it is leased"
        with time_machine.travel(clock.now() + LEASE + timedelta(seconds=1)):
            assert sender.run() == 1
            with database.transaction() as session:
                settle_messages(session, [Settled(claim.messages[0], Outcome(Fate.FAILED, 500, "late"))])
    [row] = deliveries(database)
    assert (row.state, row.attempts, row.last_status) == ("sent", 2, 200)
    assert receiver.ids == [str(row.id)]


def test_a_slow_host_does_not_hold_up_others(settings: Settings, database: Database) -> None:
    user_id, other_id = add_user(database), add_user(database)
    slow, fast = Receiver(), Receiver()
    slow.gate.clear()
    seen_when_fast_was_done: list[int] = []

    def reply(_request: Received) -> Reply:
        if len(fast.received) == 20:
            seen_when_fast_was_done.append(len(slow.received))
            slow.gate.set()
        return Reply()

    fast.reply = reply
    with slow.running(), fast.running(), courier(settings) as sender:
        add_channel(database, user_id, slow.url)
        add_channel(database, other_id, fast.url_of("127.0.0.2"))
        tell(database, user_id, *["budget.threshold"] * 300)
        tell(database, other_id, *["budget.threshold"] * 20)
        assert sender.run() == 320
    assert slow.most_at_once <= 16
    assert len(seen_when_fast_was_done) == 1, "the fast one was done before the slow one gave any answer"
    assert seen_when_fast_was_done[0] <= 16
    assert set(states(database)) == {"sent"}
    assert len(set(slow.ids)) == len(slow.ids) == 300


def test_what_is_under_way_at_the_end_of_a_round_is_noted_and_the_rest_given_back(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.courier.ROUND_S", 0.2)
    user_id = add_user(database)
    receiver = Receiver()
    ends = threading.Event()

    def reply(_request: Received) -> Reply:
        # One after the other, all of them after the end of the round.
        ends.wait(0.3 + 0.1 * len(receiver.received))
        return Reply()

    receiver.reply = reply
    with receiver.running(), courier(settings) as sender:
        add_channel(database, user_id, receiver.url)
        tell(database, user_id, *["budget.threshold"] * 40)
        assert sender.run() == 16
        assert sorted(states(database)) == ["pending"] * 24 + ["sent"] * 16
        ends.set()
        monkeypatch.undo()
        assert sender.run() == 24, "without waiting for a lease"
    assert len(set(receiver.ids)) == len(receiver.ids) == 40


def test_what_has_not_ended_when_a_round_must_is_left_to_its_lease(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.courier.ROUND_S", 0.2)
    monkeypatch.setattr("workers.courier.PATIENCE_S", 0.4)
    user_id = add_user(database)
    receiver = Receiver()
    receiver.gate.clear()
    with receiver.running(), courier(settings) as sender:
        add_channel(database, user_id, receiver.url)
        tell(database, user_id)
        assert sender.run() == 0
        [row] = deliveries(database)
        assert (row.state, row.attempts) == ("pending", 1)
        assert row.available_at > clock.now()
        receiver.gate.set()


def test_two_couriers_never_send_the_same(settings: Settings, database: Database) -> None:
    user_ids = [add_user(database) for _ in range(5)]
    with Receiver().running() as receiver, courier(settings) as one, courier(settings) as other:
        for user_id in user_ids:
            add_channel(database, user_id, receiver.url)
            tell(database, user_id, *["budget.threshold"] * 60)
        with ThreadPoolExecutor(2) as threads:
            sent = list(threads.map(lambda sender: sender.run(), (one, other)))
    assert sum(sent) == 300
    assert len(set(receiver.ids)) == len(receiver.ids) == 300
    assert set(states(database)) == {"sent"}
