"""Show what waits in the outbox and what has failed for good; give the latter another chance."""

import argparse
import os
from datetime import datetime, timedelta

from core import clock
from core.commands.databases import opened_database
from core.config import Settings, load_settings
from core.database import Database
from core.errors import NotFound
from core.models import OutboxRow
from core.queries.outbox import JobBacklog, backlogs, count_dead_rows, dead_rows
from core.services.outbox import revive_dead_rows
from core.wakeups import WakeUps

LIST, RETRY = "list", "retry"

MAX_SHOWN = 100
"""Dead jobs, the newest: a screen or two. They mostly have one cause in common."""

MAX_ERROR_CHARACTERS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=(LIST, RETRY), default=LIST, help="list, or retry")
    parser.add_argument("id", nargs="?", type=int, help="retry only this dead job; otherwise all of them")


def run(arguments: argparse.Namespace) -> int:
    settings = load_settings(os.environ)
    with opened_database(settings) as database:
        if arguments.action == RETRY:
            _retry(settings, database, arguments.id)
        else:
            _list(database)
    return 0


def _list(database: Database) -> None:
    now = clock.now()
    with database.reading() as session:
        waiting, dead = backlogs(session), dead_rows(session, limit=MAX_SHOWN)
        dead_count = count_dead_rows(session)
    print(f"Waiting: {sum(backlog.waiting for backlog in waiting)}")
    for backlog in waiting:
        print(_waiting_line(backlog, now))
    print(f"Dead: {dead_count}")
    for row in dead:
        print(_dead_line(row))
    if dead_count > len(dead):
        print(f"  … and {dead_count - len(dead)} older")


def _waiting_line(backlog: JobBacklog, now: datetime) -> str:
    # A clock that runs behind another machine's must not show a negative age.
    age = max(now - backlog.oldest_at, timedelta())
    return f"  {backlog.job}: {backlog.waiting}, the oldest for {age.total_seconds():.1f} s"


def _dead_line(row: OutboxRow) -> str:
    error = (row.last_error or "")[:MAX_ERROR_CHARACTERS]
    return f"  {row.id}  {row.job}  key {row.key}  dead since {row.dead_at:%Y-%m-%d %H:%M:%S} UTC: {error}"


def _retry(settings: Settings, database: Database, row_id: int | None) -> None:
    with database.transaction() as session:
        jobs = revive_dead_rows(session, row_id=row_id)
    if row_id is not None and not jobs:
        raise NotFound(f"no dead job has the number {row_id}")
    if jobs:
        wake_ups = WakeUps(settings)
        wake_ups.request(set(jobs))
        # Sends what was asked for before. Should Redis be away, the next sweep finds the jobs.
        wake_ups.close()
    print(f"Tried again: {len(jobs)}")
