"""What keeps a member in a group, and a group from being deleted."""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core.models import GroupExpense, Settlement, table_of
from core.queries.ledger import member_balances, pair_balances

EXPENSES = table_of(GroupExpense)
SETTLEMENTS = table_of(Settlement)

UNSETTLED = ("pending", "disputed")


def open_balances(session: Session, *, group_id: UUID) -> Mapping[str, Mapping[UUID, int]]:
    """Balances that are not zero, in minor units (positive: is owed), by currency and member."""
    found = {
        currency: member_balances(pairs)
        for (_group_id, currency), pairs in sorted(pair_balances(session, [group_id]).items())
    }
    return {currency: balances for currency, balances in found.items() if balances}


def has_pending_expense(session: Session, *, group_id: UUID) -> bool:
    """Whether an expense of the group has still to be posted."""
    is_pending = (EXPENSES.c.group_id == group_id, EXPENSES.c.posted_version < EXPENSES.c.version)
    return session.scalar(select(EXPENSES.c.id).where(*is_pending).limit(1)) is not None


def has_open_settlement(session: Session, *, group_id: UUID, member_id: UUID | None = None) -> bool:
    """Whether a settlement of the group, or of that member, waits for somebody's word."""
    query = select(SETTLEMENTS.c.id).where(
        SETTLEMENTS.c.group_id == group_id, SETTLEMENTS.c.state.in_(UNSETTLED)
    )
    if member_id is not None:
        is_theirs = (SETTLEMENTS.c.from_member_id == member_id, SETTLEMENTS.c.to_member_id == member_id)
        query = query.where(or_(*is_theirs))
    return session.scalar(query.limit(1)) is not None
