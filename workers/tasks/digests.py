"""Computing digests: many at a time, as on Monday mornings there are as many as there are users."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded

from core.database import Database, is_unavailable
from core.job_names import BUILD_DIGEST, Tick
from core.log_redaction import safe_text
from core.logging import get_logger
from core.queries.digest_documents import DigestFigures
from core.queries.digest_figures import digest_figures
from core.queries.digests import QueuedDigest, queued_digests
from core.services.digests import fail_digest, finish_digests, stage_due_digests
from core.services.outbox import ClaimedRow, fail_leased, lease_rows, settle_leased, staged_jobs
from workers.job_log import for_rows, tell_done, tell_failed
from workers.long_jobs import LONG_TASK
from workers.measures import measures
from workers.process import current_runtime
from workers.runtime import DRAIN_TIME_S, Runtime

STAGE_BATCH = 500
"""Users a transaction whose digests are due: it holds their settings only."""

BUILD_BATCH = 25
"""Digests a lease: they share two transactions, and take a second at most."""

LEASE = timedelta(seconds=90)
"""Longer than a batch of the largest accounts takes; after it others compute what a dead builder has not."""

log = get_logger(__name__)


@shared_task(name=Tick.STAGE_DIGESTS)
def stage_digests_task() -> None:
    """A tick: have the digests computed that are due."""
    runtime = current_runtime()
    runtime.wake(stage_digests(runtime.database))


def stage_digests(database: Database) -> frozenset[str]:
    """Answers the jobs that are to be done now. What there is no time for is left to the next tick."""
    jobs: frozenset[str] = frozenset()
    staged, deadline = STAGE_BATCH, time.monotonic() + DRAIN_TIME_S
    while staged and time.monotonic() < deadline:
        with database.transaction() as session:
            staged = stage_due_digests(session, limit=STAGE_BATCH)
        jobs |= staged_jobs(session)
    return jobs


def build_digests(runtime: Runtime) -> int:
    """Compute what waits, batch by batch; answers how many there were."""
    runtime.lower_flag(BUILD_DIGEST)
    total, deadline = 0, time.monotonic() + DRAIN_TIME_S
    while time.monotonic() < deadline:
        with runtime.database.transaction() as session:
            rows = lease_rows(session, job=BUILD_DIGEST, lease=LEASE, limit=BUILD_BATCH)
        if not rows:
            return total
        with for_rows(_by_key(rows)), measures().job_seconds.labels(BUILD_DIGEST).time():
            _build(runtime, rows)
        total += len(rows)
    runtime.wake([BUILD_DIGEST])
    return total


@dataclass(frozen=True, slots=True)
class _Built:
    """A leased row with what came of it: nothing for an account that is gone, or what is done already."""

    row: ClaimedRow
    digest: QueuedDigest | None
    figures: DigestFigures | None


def _build(runtime: Runtime, rows: Sequence[ClaimedRow]) -> None:
    """All at once, or if that fails one by one: what is wrong with one digest must not stop the others."""
    try:
        built = _built(runtime.database, rows)
    except Exception as error:
        if is_unavailable(error) or isinstance(error, SoftTimeLimitExceeded):
            raise  # the rows come up again after their lease
        if len(rows) == 1:
            _fail(runtime.database, rows[0], error)
            return
        log.warning("digest.split", count=len(rows), error=error)
        for row in rows:
            _build(runtime, [row])
        return
    _finish(runtime, built)


def _built(database: Database, rows: Sequence[ClaimedRow]) -> list[_Built]:
    with database.reading() as session:
        queued = {digest.id: digest for digest in queued_digests(session, [_key(row) for row in rows])}
    found: dict[UUID, DigestFigures] = {}
    # Of a user who has several, as after days off, each is read by itself.
    for digests in _one_a_user(list(queued.values())):
        with database.snapshot_rows() as reader:
            of_users = digest_figures(
                reader, [(digest.user_id, digest.frequency, digest.period) for digest in digests]
            )
        found |= {digest.id: of_users[digest.user_id] for digest in digests if digest.user_id in of_users}
    return [_Built(row, queued.get(_key(row)[1]), found.get(_key(row)[1])) for row in rows]


def _one_a_user(digests: Sequence[QueuedDigest]) -> list[list[QueuedDigest]]:
    rounds: list[dict[UUID, QueuedDigest]] = []
    for digest in digests:
        free = next((one for one in rounds if digest.user_id not in one), None)
        if free is None:
            free = {}
            rounds.append(free)
        free[digest.user_id] = digest
    return [list(one.values()) for one in rounds]


def _finish(runtime: Runtime, built: Sequence[_Built]) -> None:
    """What digests say and the end of their jobs are one transaction, or if that fails one for each."""
    try:
        with runtime.writing() as session:
            kept = [one for one in built if settle_leased(session, one.row)]
            finish_digests(session, [(one.digest, one.figures) for one in kept if one.digest and one.figures])
    except Exception as error:
        if is_unavailable(error) or isinstance(error, SoftTimeLimitExceeded):
            raise
        if len(built) == 1:
            _fail(runtime.database, built[0].row, error)
            return
        log.warning("digest.split", count=len(built), error=error)
        for one in built:
            _finish(runtime, [one])
        return
    if kept:
        tell_done(BUILD_DIGEST, _by_key([one.row for one in kept]))


def _fail(database: Database, row: ClaimedRow, error: Exception) -> None:
    user_id, digest_id = _key(row)
    log.error("digest.failed", user_id=user_id, digest_id=digest_id, exc_info=error)
    with database.transaction() as session:
        is_dead = fail_leased(session, row, error=safe_text(error))
        if is_dead:
            fail_digest(session, user_id=user_id, digest_id=digest_id)
    tell_failed(BUILD_DIGEST, is_dead=is_dead)


def _by_key(rows: Sequence[ClaimedRow]) -> dict[str, list[ClaimedRow]]:
    by_key: dict[str, list[ClaimedRow]] = {}
    for row in rows:
        by_key.setdefault(row.key, []).append(row)
    return by_key


def _key(row: ClaimedRow) -> tuple[UUID, UUID]:
    return UUID(row.key), UUID(row.payload["digest_id"])


@shared_task(name=BUILD_DIGEST, **LONG_TASK)
def build_digest_task() -> None:
    build_digests(current_runtime())
