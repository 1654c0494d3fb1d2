"""What an archive says of the groups that the user is in: for reading, as a ledger is not one person's."""

from datetime import date
from typing import Any
from uuid import UUID

from core.archive.fields import Amount, Currency, Instant
from core.archive.records import Record


class MemberItem(Record):
    """Somebody in a group; whether their shares are mirrored is known to the user of their own only."""

    id: UUID
    display_name: str
    role: str
    has_account: bool
    is_me: bool
    mirror_expenses: bool | None
    created_at: Instant
    updated_at: Instant
    left_at: Instant | None


class MemberAmount(Record):
    member_id: UUID
    amount: Amount


class BalanceItem(Record):
    """Positive: the member is owed."""

    member_id: UUID
    currency: Currency
    amount: Amount


class GroupItem(Record):
    """A group with all who are or were in it."""

    id: UUID
    name: str
    currency: Currency
    simplify_debts: bool
    default_split: dict[str, Any]
    default_category: str | None
    settlement_days: int
    debt_reminder_days: int | None
    members: list[MemberItem]
    balances: list[BalanceItem]
    created_at: Instant
    updated_at: Instant


class GroupExpenseItem(Record):
    """`my_expense_id` is the expense of the user's own that mirrors their share, if one does."""

    group_id: UUID
    id: UUID
    amount: Amount
    currency: Currency
    description: str
    category: str | None
    note: str | None
    spent_on: date
    split: dict[str, Any]
    paid_by: list[MemberAmount]
    shares: list[MemberAmount]
    state: str
    my_expense_id: UUID | None
    created_by: UUID
    updated_by: UUID
    created_at: Instant
    updated_at: Instant


class SettlementItem(Record):
    group_id: UUID
    id: UUID
    from_member_id: UUID
    to_member_id: UUID
    amount: Amount
    currency: Currency
    overpaid: Amount
    method: str | None
    note: str | None
    paid_on: date
    state: str
    recorded_by: UUID
    created_at: Instant
    updated_at: Instant


class PostingItem(Record):
    """A movement on a member's balance against another member's; a balance is the sum of these."""

    group_id: UUID
    source_kind: str
    source_id: UUID
    entry: int
    position: int
    is_reversal: bool
    member_id: UUID
    counterparty_id: UUID
    currency: Currency
    amount: Amount
    created_at: Instant


class ActivityItem(Record):
    group_id: UUID
    id: UUID
    kind: str
    actor_id: UUID
    subject_id: UUID | None
    data: dict[str, Any]
    created_at: Instant


class InvitationItem(Record):
    """Sent from a group in which the user sees to invitations, or received at the user's own address."""

    group_id: UUID
    group_name: str
    id: UUID
    email: str
    member_id: UUID | None
    role: str
    acceptable_by: str
    state: str
    invited_by: UUID
    created_at: Instant
    sent_at: Instant
    expires_at: Instant
    answered_at: Instant | None
