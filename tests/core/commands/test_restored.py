"""`python -m core restored`: every token of `GET /changes` ends."""

import os
import subprocess
import sys

from core.database import Database
from tests.core.services.replica import Replica
from tests.core.services.spender import Spender


def test_whoever_keeps_a_copy_begins_anew(sqlite_url: str) -> None:
    database = Database(sqlite_url, pool_size=1)
    me = Spender(database)
    replica = Replica(database, me.id)
    replica.sync()
    before = replica.position
    done = subprocess.run(
        [sys.executable, "-m", "core", "restored"],
        env={**os.environ, "OUTLAY_DATABASE_URL": sqlite_url},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout == "Users whose clients log in and copy everything anew: 1\n"
    assert replica.step()
    assert replica.position is None
    replica.sync()
    assert before is not None
    assert replica.position is not None
    assert replica.position.epoch != before.epoch
    replica.assert_complete()
    database.close()
