"""What Prometheus is told: states that are stored, read when it asks. No amounts, and nobody's name or id."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from sqlalchemy.exc import SQLAlchemyError

from core import clock
from core.database import Database, is_unavailable
from core.job_names import OUTBOX_JOBS
from core.logging import get_logger
from core.metrics import metrics_text
from core.queries.invariant_checks import CheckResult, check_results, unchecked_since
from core.queries.lateness import (
    MOST_COUNTED,
    count_waiting_deliveries,
    digest_due_since,
    oldest_deliveries,
    recurring_due_since,
)
from core.queries.outbox import OutboxCounts, outbox_counts
from core.services.invariant_checks import CHECKS
from core.services.outbox import oldest_waiting_at

LATE = {
    "outlay_deliveries_oldest_seconds": "For how long the oldest due delivery waits.",
    "outlay_recurring_late_seconds": "How late the recurring expense is that is the longest due.",
    "outlay_digests_late_seconds": "How late the digest is that is the longest due.",
}

log = get_logger(__name__)


class Metrics:
    """What is stored, for all of the system, and what the processes of this API have counted."""

    def __init__(self, database: Database) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Stored(database))

    def text(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4; for threads, as it asks the database."""
        return generate_latest(self._registry) + metrics_text()


class _Stored:
    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """Without the database only that it is away: what the process counts is wanted then above all."""
        try:
            stored = list(self._read())
        except SQLAlchemyError as error:
            if not is_unavailable(error):
                raise
            log.warning("metrics.database_down", error=error)
            stored = []
        yield GaugeMetricFamily(
            "outlay_database_up", "Whether the database answers this process.", value=bool(stored)
        )
        yield from stored

    def _read(self) -> Iterator[Metric]:
        with self._database.reading() as session:
            checks, begun_at = check_results(session), unchecked_since(session)
            counts = outbox_counts(session)
            waiting_since = oldest_waiting_at(session)
            now, waiting = clock.now(), count_waiting_deliveries(session)
            late_since = {
                "outlay_deliveries_oldest_seconds": oldest_deliveries(session, now=now).due_since,
                "outlay_recurring_late_seconds": recurring_due_since(session, now=now),
                "outlay_digests_late_seconds": digest_due_since(session, now=now),
            }
        yield from _of_checks(checks, begun_at or now)
        yield from _of_outbox(counts, waiting_since)
        # Not how many are dead: no index knows, and counting them would read all that are kept.
        deliveries = _gauge("outlay_deliveries", f"Deliveries, up to {MOST_COUNTED}.", "state")
        deliveries.add_metric(["waiting"], waiting)
        yield deliveries
        for name, since in late_since.items():
            yield GaugeMetricFamily(name, LATE[name], value=_age_s(since))


def _of_checks(checks: list[CheckResult], begun_at: datetime) -> Iterator[Metric]:
    """One that has never ended has found nothing, but its age is told: no alert can be made of no series."""
    failures = _gauge("outlay_invariant_failures", "Differences that the last check has found.", "invariant")
    unproved = _gauge(
        "outlay_invariant_unproved", "Users or groups that the last check had no time for.", "invariant"
    )
    checked = _gauge(
        "outlay_invariant_checked_timestamp_seconds", "When the last check that has ended began.", "invariant"
    )
    known = {one.name: one for one in checks}
    # Not those of former versions, which nobody makes any more.
    for name in CHECKS:
        checked_at = begun_at
        if one := known.get(name):
            failures.add_metric([name], one.failures)
            unproved.add_metric([name], one.unproved)
            checked_at = one.checked_at
        checked.add_metric([name], checked_at.timestamp())
    yield from (failures, unproved, checked)


def _of_outbox(counts: Mapping[str, OutboxCounts], waiting_since: datetime | None) -> Iterator[Metric]:
    rows = _gauge("outlay_outbox_rows", "Follow-up jobs that wait, or back off after a failure.", "job_name")
    dead = _gauge("outlay_outbox_dead_rows", "Follow-up jobs that have failed for good.", "job_name")
    # A job without rows is told of too: an alert must not begin with a series that is missing.
    of_jobs = defaultdict(OutboxCounts, counts)
    for job in sorted({*OUTBOX_JOBS, *counts}):
        rows.add_metric([job], of_jobs[job].waiting)
        dead.add_metric([job], of_jobs[job].dead)
    yield from (rows, dead)
    yield GaugeMetricFamily(
        "outlay_outbox_oldest_seconds",
        "For how long the oldest due job waits, long ones aside.",
        value=_age_s(waiting_since),
    )


def _age_s(since: datetime | None) -> float:
    # The clock of whoever wrote the row may be ahead of ours.
    return 0.0 if since is None else max((clock.now() - since).total_seconds(), 0.0)


def _gauge(name: str, documentation: str, label: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, documentation, labels=[label])
