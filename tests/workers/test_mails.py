"""Mails that wait in the outbox arrive, whatever happens to the server and to the worker."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import msgspec
import pytest
import time_machine
from sqlalchemy import update

from core import clock
from core.config import ENVIRONMENT_PREFIX, Settings
from core.database import Database
from core.ids import new_id
from core.job_names import SEND_MAIL
from core.mailer import TIMEOUT_S
from core.models import User
from core.queries.invitation_letters import INVITATION_PURPOSE
from core.queries.mails import VERIFY_EMAIL
from core.security import VERIFICATION_LIFETIME, derive_token
from core.services.accounts import delete_account
from core.services.invitation_answers import accept_invitation
from core.services.invitations import NewInvitation, invite_member
from core.services.mails import stage_mail
from core.services.outbox import MAX_ATTEMPTS, delay_after
from tests.core.services.household import Household
from tests.core.services.spender import Spender, at
from tests.mail_server import MAIL_FROM, MailServer, mails_in, silent_server, text_of
from tests.workers.outbox import add_user, rows, runtime, stage
from workers.leased import LEASE, PAUSE_S, turn_name
from workers.runtime import Runtime
from workers.tasks.mails import send_mails

REPOSITORY = Path(__file__).parents[2]

PATIENCE_S = 60.0

INVITATION_TEXT = """Hello,

"Ada" invites you to share expenses in the group
"Flat "7" Bcc: all@example.com" of Outlay at http://127.0.0.1:8000.

This code accepts the invitation, with any account, so keep this mail to yourself:

    CODE

Enter it where your app asks for it, or send it yourself:

    curl -X POST http://127.0.0.1:8000/v1/invitations/CODE/accept \\
      -H "Authorization: Bearer $TOKEN"

It works once, until 18 May 2026, 10:30 UTC.
If you do not want to join, leave it: without the code nothing happens.
"""

SEND_AND_DIE = """
import os, signal
from core import mailer
from core.config import load_settings
from workers.runtime import Runtime
from workers.tasks.mails import send_mails

send = mailer.SmtpMailer.send
def send_and_die(*arguments):
    send(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
mailer.SmtpMailer.send = send_and_die
send_mails(Runtime(load_settings(os.environ), {}))
"""


def with_server(settings: Settings, url: str) -> Settings:
    return msgspec.structs.replace(settings, mail_url=url, mail_from=MAIL_FROM)


@contextmanager
def mailing(settings: Settings, url: str) -> Iterator[Runtime]:
    """A worker that sends to this server, and whose turn it is."""
    with runtime(with_server(settings, url)) as worker:
        worker.redis.delete(turn_name(worker, SEND_MAIL))
        yield worker
        worker.redis.delete(turn_name(worker, SEND_MAIL))


def user_with_mail(database: Database, name: str) -> UUID:
    """Somebody to whom a mail is to go."""
    user_id = add_user(database)
    address = f"{name}@example.com"
    with database.transaction() as session:
        session.execute(
            update(User)
            .where(User.id == user_id)
            .values(email=address, email_key=address, verification_asked_at=clock.now())
        )
        stage_mail(session, key=str(user_id), template=VERIFY_EMAIL, user_id=user_id)
    return user_id


def test_a_mail_that_waits_is_sent_once(settings: Settings, database: Database) -> None:
    user_with_mail(database, "ada")
    [row] = rows(database)
    with MailServer().running() as server, mailing(settings, server.url) as worker:
        assert send_mails(worker) == 1
        assert send_mails(worker) == 0
    [message] = server.received
    assert message["To"] == "ada@example.com"
    assert message["From"] == MAIL_FROM
    assert message["Message-ID"] == f"<{row.payload['mail_id']}@example.org>"
    assert message["Subject"] == "Confirm your e-mail address"
    assert "curl -X POST http://127.0.0.1:8000/v1/auth/verify-email" in text_of(message)
    assert max(map(len, text_of(message).splitlines())) < 100
    assert rows(database) == []


def test_an_invitation_arrives_word_by_word_and_its_code_accepts_it(
    settings: Settings, database: Database
) -> None:
    home, guest = Household(database, "Ada", name='Flat "7"\r\nBcc: all@example.com'), Spender(database)

    def token_of(group_id: UUID, invitation_id: UUID, issue: int) -> str:
        parts = (str(group_id), str(invitation_id), str(issue))
        return derive_token(settings.secret, INVITATION_PURPOSE, *parts)

    new = NewInvitation(email="grace@example.com", member_id=None, role="member", acceptable_by="link")
    with at("2026-05-04T10:30:00"), database.transaction() as session:
        invited = invite_member(
            session,
            user_id=home.people["Ada"].id,
            group_id=home.id,
            invitation=new,
            token_of=token_of,
        )
    [row] = rows(database)
    with (
        MailServer().running() as server,
        mailing(settings, server.url) as worker,
        at("2026-05-04T10:31:00"),
    ):
        assert send_mails(worker) == 1
    [message] = server.received
    assert server.recipients == ["grace@example.com"]
    assert {name: str(message[name]) for name in ("To", "From", "Subject", "Message-ID")} == {
        "To": "grace@example.com",
        "From": MAIL_FROM,
        "Subject": "Invitation to a group in Outlay",
        "Message-ID": f"<{row.payload['mail_id']}@example.org>",
    }
    assert message["Bcc"] is None
    token = token_of(home.id, invited.id, 1)
    assert text_of(message) == INVITATION_TEXT.replace("CODE", token)
    with at("2026-05-05T00:00:00"), database.transaction() as session:
        assert accept_invitation(session, user_id=guest.id, token=token).group.id == home.id


def test_a_refused_recipient_is_not_tried_again_and_holds_nobody_up(
    settings: Settings, database: Database
) -> None:
    user_with_mail(database, "nobody")
    user_with_mail(database, "ada")
    server = MailServer(refusals={"nobody@example.com": "550 5.1.1 no such user"})
    with server.running(), mailing(settings, server.url) as worker:
        assert send_mails(worker) == 1
    assert server.recipients == ["ada@example.com"]
    [row] = rows(database)
    assert row.dead_at is not None
    assert row.last_error == "the mail server said 550 5.1.1 no such user"


def test_an_address_to_which_nothing_can_be_sent_is_dead_with_its_reason(
    settings: Settings, database: Database
) -> None:
    user_with_mail(database, "a,b")
    with mailing(settings, MailServer().url) as worker:
        assert send_mails(worker) == 0
    [row] = rows(database)
    assert row.dead_at is not None
    assert "address" in str(row.last_error)


def test_a_recipient_who_is_put_off_gets_the_same_mail_later(settings: Settings, database: Database) -> None:
    user_with_mail(database, "ada")
    mail_id = rows(database)[0].payload["mail_id"]
    server = MailServer(refusals={"ada@example.com": "450 4.2.0 greylisted"})
    with server.running(), mailing(settings, server.url) as worker:
        assert send_mails(worker) == 0
        [row] = rows(database)
        assert (row.attempts, row.dead_at) == (1, None)
        server.refusals.clear()
        assert send_mails(worker) == 0
        with time_machine.travel(clock.now() + delay_after(1), tick=False):
            assert send_mails(worker) == 1
    [message] = server.received
    assert message["Message-ID"] == f"<{mail_id}@example.org>"


def test_an_address_that_is_always_answered_with_421_holds_nobody_up(
    settings: Settings, database: Database
) -> None:
    for name in ("bad", "ada", "grace"):
        user_with_mail(database, name)
    server = MailServer(refusals={"bad@example.com": "421 4.7.0 try again later"})
    with server.running(), mailing(settings, server.url) as worker:
        assert send_mails(worker) == 2
        assert sorted(server.recipients) == ["ada@example.com", "grace@example.com"]
        for attempt in range(1, MAX_ATTEMPTS):
            [row] = rows(database)
            assert (row.attempts, row.dead_at) == (attempt, None)
            with time_machine.travel(row.available_at, tick=False):
                user_with_mail(database, f"mary{attempt}")
                assert send_mails(worker) == 1
        assert len(server.recipients) == 1 + MAX_ATTEMPTS
    [row] = rows(database)
    assert row.attempts == MAX_ATTEMPTS
    assert row.dead_at is not None
    assert row.last_error == "the mail server said 421 4.7.0 try again later"


def test_mails_that_break_the_connection_hold_nobody_up(settings: Settings, database: Database) -> None:
    bad, good = [f"bad{number}" for number in range(5)], [f"good{number}" for number in range(10)]
    for name in bad + good:
        user_with_mail(database, name)
    server = MailServer(dropped={f"{name}@example.com" for name in bad})
    with server.running(), mailing(settings, server.url) as worker:
        send_mails(worker)
        worker.redis.delete(turn_name(worker, SEND_MAIL))
        with time_machine.travel(clock.now() + timedelta(seconds=PAUSE_S), tick=False):
            send_mails(worker)
    assert sorted(server.recipients) == [f"{name}@example.com" for name in good]
    assert [row.attempts > 0 and row.dead_at is None for row in rows(database)] == [True] * len(bad)


def test_mails_wait_for_a_server_that_is_away_and_are_then_sent_once(
    settings: Settings, database: Database
) -> None:
    names = ["ada", "grace", "mary"]
    for name in names:
        user_with_mail(database, name)
    server = MailServer()
    with mailing(settings, server.url) as worker:
        assert send_mails(worker) == 0
        assert [row.last_error is not None for row in rows(database)] == [True, False, False]
        assert all((row.attempts, row.dead_at) == (0, None) for row in rows(database))
        with server.running():
            assert send_mails(worker) == 0, "it is not asked for again at once"
            worker.redis.delete(turn_name(worker, SEND_MAIL))
            assert send_mails(worker) == 3
            assert send_mails(worker) == 0
    assert server.recipients == [f"{name}@example.com" for name in names]
    assert rows(database) == []


def test_a_server_that_hangs_stops_nobody_from_writing(settings: Settings, database: Database) -> None:
    user_with_mail(database, "ada")
    with silent_server() as listener:
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        with mailing(settings, url) as worker:
            thread = threading.Thread(target=send_mails, args=(worker,))
            thread.start()
            connection, _ = listener.accept()
            add_user(database)
            assert thread.is_alive(), "it still waits for the server, and the user is there all the same"
            connection.close()
            thread.join(TIMEOUT_S + PATIENCE_S)
            assert not thread.is_alive()
    [row] = rows(database)
    assert (row.attempts, row.dead_at) == (0, None)


def test_a_worker_that_is_killed_after_sending_leads_to_the_same_mail_again(
    settings: Settings, database: Database
) -> None:
    user_with_mail(database, "ada")
    with MailServer().running() as server, mailing(settings, server.url) as worker:
        fields = msgspec.structs.asdict(with_server(settings, server.url))
        environ = {ENVIRONMENT_PREFIX + name.upper(): str(value) for name, value in fields.items()}
        killed = subprocess.run(
            [sys.executable, "-c", SEND_AND_DIE],
            cwd=REPOSITORY,
            env={"PATH": os.environ["PATH"], **environ},
            check=False,
            timeout=PATIENCE_S,
        )
        assert killed.returncode == -signal.SIGKILL
        assert len(rows(database)) == 1
        assert send_mails(worker) == 0, "the turn is still the dead one's"
        worker.redis.delete(turn_name(worker, SEND_MAIL))
        assert send_mails(worker) == 0, "so is the row"
        with time_machine.travel(clock.now() + LEASE, tick=False):
            assert send_mails(worker) == 1
    first, second = server.received
    assert first["Message-ID"] == second["Message-ID"]
    assert text_of(first) == text_of(second)
    assert rows(database) == []


def verify(database: Database, user_id: UUID) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == user_id).values(email_verified_at=clock.now()))


def deactivate(database: Database, user_id: UUID) -> None:
    with database.transaction() as session:
        session.execute(update(User).where(User.id == user_id).values(is_active=False))


def ask_long_ago(database: Database, user_id: UUID) -> None:
    then = clock.now() - VERIFICATION_LIFETIME
    with database.transaction() as session:
        session.execute(update(User).where(User.id == user_id).values(verification_asked_at=then))


@pytest.mark.parametrize("make_moot", [verify, deactivate, ask_long_ago])
def test_a_mail_that_has_become_moot_is_not_sent(
    settings: Settings, database: Database, make_moot: Callable[[Database, UUID], None]
) -> None:
    make_moot(database, user_with_mail(database, "ada"))
    with MailServer().running() as server, mailing(settings, server.url) as worker:
        assert send_mails(worker) == 1
    assert server.received == []
    assert rows(database) == []


def test_the_mails_of_a_user_who_is_deleted_are_dropped(settings: Settings, database: Database) -> None:
    user_id = user_with_mail(database, "ada")
    with database.transaction() as session:
        delete_account(session, user_id=user_id, expected_versions=None)
    assert rows(database) == []
    with database.transaction() as session:  # as if it had been leased just then
        stage_mail(session, key=str(user_id), template=VERIFY_EMAIL, user_id=user_id)
    with MailServer().running() as server, mailing(settings, server.url) as worker:
        assert send_mails(worker) == 1
    assert server.received == []


def test_without_a_server_mails_are_in_the_data_folder(settings: Settings, database: Database) -> None:
    user_with_mail(database, "ada")
    mail_id = rows(database)[0].payload["mail_id"]
    with mailing(settings, "") as worker:
        assert send_mails(worker) == 1
    [message] = [mail for mail in mails_in(Path(settings.data_dir) / "mail") if mail_id in mail["Message-ID"]]
    assert message["To"] == "ada@example.com"


def test_a_mail_of_an_unknown_kind_is_refused_when_it_is_asked_for(database: Database) -> None:
    with database.transaction() as session, pytest.raises(ValueError, match="template"):
        stage_mail(session, key="x", template="unknown")
    assert rows(database) == []


def test_mails_that_a_job_asks_for_are_left_to_another_task(settings: Settings, database: Database) -> None:
    """They may take long, and the job's task has alerts to see to."""
    key = f"{settings.redis_prefix}:woken:{SEND_MAIL}"

    def ask(_worker: Runtime, session: object, _rows: object) -> None:
        stage_mail(session, key="x", template=VERIFY_EMAIL, user_id=new_id())  # type: ignore[arg-type]

    stage(database, ["one"], job="first")
    with runtime(settings, first=ask) as worker:
        worker.redis.delete(key)
        assert worker.drain("first") == 1
        worker.close()  # sends what was asked for
    with runtime(settings) as worker:
        assert worker.redis.exists(key), "somebody has been woken"
        worker.redis.delete(key)
    assert [row.job for row in rows(database)] == [SEND_MAIL]
