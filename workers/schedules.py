"""All that beat asks for. Two beats at once do no harm: each task finds out by itself what is due."""

from datetime import UTC, datetime
from typing import Any

from celery.schedules import crontab

from core.job_names import CLAIMED_JOBS, OUTBOX_JOBS, Tick

SWEEP_S = 5.0
"""How late a job is at most when its wake-up was lost."""

PERIOD_START_S = 30.0
"""How long after a period's first midnight expenses dated ahead may alert."""

RECURRING_S = 30.0
"""How long after a day's beginning its recurring expenses are posted."""

DIGEST_S = 30.0
"""How long after its time a digest is begun; they are spread over minutes anyway."""

REFRESH_S = 60.0
"""How late a report that has become stale is built anew, beyond the delay that it has anyway."""

NEVER = datetime.fromtimestamp(0, UTC)
"""When beat has last asked, as far as it knows when it starts: so it asks at once for all that has an
interval, and what fell due while the system was off waits no longer."""


# What is done once a night is asked for hourly: a machine that is off at night does it by day.
def beat_schedule() -> dict[str, dict[str, Any]]:
    return {
        **{f"sweep {job}": _every(SWEEP_S, job) for job in (*OUTBOX_JOBS, *CLAIMED_JOBS)},
        "start budget periods": _every(PERIOD_START_S, Tick.START_BUDGET_PERIODS),
        "post recurring": _every(RECURRING_S, Tick.POST_RECURRING),
        "stage digests": _every(DIGEST_S, Tick.STAGE_DIGESTS),
        "refresh reports": _every(REFRESH_S, Tick.REFRESH_REPORTS),
        "fetch rates": _at(Tick.FETCH_RATES, crontab(minute=7)),
        "purge": _at(Tick.PURGE, crontab(minute=17)),
        "sweep files": _at(Tick.SWEEP_FILES, crontab(minute=11)),
        "nudge settlements": _at(Tick.NUDGE_SETTLEMENTS, crontab(minute=27)),
        "remind debtors": _at(Tick.REMIND_DEBTORS, crontab(minute=37)),
        "expire invitations": _at(Tick.EXPIRE_INVITATIONS, crontab(minute=47)),
        "log audit heads": _at(Tick.LOG_AUDIT_HEADS, crontab(minute=57)),
        "check invariants": _at(Tick.CHECK_INVARIANTS, crontab(minute=41)),
    }


def _every(seconds: float, task: str) -> dict[str, Any]:
    # Ticks that nobody has picked up by the next one are worthless: they must not pile up.
    return {"task": task, "schedule": seconds, "last_run_at": NEVER, "options": {"expires": seconds}}


def _at(task: str, when: crontab) -> dict[str, Any]:
    return {"task": task, "schedule": when, "options": {"expires": 3_600}}
