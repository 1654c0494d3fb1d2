"""Users with a tally, and jobs whose effect is to add to it: whatever is done twice or not at all shows."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import clock
from core.config import Settings
from core.database import Database
from core.ids import new_id
from core.models import OutboxRow, User
from core.services.outbox import ClaimedRow, Job, stage_jobs
from workers.runtime import ApplyJob, Runtime

JOB = "tally"


def add_user(database: Database) -> UUID:
    user_id, now = new_id(), clock.now()
    name = str(user_id)
    with database.transaction() as session:
        session.add(
            User(
                id=user_id, username=name, username_key=name, email=name, email_key=name, display_name="",
                password_hash="", timezone="UTC", currency="EUR", is_active=True, created_at=now,
                updated_at=now,
            )
        )  # fmt: skip
    return user_id


def stage(database: Database, keys: Iterable[object], *, job: str = JOB) -> None:
    with database.transaction() as session:
        stage_jobs(session, [Job(job, str(key), {"seq": 1, "count": 1, "from": None}) for key in keys])


def rows(database: Database) -> list[OutboxRow]:
    with database.reading() as session:
        return list(session.scalars(select(OutboxRow).order_by(OutboxRow.id)))


def tallies(database: Database) -> Counter[UUID]:
    """How many rows have had their effect for each user; what is none is left out."""
    with database.reading() as session:
        found = session.execute(select(User.id, User.notification_seq))
        return Counter({user_id: count for user_id, count in found if count})


@dataclass
class Tally:
    """Has a row's effect; afterwards it fails for those keys that it is told to fail for."""

    failing: set[str] = field(default_factory=set)
    calls: list[tuple[str, int]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, _runtime: Runtime, session: Session, rows: Mapping[str, Sequence[ClaimedRow]]) -> None:
        for key, of_key in rows.items():
            session.execute(
                update(User)
                .where(User.id == UUID(key))
                .values(notification_seq=User.notification_seq + len(of_key))
            )
            with self._lock:
                self.calls.append((key, len(of_key)))
        if self.failing & rows.keys():
            raise ValueError("the job cannot be done")


@contextmanager
def runtime(settings: Settings, **jobs: ApplyJob | Callable[..., None]) -> Iterator[Runtime]:
    """A worker process's runtime, in this one."""
    made = Runtime(settings, jobs)
    try:
        yield made
    finally:
        made.close()
