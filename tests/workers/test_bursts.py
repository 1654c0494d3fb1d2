"""Mails and pushes: one message for a burst, none in quiet hours, no hammering at a server that is away."""

import json
import threading
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
import time_machine
from sqlalchemy import update

from core import clock
from core.config import Settings
from core.database import Database
from core.models import Delivery, User
from core.services.delivery_claims import LEASE, MAX_PARTS, REST, claim_messages
from core.services.delivery_settling import AWAY_PAUSE
from tests.mail_server import MAIL_FROM, MailServer, text_of
from tests.receiver import Received, Receiver, Reply
from tests.workers.outbox import add_user
from tests.workers.outgoing import (
    add_channel,
    channel,
    courier,
    deliveries,
    notices,
    quiet_hours,
    states,
    tell,
    user_with_mail,
)
from workers.courier import AT_ONCE_OF_KIND

NIGHT = (22 * 60, 7 * 60)
AT_NIGHT = "2026-05-10T23:30:00+00:00"
IN_THE_MORNING = "2026-05-11T07:00:00+00:00"


def mailing(server: MailServer) -> dict[str, Any]:
    return {"mail_url": server.url, "mail_from": MAIL_FROM}


def messages_of(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(request.body) for request in receiver.received]


def test_a_mail_goes_to_the_verified_address_with_the_messages_id(
    settings: Settings, database: Database
) -> None:
    user_id = user_with_mail(database)
    with MailServer().running() as server, courier(settings, **mailing(server)) as sender:
        tell(database, user_id)
        assert sender.run() == 1
    [mail], [row] = server.received, deliveries(database)
    assert mail["To"] == "ada@example.com"
    assert mail["Subject"] == "Budget Food is above 80 %"
    text = mail.get_body(("plain",))
    assert isinstance(text, EmailMessage)
    assert "81.50 of 100.00 EUR spent (81.5 %)" in text_of(text)
    assert mail["Message-ID"] == f"<{row.message_id}@example.org>"
    assert row.state == "sent"


def test_a_burst_is_one_mail_and_what_comes_meanwhile_is_the_next(
    settings: Settings, database: Database
) -> None:
    user_id = user_with_mail(database)
    with (
        MailServer().running() as server,
        courier(settings, **mailing(server)) as sender,
        time_machine.travel(clock.now()) as traveller,
    ):
        tell(database, user_id, *["budget.threshold"] * 5)
        assert sender.run() == 1
        assert server.received[0]["Subject"] == "5 notifications"
        tell(database, user_id, "debt.reminder")
        tell(database, user_id, "debt.reminder")
        assert sender.run() == 0, "the channel rests"
        traveller.shift(REST + timedelta(seconds=1))
        assert sender.run() == 1
    assert [mail["Subject"] for mail in server.received] == ["5 notifications", "2 notifications"]
    assert states(database) == ["sent"] * 7
    ids = [row.message_id for row in deliveries(database)]
    assert len(set(ids[:5])) == len(set(ids[5:])) == 1
    assert len(set(ids)) == 2


def test_more_than_fits_into_one_message_is_several(settings: Settings, database: Database) -> None:
    user_id = user_with_mail(database)
    with (
        MailServer().running() as server,
        courier(settings, **mailing(server)) as sender,
        time_machine.travel(clock.now()) as traveller,
    ):
        tell(database, user_id, *["budget.threshold"] * (MAX_PARTS + 3))
        assert sender.run() == 1
        traveller.shift(REST + timedelta(seconds=1))
        assert sender.run() == 1
    assert [mail["Subject"] for mail in server.received] == [f"{MAX_PARTS} notifications", "3 notifications"]


def test_after_a_crash_the_same_message_goes_out_with_the_same_id(
    settings: Settings, database: Database
) -> None:
    """What came after it was begun is not put into it."""
    user_id = user_with_mail(database)
    with MailServer().running() as server, courier(settings, **mailing(server)) as sender:
        tell(database, user_id, "budget.threshold", "debt.reminder")
        with database.transaction() as session:
            [begun] = claim_messages(session, of_a_host=10, in_all=10).messages
        tell(database, user_id, "settlement.disputed")
        assert sender.run() == 0
        with time_machine.travel(clock.now() + LEASE + timedelta(seconds=1)) as traveller:
            assert sender.run() == 1
            assert server.received[0]["Message-ID"] == f"<{begun.id}@example.org>"
            assert server.received[0]["Subject"] == "2 notifications"
            traveller.shift(REST + timedelta(seconds=1))
            assert sender.run() == 1
    assert len(server.received) == 2


def test_a_refused_address_switches_the_mail_channel_off_and_the_others_tell(
    settings: Settings, database: Database
) -> None:
    user_id = user_with_mail(database)
    server = MailServer(refusals={"ada@example.com": "550 5.1.1 no such user"})
    with (
        server.running(),
        Receiver().running() as receiver,
        courier(settings, **mailing(server)) as sender,
    ):
        add_channel(database, user_id, f"gotify://127.0.0.1:{receiver.port}/token", kind="push")
        tell(database, user_id)
        sender.run()
    assert channel(database, user_id).state == "off"
    [notice] = notices(database, user_id, "channel.disabled")
    assert (notice["kind"], notice["url"]) == ("email", None)
    assert "550 5.1.1 no such user" in notice["reason"]
    assert states(database, user_id) == ["dead"]


def test_a_mail_that_is_put_off_comes_later_and_is_the_same(settings: Settings, database: Database) -> None:
    user_with_mail(database, "grace")
    user_id = user_with_mail(database)
    server = MailServer(refusals={"ada@example.com": "450 4.2.0 greylisted"})
    with server.running(), courier(settings, **mailing(server)) as sender:
        tell(database, user_id)
        assert sender.run() == 0
        [row] = deliveries(database)
        assert (row.state, row.attempts) == ("failed", 1)
        server.refusals.clear()
        with time_machine.travel(row.available_at + timedelta(milliseconds=1)):
            assert sender.run() == 1
    assert server.received[0]["Message-ID"] == f"<{row.message_id}@example.org>"


def test_a_server_that_is_away_is_left_alone_and_no_mail_is_given_up_for_it(
    settings: Settings, database: Database
) -> None:
    people = [user_with_mail(database, f"person{number}") for number in range(12)]
    server = MailServer()
    with courier(settings, **mailing(server)) as sender, time_machine.travel(clock.now()) as traveller:
        for user_id in people:
            tell(database, user_id)
        for _day in range(5):
            assert sender.run() == 0
            tried = sum(row.last_error is not None for row in deliveries(database))
            assert 0 < tried <= 12
            assert sender.run() == 0, "not again within a minute"
            traveller.shift(timedelta(days=1))
        assert set(states(database)) <= {"pending", "failed"}
        with server.running():
            traveller.shift(AWAY_PAUSE + timedelta(seconds=1))
            for _ in range(3):
                sender.run()
                traveller.shift(REST + timedelta(seconds=1))
    assert set(states(database)) == {"sent"}
    assert len(server.received) == 12
    assert all(channel(database, user_id).state == "active" for user_id in people)


def test_nothing_is_sent_to_an_address_that_is_not_verified_any_more(
    settings: Settings, database: Database
) -> None:
    user_id = user_with_mail(database)
    with MailServer().running() as server, courier(settings, **mailing(server)) as sender:
        tell(database, user_id)
        with database.transaction() as session:
            session.execute(update(User).values(email_verified_at=None))
        assert sender.run() == 0
    assert server.received == []
    [row] = deliveries(database)
    assert (row.state, row.last_error) == ("dead", "there is no verified address")
    assert channel(database, user_id).state == "active"


def test_pushes_of_a_burst_are_one_with_a_line_each(settings: Settings, database: Database) -> None:
    user_id = user_with_mail(database)
    with Receiver().running() as receiver, courier(settings) as sender:
        add_channel(database, user_id, f"gotify://127.0.0.1:{receiver.port}/token", kind="push")
        tell(database, user_id, "budget.threshold", "budget.projected", projected="120.00")
        sender.run()
    [message] = messages_of(receiver)
    assert message["title"] == "2 notifications"
    assert message["message"].splitlines() == [
        "Budget Food is above 80 %: 81.50 of 100.00 EUR spent (81.5 %)",
        "Budget Food will not last: 120.00 EUR expected by its end; 81.50 of 100.00 EUR spent (81.5 %)",
    ]


def test_slow_push_services_hold_up_no_round(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What would only wait for a thread is not begun, and given back at the end."""
    monkeypatch.setattr("workers.courier.ROUND_S", 0.3)
    monkeypatch.setitem(AT_ONCE_OF_KIND, "push", 2)
    ends = threading.Event()

    def reply(_request: Received) -> Reply:
        ends.wait(0.5)
        return Reply()

    hosts = [f"127.0.0.{number}" for number in range(2, 8)]
    with Receiver(reply).running() as receiver, courier(settings) as sender:
        for host in hosts:
            user_id = add_user(database)
            add_channel(database, user_id, f"gotify://{host}:{receiver.port}/token", kind="push")
            tell(database, user_id)
        assert sender.run() == len(receiver.received) == receiver.most_at_once == 2
        ends.set()
        monkeypatch.undo()
        assert sender.run() == 4, "without waiting for a lease"
    assert states(database) == ["sent"] * 6


def test_a_push_service_that_has_gone_is_switched_off_and_its_token_stays_secret(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    user_id = user_with_mail(database)
    with Receiver(lambda _request: Reply(410)).running() as receiver, courier(settings) as sender:
        url = f"gotify://127.0.0.1:{receiver.port}/SeCrEtToKeN"
        channel_id = add_channel(database, user_id, url, kind="push")
        tell(database, user_id)
        sender.run()
    assert channel(database, channel_id).state == "off"
    [row] = deliveries(database, channel_id)
    [notice] = notices(database, user_id, "channel.disabled")
    assert notice["url"] == "gotify://127.0.0.1"
    assert "SeCrEt" not in caplog.text + str(row) + str(notice)


def test_mails_and_pushes_wait_for_the_end_of_quiet_hours_and_webhooks_do_not(
    settings: Settings, database: Database
) -> None:
    user_id = user_with_mail(database)
    with (
        MailServer().running() as server,
        Receiver().running() as push,
        Receiver().running() as hook,
        courier(settings, **mailing(server)) as sender,
        time_machine.travel(AT_NIGHT) as traveller,
    ):
        quiet_hours(database, user_id, *NIGHT)
        add_channel(database, user_id, f"gotify://127.0.0.1:{push.port}/token", kind="push")
        add_channel(database, user_id, hook.url_of("127.0.0.2"))
        tell(database, user_id)
        assert sender.run() == 1
        assert (len(server.received), len(push.received), len(hook.received)) == (0, 0, 1)
        held = [row for row in deliveries(database) if row.state == "pending"]
        assert [(row.attempts, row.available_at.isoformat()) for row in held] == [(0, IN_THE_MORNING)] * 2
        traveller.move_to("2026-05-11T07:00:01+00:00")
        assert sender.run() == 2
    assert (len(server.received), len(push.received), len(hook.received)) == (1, 1, 1)


def test_what_is_urgent_passes_at_night(settings: Settings, database: Database) -> None:
    careful, calm = user_with_mail(database), user_with_mail(database, "grace")
    with (
        MailServer().running() as server,
        courier(settings, **mailing(server)) as sender,
        time_machine.travel(AT_NIGHT),
    ):
        quiet_hours(database, careful, *NIGHT, lets_exceeded_pass=True)
        quiet_hours(database, calm, *NIGHT)
        for user_id in (careful, calm):
            tell(database, user_id, "budget.threshold", threshold=100)
            tell(database, user_id, "budget.threshold", threshold=80)
            tell(database, user_id, "security.new_login")
        sender.run()
    subjects = {str(mail["To"]): str(mail["Subject"]) for mail in server.received}
    assert subjects == {"ada@example.com": "2 notifications", "grace@example.com": "New login"}
    assert states(database, careful).count("pending") == 1
    assert states(database, calm).count("pending") == 2


def test_a_retry_is_held_back_too_and_looked_at_again_when_settings_change(
    settings: Settings, database: Database
) -> None:
    user_id = user_with_mail(database)
    server = MailServer(data_reply="451 not now")
    with (
        server.running(),
        courier(settings, **mailing(server)) as sender,
        time_machine.travel("2026-05-10T21:59:58+00:00") as traveller,
    ):
        quiet_hours(database, user_id, *NIGHT)
        tell(database, user_id)
        assert sender.run() == 0
        traveller.move_to("2026-05-10T22:00:30+00:00")
        server.data_reply = None
        assert sender.run() == 0
        [row] = deliveries(database)
        assert (row.attempts, row.available_at.isoformat()) == (1, IN_THE_MORNING)
        with database.transaction() as session:
            session.execute(update(Delivery).values(available_at=clock.now()))
        assert sender.run() == 0, "it is still quiet"
        [row] = deliveries(database)
        assert row.available_at.isoformat() == IN_THE_MORNING
        traveller.move_to("2026-05-11T07:00:01+00:00")
        assert sender.run() == 1
