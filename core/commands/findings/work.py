"""Whether what should happen by itself does: jobs, deliveries, the nightly checks."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from core import clock
from core.commands.findings.finding import Finding, ok, problem, warning
from core.queries.invariant_checks import check_results
from core.queries.lateness import oldest_deliveries
from core.queries.outbox import backlogs, count_dead_rows
from core.services.invariant_checks import CHECKS

LATE = timedelta(minutes=5)
"""Jobs take milliseconds, those that build files minutes; the sweep comes every five seconds."""


def waiting_jobs(session: Session) -> Finding:
    about, waiting = "jobs", backlogs(session)
    oldest = min((one.oldest_at for one in waiting), default=None)
    if oldest is not None and clock.now() - oldest > LATE:
        return warning(
            about, f"the oldest has been waiting for {_age(oldest)}", "do workers, builders and beat run?"
        )
    return ok(about, f"{sum(one.waiting for one in waiting)} waiting")


def dead_jobs(session: Session) -> Finding:
    count = count_dead_rows(session)
    if count:
        return problem(
            "jobs", f"{count} have failed for good", "see `outlay jobs`; `outlay jobs retry` tries again"
        )
    return ok("jobs", "none has failed for good")


def late_deliveries(session: Session) -> Finding:
    about, since = "deliveries", oldest_deliveries(session, now=clock.now()).left_since
    if since is not None and clock.now() - since > LATE:
        return warning(
            about, f"mails, webhooks or pushes have been due for {_age(since)}", "does a courier run?"
        )
    return ok(about, "none is late")


def invariants(session: Session) -> list[Finding]:
    about = "checks"
    results = {one.name: one for one in check_results(session) if one.name in CHECKS}
    found = [
        problem(about, f"{one.name}: {one.failures} wrong on {one.checked_at:%Y-%m-%d}", "see `outlay check`")
        for one in results.values()
        if one.failures
    ]
    found += [
        warning(about, f"{one.name}: {one.unproved} too large to be proved in time", "see `outlay check`")
        for one in results.values()
        if one.unproved
    ]
    late = [name for name in CHECKS if name in results and results[name].is_stale]
    if late:
        found.append(
            warning(
                about, f"not made for days: {', '.join(late)}", "do beat and a worker run? `outlay check` now"
            )
        )
    never = [name for name in CHECKS if name not in results]
    if never:
        found.append(
            warning(about, f"never made yet: {', '.join(never)}", "`outlay check`, or wait for the night")
        )
    return found or [ok(about, "totals, ledgers and numbers are right")]


def _age(since: datetime) -> str:
    return str(timedelta(seconds=round((clock.now() - since).total_seconds())))
