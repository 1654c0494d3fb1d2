from collections.abc import Mapping, Sequence
from uuid import UUID

from celery import shared_task
from sqlalchemy.orm import Session

from core.job_names import SPLIT_GROUP_EXPENSE
from core.services.group_splitting import split_group_expenses
from core.services.outbox import ClaimedRow
from workers.process import current_runtime
from workers.runtime import Runtime


def apply_splits(_runtime: Runtime, session: Session, rows: Mapping[str, Sequence[ClaimedRow]]) -> None:
    """Post each expense once for all that was changed in it since the last time."""
    split_group_expenses(session, [_ids(key) for key in rows])


def _ids(key: str) -> tuple[UUID, UUID]:
    group_id, _, expense_id = key.partition(":")
    return UUID(group_id), UUID(expense_id)


@shared_task(name=SPLIT_GROUP_EXPENSE)
def split_group_expense_task() -> None:
    current_runtime().drain(SPLIT_GROUP_EXPENSE)
