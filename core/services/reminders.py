from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, invalid
from core.models import DebtReminder, table_of
from core.queries.debts import Debt, group_debts
from core.queries.groups import GroupLock, GroupScope, MemberRecord, open_group
from core.rules.money import format_amount
from core.services.dialects import insert_into
from core.services.notifications import NewNotification, notify

REMINDERS = table_of(DebtReminder)

REST = timedelta(days=1)
"""Between two reminders of one member by another: it is to help, not to pester."""


@dataclass(frozen=True, slots=True)
class Reminder:
    """What was reminded of, and when it may be again."""

    debts: list[Debt]
    again_at: datetime


def remind(session: Session, *, user_id: UUID, group_id: UUID, member_id: UUID) -> Reminder:
    """Remind a member of what they owe the caller now, by the group's way to see debts.

    Raises:
        NotFound, Forbidden, InvalidInput
        Conflict: they owe the caller nothing, have no account, or were reminded within the last day.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="member", lock=GroupLock.EXPENSES)
    debtor = scope.members.get(member_id)
    if debtor is None:
        raise invalid("/member_id", "no such member")
    found = group_debts(session, group_id=group_id, is_simplified=scope.group.simplify_debts)
    debts = [debt for debt in found if (debt.from_id, debt.to_id) == (debtor.id, scope.me.id)]
    if not debts:
        raise Conflict(f"{debtor.display_name} owes you nothing")
    if debtor.user_id is None or debtor.left_at is not None:
        raise Conflict(f"{debtor.display_name} has no account here, so nobody can be reminded")
    reminder = Reminder(debts, _claim_turn(session, scope, debtor) + REST)
    notify(session, [NewNotification(debtor.user_id, "debt.reminder", _data(scope, debts))])
    return reminder


def _claim_turn(session: Session, scope: GroupScope, debtor: MemberRecord) -> datetime:
    """Note that the debtor is reminded now; of two at once only one may."""
    now = clock.now()
    key = {"group_id": scope.group.id, "from_member_id": debtor.id, "to_member_id": scope.me.id}
    row = insert_into(session, REMINDERS).values(**key, reminded_at=now)
    claimed = session.execute(
        row.on_conflict_do_update(
            index_elements=list(key),
            set_={"reminded_at": row.excluded.reminded_at},
            where=REMINDERS.c.reminded_at <= now - REST,
        ).returning(REMINDERS.c.reminded_at)
    ).first()
    if claimed is None:
        last: datetime = session.execute(
            select(REMINDERS.c.reminded_at).where(*(REMINDERS.c[name] == one for name, one in key.items()))
        ).scalar_one()
        again_at = (last + REST).isoformat(timespec="seconds")
        raise Conflict(f"{debtor.display_name} was reminded a short while ago and may be again at {again_at}")
    return now


def _data(scope: GroupScope, debts: list[Debt]) -> dict[str, object]:
    return {
        "group_id": str(scope.group.id),
        "group_name": scope.group.name,
        "to_member_id": str(scope.me.id),
        "to_name": scope.me.display_name,
        "debts": [
            {"currency": debt.currency, "amount": format_amount(debt.amount_minor, debt.currency)}
            for debt in debts
        ],
    }
