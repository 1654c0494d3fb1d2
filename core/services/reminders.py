"""Reminding members of what they owe: by hand, and by schedule where the group wants it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict, invalid
from core.models import DebtReminder, table_of
from core.queries.debts import Debt, group_debts
from core.queries.due_reminders import DueReminder, due_reminders
from core.queries.groups import GroupLock, GroupRecord, MemberRecord, lock_groups, open_group
from core.rules.money import format_amount
from core.services.dialects import insert_into
from core.services.locks import lock_users
from core.services.notifications import NewNotification, notify

REMINDERS = table_of(DebtReminder)

REST = timedelta(days=1)
"""Between two reminders of one member by another: it is to help, not to pester."""

Pair = tuple[UUID, UUID]
"""Debtor and creditor."""


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
    now = clock.now()
    if not _claim_turns(session, group_id, [(debtor.id, scope.me.id)], now=now, rest=REST):
        again_at = (_last_reminded(session, scope.me, debtor) + REST).isoformat(timespec="seconds")
        raise Conflict(f"{debtor.display_name} was reminded a short while ago and may be again at {again_at}")
    data = _data(scope.group, scope.me, debts)
    notify(session, [NewNotification(debtor.user_id, "debt.reminder", data)])
    return Reminder(debts, now + REST)


def remind_debtors(session: Session, *, group_id: UUID) -> int:
    """Remind the group's members of what they have owed for long enough; answers how many reminders went out.

    Of two ticks at once the second waits for the lock, and finds what the first has done.
    """
    lock_groups(session, [group_id], lock=GroupLock.LEDGER)
    due = due_reminders(session, group_id=group_id)
    if due is None or not due.reminders:
        return 0
    now = clock.now()
    # Of a day at least: so nobody is reminded within `REST` of a reminder by hand.
    rest = now - due.since
    users = lock_users(session, {one.user_id for one in due.reminders})
    # An account that is deleted at this moment is nobody's failure.
    reachable = [one for one in due.reminders if one.user_id in users]
    pairs = [(one.debtor.id, one.creditor.id) for one in reachable]
    claimed = _claim_turns(session, group_id, pairs, now=now, rest=rest)
    messages = [
        _scheduled(due.group, one) for one in reachable if (one.debtor.id, one.creditor.id) in claimed
    ]
    notify(session, messages, users=users)
    return len(messages)


def _claim_turns(
    session: Session, group_id: UUID, pairs: Sequence[Pair], *, now: datetime, rest: timedelta
) -> set[Pair]:
    """Note that debtors are reminded now; of two at once only one may. Answers those who may be."""
    if not pairs:
        return set()
    names = ("group_id", "from_member_id", "to_member_id")
    rows = [dict(zip(names, (group_id, *pair), strict=True)) | {"reminded_at": now} for pair in pairs]
    statement = insert_into(session, REMINDERS).values(rows)
    claimed = session.execute(
        statement.on_conflict_do_update(
            index_elements=list(names),
            set_={"reminded_at": statement.excluded.reminded_at},
            where=REMINDERS.c.reminded_at <= now - rest,
        ).returning(REMINDERS.c.from_member_id, REMINDERS.c.to_member_id)
    )
    return {(row.from_member_id, row.to_member_id) for row in claimed}


def _last_reminded(session: Session, me: MemberRecord, debtor: MemberRecord) -> datetime:
    query = select(REMINDERS.c.reminded_at).where(
        REMINDERS.c.group_id == me.group_id,
        REMINDERS.c.from_member_id == debtor.id,
        REMINDERS.c.to_member_id == me.id,
    )
    last: datetime = session.execute(query).scalar_one()
    return last


def _scheduled(group: GroupRecord, due: DueReminder) -> NewNotification:
    data = _data(group, due.creditor, due.debts) | {"is_scheduled": True}
    return NewNotification(due.user_id, "debt.reminder", data)


def _data(group: GroupRecord, creditor: MemberRecord, debts: Sequence[Debt]) -> dict[str, Any]:
    return {
        "group_id": str(group.id),
        "group_name": group.name,
        "to_member_id": str(creditor.id),
        "to_name": creditor.display_name,
        "debts": [
            {"currency": debt.currency, "amount": format_amount(debt.amount_minor, debt.currency)}
            for debt in debts
        ],
    }
