"""`outlay admin` and `outlay audit`: the first administrator, and the proof of the audit trails."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyotp
import pytest
import time_machine
from sqlalchemy import select

from core import clock
from core.config import ENVIRONMENT_PREFIX, Settings
from core.database import Database
from core.models import AuditEvent, AuditHead, Notification, User
from core.queries.administration import find_account_id
from core.queries.second_factors import count_recovery_codes
from core.queries.users import credentials_of
from core.rules.audit_chain import BEGINNING, link_hash, microseconds
from core.services.accounts import NewAccount, register
from core.services.administration import set_rights
from core.services.second_factors import begin_second_factor, confirm_second_factor
from core.services.sessions import RefreshRefused, open_session, rotate_refresh_token
from tests.forging import forge
from tests.workers.outbox import runtime
from workers.tasks.audit import log_audit_heads, log_moved_heads

GONE = "01a2272d-925e-707d-95b9-31fde2d0ce02"
"""Once somebody's id."""

REPOSITORY = Path(__file__).parents[3]


def outlay(settings: Settings, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    fields = {name: str(value) for name, value in msgspec.structs.asdict(settings).items()}
    environ = {ENVIRONMENT_PREFIX + name.upper(): value for name, value in fields.items()}
    return subprocess.run(
        [sys.executable, "-m", "core", *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]} | environ,
        input=given,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def new_user(database: Database, name: str) -> None:
    account = NewAccount(username=name, email=f"{name}@example.com", password="not hashed here")
    with database.transaction() as session:
        register(session, account=account, password_hash="!")


def rights(database: Database) -> dict[str, tuple[bool, bool]]:
    """Whether each user is an administrator, and active."""
    with database.reading() as session:
        return {user.username: (user.is_admin, user.is_active) for user in session.scalars(select(User))}


def test_the_first_administrator_is_made_of_a_user_or_anew(settings: Settings, database: Database) -> None:
    assert outlay(settings, "admin", "list").stdout == "Administrators: 0\n"
    new_user(database, "ada")
    assert outlay(settings, "admin", "create", "ada").stdout == "ada is an administrator.\n"
    assert "no user is called bob" in outlay(settings, "admin", "create", "bob").stderr
    weak = outlay(settings, "admin", "create", "bob", "--email", "bob@example.com", given="password123\n")
    assert (weak.returncode, "too easy" in weak.stderr) == (1, True)
    made = outlay(settings, "admin", "create", "bob", "--email", "bob@example.com", given="a horse of mine\n")
    assert made.stdout == "bob is a new user, and an administrator.\n", made.stderr
    for name in ("a@b.example", "ada\nbob", "ad", "a" * 500):
        wrong = outlay(
            settings, "admin", "create", name, "--email", "c@example.com", given="a horse of mine\n"
        )
        assert (wrong.returncode, "not 3 to 40 of the letters" in wrong.stderr) == (1, True)
    assert rights(database) == {"ada": (True, True), "bob": (True, True)}
    listed = outlay(settings, "admin", "list").stdout.splitlines()
    assert listed[0] == "ada <ada@example.com>, no second factor, never seen"
    assert listed[-1] == "Administrators: 2"


def new_administrator(database: Database, name: str) -> None:
    """As `outlay admin create` makes one; each command takes seconds of a core."""
    new_user(database, name)
    with database.transaction() as session:
        set_rights(session, user_id=find_account_id(session, login=name), changes={"is_admin": True})


def test_administrators_are_disabled_and_enabled_but_not_the_last(
    settings: Settings, database: Database
) -> None:
    for name in ("ada", "bob"):
        new_administrator(database, name)
    assert outlay(settings, "admin", "disable", "bob@example.com").returncode == 0
    assert rights(database)["bob"] == (True, False)
    last = outlay(settings, "admin", "disable", "ada")
    assert (last.returncode, "nobody would be left" in last.stderr) == (1, True)
    assert outlay(settings, "admin", "enable", "bob").returncode == 0
    assert rights(database) == {"ada": (True, True), "bob": (True, True)}
    assert outlay(settings, "admin", "disable", "nobody").returncode == 1
    assert outlay(settings, "admin", "disable").returncode == 2


def test_administrators_are_deleted_but_not_the_last(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    new_administrator(database, "ada")
    assert outlay(settings, "admin", "delete", "ada", "--yes").returncode == 1
    new_administrator(database, "bob")
    assert outlay(settings, "admin", "delete", "ada", given="no\n").returncode == 1
    unanswered = outlay(settings, "admin", "delete", "ada")
    assert (unanswered.returncode, "--yes" in unanswered.stderr) == (2, True)
    assert "Traceback" not in unanswered.stderr
    logging = msgspec.structs.replace(settings, log_dir=str(tmp_path))
    assert outlay(logging, "admin", "delete", "ada", given="ada\n").returncode == 0
    line = json.loads((tmp_path / "audit.log").read_text())
    assert (line["event"], line["actor"], line["seq"]) == ("account.deleted", "command line", 2)
    new_administrator(database, "cy")
    without_files = msgspec.structs.replace(settings, log_format="json")
    done = outlay(without_files, "admin", "delete", "cy", "--yes")
    assert done.stdout == "cy is deleted.\n"
    [line] = [json.loads(line) for line in done.stderr.splitlines()]
    assert (line["event"], line["actor"], line["process"]) == ("account.deleted", "command line", "admin")
    assert rights(database) == {"bob": (True, True)}


def test_who_has_lost_phone_and_codes_is_let_in_by_the_password_alone(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    new_user(database, "ada")
    reset = ("admin", "reset-second-factor", "ada@example.com")
    none = outlay(settings, *reset)
    assert (none.returncode, "there is no second factor" in none.stderr) == (1, True)
    with database.transaction() as session:
        user_id = find_account_id(session, login="ada")
        totp = pyotp.TOTP(begin_second_factor(session, secret=settings.secret, user_id=user_id).secret)
        confirm_second_factor(session, secret=settings.secret, user_id=user_id, code=totp.at(clock.now()))
        opened = open_session(session, user_id=user_id, user_agent=None, ip_address=None)
    logging = msgspec.structs.replace(settings, log_dir=str(tmp_path))
    done = outlay(logging, *reset)
    assert done.stdout.startswith("ada@example.com is logged out everywhere"), done.stderr
    with database.transaction() as session:
        assert rotate_refresh_token(session, refresh_token=opened.refresh_token) == RefreshRefused()
        assert not credentials_of(session, user_id=user_id).has_second_factor
        assert count_recovery_codes(session, user_id=user_id) == 0
        told = session.scalars(select(Notification).order_by(Notification.seq.desc())).first()
        assert told is not None
        assert (told.kind, told.data) == ("security.account_changed", {"change": "second_factor_off"})
        last = session.scalars(select(AuditEvent).order_by(AuditEvent.seq.desc())).first()
        assert last is not None
        assert (last.action, last.user_id, last.actor_id) == ("second_factor.reset", user_id, None)
    line = json.loads((tmp_path / "audit.log").read_text())
    assert (line["action"], line["user_id"]) == ("second_factor.reset", str(user_id))
    assert outlay(settings, "admin", "reset-second-factor", "nobody").returncode == 1


def test_the_trails_are_proved_and_compared_with_what_the_log_has_said(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    new_user(database, "ada")
    new_user(database, "bob")
    done = outlay(settings, "audit")
    assert (done.returncode, done.stdout) == (0, "2 events of 2 users: intact\n")
    with database.reading() as session:
        heads = session.execute(select(AuditHead.user_id, AuditHead.seq, AuditHead.hash)).all()
    lines = [
        f"audit.head user={heads[0].user_id} seq={heads[0].seq} hash={heads[0].hash.hex()}",
        json.dumps(
            {
                "hash": heads[1].hash.hex(),
                "event": "audit.head",
                "seq": heads[1].seq,
                "user_id": str(heads[1].user_id),
            }
        ),
        f"audit.head user={GONE} seq=1 hash={'0' * 64}",
        "something else",
    ]
    log = tmp_path / "audit.log"
    log.write_text("\n".join(lines))
    done = outlay(settings, "audit", "--heads", str(log))
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[1] == "3 links in the log: intact, 1 of accounts that are gone"
    make_anew(database)
    done = outlay(settings, "audit", "--heads", str(log))
    assert (done.returncode, "2 links" not in done.stdout) == (1, True)
    assert "intact" in done.stdout.splitlines()[0], "by itself a trail that was made anew is whole"
    assert outlay(settings, "audit", "--heads", str(tmp_path / "none")).returncode == 1


def test_what_there_is_nothing_to_prove_of_is_not_called_intact(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    new_user(database, "ada")
    done = outlay(settings, "audit", "--user", GONE)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"outlay: nobody has the id {GONE}, nor a trail\n"
    log = tmp_path / "audit.log"
    digest = "0" * 64
    log.write_text(
        f"something else\naudit.head user={GONE[:8]}{'-' * 28} seq=1 hash={digest}\n"
        f"audit.head user={GONE} seq={2**70} hash={digest}\n"
    )
    done = outlay(settings, "audit", "--heads", str(log))
    assert (done.returncode, "links in the log" in done.stdout) == (1, False)
    assert done.stderr == f"outlay: {log}: no line of `audit.head` in it\n"


def make_anew(database: Database) -> None:
    """As somebody who may do everything to the database would, heads included."""

    def change(session: Any) -> None:
        for event in session.scalars(select(AuditEvent)):
            event.action = "nothing.done"
            event.hash = link_hash(
                BEGINNING,
                user=event.user_id.hex,
                seq=event.seq,
                at_us=microseconds(event.at),
                actor=event.actor_id.hex,
                action=event.action,
                object_=event.object_id and event.object_id.hex,
                details=event.details,
            )
            session.get(AuditHead, event.user_id).hash = event.hash
        session.flush()  # before the triggers are back

    forge(database, change)


def test_the_heads_of_trails_that_have_grown_are_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    new_user(database, "ada")
    with caplog.at_level("INFO", logger="outlay.audit"):
        assert log_audit_heads(database) == 1
    with database.reading() as session:
        head = session.scalars(select(AuditHead)).one()
    assert f"audit.head user_id={head.user_id} seq=1 hash={head.hash.hex()}" in caplog.text


def test_a_tick_that_is_late_logs_all_that_moved_since_the_last_one(
    settings: Settings, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="outlay.audit")
    now = clock.now()
    with runtime(settings) as worker, time_machine.travel(now, tick=False) as time:
        worker.redis.delete(f"{settings.redis_prefix}:audit_heads_logged_at")
        new_user(database, "ada")
        time.shift(timedelta(minutes=10))
        assert log_moved_heads(worker) == 1, "nobody knows of a tick before"
        time.shift(timedelta(minutes=10))
        new_user(database, "bob")
        time.shift(timedelta(hours=9))
        assert log_moved_heads(worker) == 1
        time.shift(timedelta(hours=1))
        assert log_moved_heads(worker) == 0
    assert caplog.text.count("audit.head ") == 2


def test_a_tick_after_a_clock_that_was_ahead_logs_all_heads(settings: Settings, database: Database) -> None:
    now = clock.now()
    with runtime(settings) as worker, time_machine.travel(now + timedelta(hours=2), tick=False) as time:
        assert log_moved_heads(worker) == 0
        time.move_to(now)
        new_user(database, "ada")
        time.shift(timedelta(minutes=10))
        assert log_moved_heads(worker) == 1
        time.shift(timedelta(minutes=10))
        assert log_moved_heads(worker) == 0
