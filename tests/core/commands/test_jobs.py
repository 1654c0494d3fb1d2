"""`python -m core jobs`: what an operator sees of the outbox, and how dead jobs get another chance."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import msgspec
import redis
from sqlalchemy import select

from core import clock
from core.config import ENVIRONMENT_PREFIX, Settings
from core.database import Database
from core.models import OutboxRow

REPOSITORY = Path(__file__).parents[3]


def jobs(settings: Settings, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    fields = {name: str(value) for name, value in msgspec.structs.asdict(settings).items()} | changes
    environ = {ENVIRONMENT_PREFIX + name.upper(): value for name, value in fields.items()}
    return subprocess.run(
        [sys.executable, "-m", "core", "jobs", *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"]} | environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )


def stage(database: Database, job: str, key: str, *, age_s: int, error: str | None = None) -> int:
    """A row that has been there for so long; with an error it is dead."""
    then = clock.now() - timedelta(seconds=age_s)
    with database.transaction() as session:
        row = OutboxRow(
            job=job, key=key, payload={}, attempts=0 if error is None else 12, last_error=error,
            created_at=then, available_at=then, dead_at=None if error is None else then,
        )  # fmt: skip
        session.add(row)
        session.flush()  # the database gives it its number
        return row.id


def states(database: Database) -> dict[int, tuple[bool, int]]:
    """Whether each row is dead, and its attempts."""
    with database.reading() as session:
        rows = session.execute(select(OutboxRow.id, OutboxRow.dead_at, OutboxRow.attempts))
        return {row.id: (row.dead_at is not None, row.attempts) for row in rows}


def test_an_empty_outbox_is_said_to_be_empty(settings: Settings, database: Database) -> None:
    done = jobs(settings)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Waiting: 0\nDead: 0\n", "")


def test_waiting_and_dead_jobs_are_listed(settings: Settings, database: Database) -> None:
    stage(database, "evaluate_budgets", "anna", age_s=90)
    stage(database, "evaluate_budgets", "berta", age_s=30)
    stage(database, "deliver_notifications", "anna", age_s=5)
    older = stage(database, "evaluate_budgets", "carla", age_s=7200, error="KeyError('day')")
    newer = stage(database, "evaluate_budgets", "dora", age_s=3600, error="x" * 1_000)
    done = jobs(settings)
    assert (done.returncode, done.stderr) == (0, "")
    waiting, deliver, evaluate, dead, first, second = done.stdout.splitlines()
    assert (waiting, dead) == ("Waiting: 3", "Dead: 2")
    assert re.fullmatch(r"  deliver_notifications: 1, the oldest for \d\d?\.\d s", deliver)
    assert re.fullmatch(r"  evaluate_budgets: 2, the oldest for (9\d|1\d\d)\.\d s", evaluate)
    assert first.startswith(f"  {newer}  evaluate_budgets  key dora  dead since ")
    assert first.endswith(" UTC: " + "x" * 200)
    assert second.startswith(f"  {older}  evaluate_budgets  key carla  dead since ")
    assert second.endswith(" UTC: KeyError('day')")


def test_one_dead_job_is_tried_again(settings: Settings, database: Database) -> None:
    chosen = stage(database, "evaluate_budgets", "anna", age_s=60, error="broken")
    other = stage(database, "evaluate_budgets", "berta", age_s=60, error="broken")
    done = jobs(settings, "retry", str(chosen))
    assert (done.returncode, done.stdout, done.stderr) == (0, "Tried again: 1\n", "")
    assert states(database) == {chosen: (False, 0), other: (True, 12)}


def test_all_dead_jobs_are_tried_again_and_the_workers_are_woken(
    settings: Settings, database: Database
) -> None:
    server = redis.Redis.from_url(settings.redis)
    queue = f"{settings.redis_prefix}:jobs"
    server.delete(queue, *server.keys(f"{settings.redis_prefix}:woken:*"))
    rows = [
        stage(database, job, "anna", age_s=60, error="broken")
        for job in ("evaluate_budgets", "evaluate_budgets", "deliver_notifications")
    ]
    waiting = stage(database, "evaluate_budgets", "berta", age_s=60)
    done = jobs(settings, "retry")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Tried again: 3\n", "")
    assert states(database) == dict.fromkeys([*rows, waiting], (False, 0))
    messages = [msgspec.json.decode(message) for message in server.lrange(queue, 0, -1)]
    assert sorted(message["headers"]["task"] for message in messages) == [
        "deliver_notifications",
        "evaluate_budgets",
    ]
    server.delete(queue)
    server.close()


def test_a_number_that_is_not_of_a_dead_job_is_refused(settings: Settings, database: Database) -> None:
    waiting = stage(database, "evaluate_budgets", "anna", age_s=60)
    for number in (waiting, waiting + 1):
        refused = jobs(settings, "retry", str(number))
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == f"outlay: no dead job has the number {number}\n"


def test_jobs_are_revived_while_redis_is_away(settings: Settings, database: Database) -> None:
    dead = stage(database, "evaluate_budgets", "anna", age_s=60, error="broken")
    done = jobs(settings, "retry", redis_url="redis://127.0.0.1:1/0")
    assert (done.returncode, done.stdout) == (0, "Tried again: 1\n")
    assert states(database) == {dead: (False, 0)}


def test_a_database_that_is_away_is_said_in_one_line(settings: Settings) -> None:
    refused = jobs(settings, database_url="postgresql+psycopg://127.0.0.1:1/outlay")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith("outlay: OUTLAY_DATABASE_URL: ")
    assert refused.stderr.count("\n") == 1
