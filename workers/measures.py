"""What the processes of a worker measure, and how the one that leads them tells."""

from functools import cache

from billiard.process import current_process  # type: ignore[import-untyped]
from prometheus_client import Counter, Gauge, Histogram

from core.metrics import SECONDS, registry

AGES = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 3_600.0)
"""Upper bounds of how long a job waited: from a wake-up to the end of the longest back-off."""


class Measures:
    def __init__(self) -> None:
        self.job_seconds = Histogram(
            "outlay_job_seconds",
            "How long it took to do jobs that share a transaction, or one that takes long.",
            ["job_name"],
            registry=registry,
            buckets=SECONDS,
        )
        self.job_age = Histogram(
            "outlay_job_age_seconds",
            "How long after it was asked for a job was done, by the oldest row of a key.",
            ["job_name"],
            registry=registry,
            buckets=AGES,
        )
        self.jobs = Counter(
            "outlay_jobs",
            "Jobs that were done, failed and are tried again, or are dead, a key each.",
            ["job_name", "outcome"],
            registry=registry,
        )
        self.rows = Counter(
            "outlay_job_rows", "Rows of the outbox that the jobs done had.", ["job_name"], registry=registry
        )
        self.task_seconds = Histogram(
            "outlay_task_seconds",
            "How long Celery tasks took: a wake-up, which may do many jobs, or a tick of beat.",
            ["task", "outcome"],
            registry=registry,
            buckets=(*SECONDS, 60.0),
        )
        self.delivery_seconds = Histogram(
            "outlay_delivery_seconds",
            "How long sending a message took, by the kind of channel and what came of it.",
            ["channel", "outcome"],
            registry=registry,
            buckets=SECONDS,
        )
        self.dead_deliveries = Counter(
            "outlay_deliveries_dead",
            "Deliveries that are not tried any more.",
            ["channel"],
            registry=registry,
        )


class BeatMeasures:
    def __init__(self) -> None:
        self.ticks = Counter(
            "outlay_beat_ticks", "What beat has asked for.", ["task", "outcome"], registry=registry
        )
        self.last_tick = Gauge(
            "outlay_beat_last_tick_timestamp_seconds",
            "When beat has last asked for something.",
            registry=registry,
        )


@cache
def measures() -> Measures:
    """Of this process; made when first asked for, as only then it is known whether figures are shared."""
    return Measures()


@cache
def beat_measures() -> BeatMeasures:
    return BeatMeasures()


def place() -> str:
    """Which of the worker's processes this is: one that takes a dead one's place goes on with its figures."""
    return f"place{getattr(current_process(), 'index', 'of_the_parent')}"
