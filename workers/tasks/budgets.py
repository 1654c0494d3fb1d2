from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from celery import shared_task
from sqlalchemy.orm import Session

from core.job_names import EVALUATE_BUDGETS, Tick
from core.services.budgets import start_due_periods
from core.services.evaluation import Occasion, evaluate_budgets
from core.services.outbox import ClaimedRow
from core.services.report_upkeep import mark_stale
from workers.process import current_runtime
from workers.runtime import Runtime

PERIOD_BATCH = 500
"""Budgets a transaction whose period begins: at a month's first midnight there may be very many."""


def apply_evaluation(_runtime: Runtime, session: Session, rows: Mapping[str, Sequence[ClaimedRow]]) -> None:
    """Evaluate each user's budgets once for all that was written since the last time.

    What was written may also bear on reports that are built already.
    """
    occasions = {UUID(key): _occasion(of_user) for key, of_user in rows.items()}
    evaluate_budgets(session, occasions)
    mark_stale(session, {user_id: one.touched_from for user_id, one in occasions.items()})


def _occasion(rows: Sequence[ClaimedRow]) -> Occasion:
    days = [row.payload["from"] for row in rows]
    touched_from = None if None in days else date.fromisoformat(min(days))
    return Occasion(touched_from, asked_at=min(row.created_at for row in rows))


@shared_task(name=EVALUATE_BUDGETS)
def evaluate_budgets_task() -> None:
    current_runtime().drain(EVALUATE_BUDGETS)


@shared_task(name=Tick.START_BUDGET_PERIODS)
def start_budget_periods_task() -> None:
    """A tick: evaluate the budgets whose next period has begun."""
    runtime = current_runtime()
    started = PERIOD_BATCH
    while started == PERIOD_BATCH:
        with runtime.database.transaction() as session:
            started = start_due_periods(session, limit=PERIOD_BATCH)
        if started:
            runtime.drain(EVALUATE_BUDGETS)
