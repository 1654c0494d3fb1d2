"""What is told of jobs: a line and a few figures when they are done, and whose they were."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Any

from celery import states

from core import clock
from core.job_names import BUILD_DIGEST, BUILD_EXPORT, DELIVER_NOTIFICATIONS, EVALUATE_BUDGETS
from core.log_context import MAX_IDS, joined, on_behalf_of
from core.log_context import begin_task as begin_task_context
from core.logging import get_logger
from core.services.outbox import ClaimedRow
from core.tracing import requests_span
from workers.measures import measures

Rows = Mapping[str, Sequence[ClaimedRow]]
"""By key."""

KEYED_BY_USER = frozenset({EVALUATE_BUDGETS, DELIVER_NOTIFICATIONS, BUILD_EXPORT, BUILD_DIGEST})

_began: dict[str, float] = {}
"""Of the tasks under way, which is one at a time."""

log = get_logger(__name__)


def for_rows(rows: Rows) -> AbstractContextManager[None]:
    """What is logged and asked for within is on behalf of the requests that have led to these rows."""
    return on_behalf_of({key: joined(row.request_ids for row in of_key) for key, of_key in rows.items()})


@contextmanager
def for_row(job: str, row: ClaimedRow) -> Iterator[None]:
    """As `for_rows`, of a job that takes long; how long is measured, however it ends."""
    with (
        on_behalf_of({row.key: row.request_ids}),
        requests_span(f"job {job}", job=job),
        measures().job_seconds.labels(job).time(),
    ):
        yield


def tell_done(job: str, rows: Rows, *, began: float | None = None) -> None:
    """Once their transaction has committed.

    Args:
        began: when, by `time.perf_counter()`, unless it is measured already.
    """
    now = clock.now()
    count = sum(len(of_key) for of_key in rows.values())
    # Of the oldest: others may be by a machine whose clock is ahead.
    ages_s = [
        max((now - min(row.created_at for row in of_key)).total_seconds(), 0.0) for of_key in rows.values()
    ]
    age = measures().job_age.labels(job)
    for age_s in ages_s:
        age.observe(age_s)
    measures().jobs.labels(job, "done").inc(len(rows))
    measures().rows.labels(job).inc(count)
    fields = _whose(job, rows)
    if began is not None:
        duration_s = time.perf_counter() - began
        measures().job_seconds.labels(job).observe(duration_s)
        fields["duration_ms"] = round(duration_s * 1_000, 1)
    with for_rows(rows):
        log.info("job.done", job=job, keys=len(rows), rows=count, age_s=round(max(ages_s), 3), **fields)


def begin_task(*, task_id: str, task: Any, **_signal: Any) -> None:
    """Celery's `task_prerun`: each line within says which task it is of."""
    begin_task_context(task.name)
    _began[task_id] = time.perf_counter()


def end_task(*, task_id: str, task: Any, state: str | None = None, **_signal: Any) -> None:
    """Celery's `task_postrun`."""
    duration_s = time.perf_counter() - _began.pop(task_id, time.perf_counter())
    outcome = "done" if state == states.SUCCESS else "failed"
    measures().task_seconds.labels(task.name, outcome).observe(duration_s)


def _whose(job: str, rows: Rows) -> dict[str, object]:
    """Fields that say for whom the rows were."""
    if len(rows) != 1:
        return {"some_keys": list(islice(rows, MAX_IDS))}
    [key] = rows
    return {"user_id" if job in KEYED_BY_USER else "key": key}


def tell_failed(job: str, *, is_dead: bool = False, keys: int = 1) -> None:
    """The line, which says why, is the caller's."""
    measures().jobs.labels(job, "dead" if is_dead else "failed").inc(keys)
