"""What is told of settlements: to their two sides, and in the group's activity."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Session

from core.queries.groups import GroupRecord, GroupScope, MemberRecord
from core.queries.ledger import balances_of_members
from core.queries.settlements import SettlementRecord
from core.rules.money import format_amount
from core.services.group_activity import note_activity
from core.services.locks import lock_users
from core.services.notifications import NewNotification, notify


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What `recipients` (members) are told; `by` is who did it."""

    kind: str
    group: GroupRecord
    members: Mapping[UUID, MemberRecord]
    settlement: SettlementRecord
    by: UUID
    recipients: tuple[UUID, ...]
    is_reminder: bool = False

    def accounts(self) -> list[tuple[UUID, UUID]]:
        """Member and user ids of the recipients who can be told."""
        found = [self.members[one] for one in self.recipients]
        return [(one.id, one.user_id) for one in found if one.user_id is not None and one.left_at is None]


def announce(session: Session, scope: GroupScope, settlement: SettlementRecord, kind: str) -> None:
    """Note what the caller has done, and tell both sides, except for the caller."""
    note_activity(
        session,
        group_id=scope.group.id,
        actor_id=scope.me.id,
        kind=kind,
        subject_id=settlement.id,
        data=settlement_data(scope.members, settlement),
    )
    notice = Notice(
        kind=kind,
        group=scope.group,
        members=scope.members,
        settlement=settlement,
        by=scope.me.id,
        recipients=tuple(one for one in settlement.parties if one != scope.me.id),
    )
    send_notices(session, [notice])


def send_notices(session: Session, notices: Sequence[Notice]) -> None:
    """Notify the recipients, each with their balance of now. An account that is just gone is left out."""
    told = [(notice, *account) for notice in notices for account in notice.accounts()]
    if not told:
        return
    balances = balances_of_members(
        session,
        group_ids={notice.group.id for notice, _member_id, _user_id in told},
        member_ids={member_id for _notice, member_id, _user_id in told},
    )
    users = lock_users(session, {user_id for _notice, _member_id, user_id in told})
    messages = []
    for notice, member_id, user_id in told:
        balance = balances.get((notice.group.id, notice.settlement.currency, member_id), 0)
        if user_id in users:
            messages.append(NewNotification(user_id, notice.kind, notice_data(notice, balance)))
    notify(session, messages, users=users)


def notice_data(notice: Notice, balance_minor: int) -> dict[str, Any]:
    settlement = notice.settlement
    return {
        "group_id": str(notice.group.id),
        "group_name": notice.group.name,
        "settlement_id": str(settlement.id),
        **settlement_data(notice.members, settlement),
        "by_member_id": str(notice.by),
        "by": notice.members[notice.by].display_name,
        "balance": format_amount(balance_minor, settlement.currency),
        **({"is_reminder": True} if notice.is_reminder else {}),
    }


def settlement_data(members: Mapping[UUID, MemberRecord], settlement: SettlementRecord) -> dict[str, Any]:
    """Who pays whom how much, with the names of now."""
    return {
        "from_member_id": str(settlement.from_member_id),
        "from_name": members[settlement.from_member_id].display_name,
        "to_member_id": str(settlement.to_member_id),
        "to_name": members[settlement.to_member_id].display_name,
        "amount": format_amount(settlement.amount_minor, settlement.currency),
        "currency": settlement.currency,
        "state": settlement.state,
    }
