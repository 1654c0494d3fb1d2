"""The Celery application: wake-ups in, work from the outbox."""

from typing import Any, Literal

from billiard import pool  # type: ignore[import-untyped]
from celery import Celery
from celery.signals import task_postrun, task_prerun, worker_process_init, worker_process_shutdown

from core.broker import new_celery
from core.config import Settings
from core.job_names import DELIVER_NOTIFICATIONS, EVALUATE_BUDGETS, SEND_MAIL, SPLIT_GROUP_EXPENSE
from core.tracing import start_tracing, stop_tracing
from workers import courier, long_jobs
from workers.delivery_log import begin_counting
from workers.job_log import begin_task, end_task
from workers.process import start_runtime, stop_runtime
from workers.runtime import ApplyJob
from workers.schedules import beat_schedule
from workers.tasks import (
    audit,
    backups,
    budgets,
    deliveries,
    digests,
    exchange_rates,
    exports,
    files,
    groups,
    housekeeping,
    imports,
    invitations,
    mails,
    notifications,
    recurring_expenses,
    reminders,
    reports,
    settlements,
)

JOBS: dict[str, ApplyJob] = {
    EVALUATE_BUDGETS: budgets.apply_evaluation,
    DELIVER_NOTIFICATIONS: notifications.apply_delivery,
    SPLIT_GROUP_EXPENSE: groups.apply_splits,
}
"""Which function does an outbox job, in the transaction that deletes its rows."""

LEASED_JOBS = frozenset({SEND_MAIL})
"""Outbox jobs with an effect outside of the database; their tasks do them by `workers/leased.py`."""

TASK_MODULES = (
    audit, backups, budgets, deliveries, digests, exchange_rates, exports, files, groups, housekeeping,
    imports, invitations, mails, notifications, recurring_expenses, reminders, reports, settlements,
)  # fmt: skip
"""Imported, so that their tasks are known."""

Role = Literal["worker", "builder", "courier"]
"""Whose tasks a process does: those of which an alert may wait, those that take long, or those that talk to
other people's servers."""

CONNECTIONS: dict[Role, int] = {
    "worker": 1,
    "builder": long_jobs.CONNECTIONS,
    "courier": courier.CONNECTIONS,
}
"""Of a process to the database."""

LAST_WORDS_TENTHS_S = 10
"""How long a pool process that ends waits until its last results have been read. When the worker is told to
stop just as it hands out a task, nobody reads that result, and the process would wait for half a minute."""


def create_app(settings: Settings, role: Role = "worker") -> Celery:
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = LAST_WORDS_TENTHS_S
    app = new_celery(settings, is_current=True)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_time_limit=60,
        task_soft_time_limit=45,
        worker_prefetch_multiplier=1,
        worker_soft_shutdown_timeout=25,
        worker_max_tasks_per_child=2_000,
        worker_concurrency=getattr(settings, f"{role}_processes"),
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        beat_schedule=beat_schedule(),
        beat_scheduler="workers.scheduler:CalmScheduler",
        timezone="UTC",
    )

    task_prerun.connect(begin_task)
    task_postrun.connect(end_task)

    @worker_process_init.connect(weak=False)
    def _start(**_signal: Any) -> None:
        start_tracing(settings.otel_url, process=role)
        start_runtime(settings, JOBS, connections=CONNECTIONS[role])
        if role == "courier":
            begin_counting()

    @worker_process_shutdown.connect(weak=False)
    def _stop(**_signal: Any) -> None:
        stop_runtime()
        stop_tracing()

    return app
