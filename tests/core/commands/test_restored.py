"""`python -m core restored`: every token of `GET /changes` ends, and every login."""

import os
import subprocess
import sys

from core.database import Database
from core.services.sessions import RefreshRefused, open_session, rotate_refresh_token
from tests.core.services.replica import Replica
from tests.core.services.spender import Spender


def restored(url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "core", "restored"],
        env={**os.environ, "OUTLAY_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_whoever_keeps_a_copy_begins_anew(sqlite_url: str) -> None:
    database = Database(sqlite_url, pool_size=1)
    me = Spender(database)
    replica = Replica(database, me.id)
    replica.sync()
    before = replica.position
    assert restored(sqlite_url) == "Users whose clients log in and copy everything anew: 1\n"
    assert replica.step()
    assert replica.position is None
    replica.sync()
    assert before is not None
    assert replica.position is not None
    assert replica.position.epoch != before.epoch
    replica.assert_complete()
    database.close()


def test_whoever_was_logged_in_logs_in_anew(sqlite_url: str) -> None:
    database = Database(sqlite_url, pool_size=1)
    me = Spender(database)
    with database.transaction() as session:
        opened = open_session(session, user_id=me.id, user_agent=None, ip_address=None)
    restored(sqlite_url)
    with database.transaction() as session:
        assert rotate_refresh_token(session, refresh_token=opened.refresh_token) == RefreshRefused()
    database.close()
