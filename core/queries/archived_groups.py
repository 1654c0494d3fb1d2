"""The groups that a user is in, as records of their archive: what they can see of them, and no more."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Select, select

from core.archive.group_records import (
    ActivityItem,
    BalanceItem,
    GroupExpenseItem,
    GroupItem,
    InvitationItem,
    MemberAmount,
    MemberItem,
    PostingItem,
    SettlementItem,
)
from core.archive.records import Record
from core.models import GroupShare, Posting, table_of
from core.queries import group_expenses, invitations, settlements
from core.queries.group_activity import ACTIVITY
from core.queries.groups import GroupScope, MemberRecord, list_groups
from core.queries.invitations import InvitationRecord, received_invitations
from core.queries.ledger import group_balances
from core.rules.money import format_amount
from core.rules.roles import is_at_least

BATCH = 2_000
"""Rows read at a time: about a megabyte."""

MAX_GROUPS = 1_000
"""Of a user, who may be in 200."""

EXPENSES = group_expenses.EXPENSES
INVITATIONS = invitations.INVITATIONS
SETTLEMENTS = settlements.SETTLEMENTS
POSTINGS = table_of(Posting)
SHARES = table_of(GroupShare)


def group_records(rows: Connection, *, user_id: UUID) -> Iterator[tuple[str, Iterator[Record]]]:
    """The lists of an archive that are about groups, in their order."""
    scopes = list_groups(rows, user_id=user_id, after=None, limit=MAX_GROUPS)
    group_ids = [scope.group.id for scope in scopes]
    yield "groups", (_group(rows, scope) for scope in scopes)
    yield "group_expenses", _group_expenses(rows, user_id, group_ids)
    yield "settlements", _settlements(rows, group_ids)
    yield "postings", _postings(rows, group_ids)
    yield "group_activity", _activity(rows, group_ids)
    yield "invitations", _invitations(rows, user_id, scopes)


def _streamed(rows: Connection, query: Select[Any]) -> Iterator[Any]:
    streaming = rows.execution_options(stream_results=True, max_row_buffer=BATCH)
    with streaming.execute(query) as found:
        yield from found


def _group(rows: Connection, scope: GroupScope) -> GroupItem:
    group = scope.group
    return GroupItem(
        id=group.id,
        name=group.name,
        currency=group.currency,
        simplify_debts=group.simplify_debts,
        default_split=group.default_split,
        default_category=group.default_category,
        settlement_days=group.settlement_days,
        debt_reminder_days=group.debt_reminder_days,
        members=[_member(member, scope.me) for member in scope.members.values()],
        balances=[
            BalanceItem(member_id=member_id, currency=currency, amount=format_amount(minor, currency))
            for currency, balances in group_balances(rows, group_id=group.id).items()
            for member_id, minor in balances.items()
        ],
        created_at=group.created_at,
        updated_at=group.updated_at,
    )


def _member(member: MemberRecord, me: MemberRecord) -> MemberItem:
    is_me = member.id == me.id
    return MemberItem(
        id=member.id,
        display_name=member.display_name,
        role=member.role,
        has_account=member.user_id is not None,
        is_me=is_me,
        mirror_expenses=member.mirrors_expenses if is_me else None,
        created_at=member.created_at,
        updated_at=member.updated_at,
        left_at=member.left_at,
    )


def _group_expenses(rows: Connection, user_id: UUID, group_ids: Sequence[UUID]) -> Iterator[Record]:
    columns = group_expenses.COLUMNS
    is_own_share = (
        (SHARES.c.group_id == EXPENSES.c.group_id)
        & (SHARES.c.expense_id == EXPENSES.c.id)
        & (SHARES.c.mirror_user_id == user_id)
    )
    query = (
        select(*columns, SHARES.c.mirror_expense_id)
        .outerjoin(SHARES, is_own_share)
        .where(EXPENSES.c.group_id.in_(group_ids), EXPENSES.c.deleted_at.is_(None))
        .order_by(EXPENSES.c.group_id, EXPENSES.c.id)
    )
    for row in _streamed(rows, query):
        yield _group_expense(group_expenses.GroupExpenseRecord(*row[:-1]), row.mirror_expense_id)


def _group_expense(record: group_expenses.GroupExpenseRecord, mirror_id: UUID | None) -> GroupExpenseItem:
    return GroupExpenseItem(
        group_id=record.group_id,
        id=record.id,
        amount=format_amount(record.amount_minor, record.currency),
        currency=record.currency,
        description=record.description,
        category=record.category,
        note=record.note,
        spent_on=record.spent_on,
        split=record.split,
        paid_by=_amounts(record.paid, record.currency),
        shares=_amounts(record.shares, record.currency),
        state=record.state,
        my_expense_id=mirror_id,
        created_by=record.created_by,
        updated_by=record.updated_by,
        created_at=record.created_at,
        updated_at=record.updated_at,
    )


def _amounts(minors: Mapping[UUID, int], currency: str) -> list[MemberAmount]:
    return [
        MemberAmount(member_id=member_id, amount=format_amount(minor, currency))
        for member_id, minor in minors.items()
    ]


def _settlements(rows: Connection, group_ids: Sequence[UUID]) -> Iterator[Record]:
    query = select(SETTLEMENTS).where(SETTLEMENTS.c.group_id.in_(group_ids))
    for row in _streamed(rows, query.order_by(SETTLEMENTS.c.group_id, SETTLEMENTS.c.id)):
        yield SettlementItem(
            group_id=row.group_id,
            id=row.id,
            from_member_id=row.from_member_id,
            to_member_id=row.to_member_id,
            amount=format_amount(row.amount_minor, row.currency),
            currency=row.currency,
            overpaid=format_amount(row.overpaid_minor, row.currency),
            method=row.method,
            note=row.note,
            paid_on=row.paid_on,
            state=row.state,
            recorded_by=row.recorded_by,
            created_at=row.created_at,
            updated_at=row.updated_at,
        )


def _postings(rows: Connection, group_ids: Sequence[UUID]) -> Iterator[Record]:
    query = select(POSTINGS).where(POSTINGS.c.group_id.in_(group_ids))
    for row in _streamed(rows, query.order_by(*POSTINGS.primary_key.columns)):
        yield PostingItem(
            group_id=row.group_id,
            source_kind=row.source_kind,
            source_id=row.source_id,
            entry=row.entry,
            position=row.position,
            is_reversal=row.is_reversal,
            member_id=row.member_id,
            counterparty_id=row.counterparty_id,
            currency=row.currency,
            amount=format_amount(row.amount_minor, row.currency),
            created_at=row.created_at,
        )


def _activity(rows: Connection, group_ids: Sequence[UUID]) -> Iterator[Record]:
    query = select(ACTIVITY).where(ACTIVITY.c.group_id.in_(group_ids))
    for row in _streamed(rows, query.order_by(ACTIVITY.c.group_id, ACTIVITY.c.id)):
        yield ActivityItem(**row._mapping)


def _invitations(rows: Connection, user_id: UUID, scopes: Sequence[GroupScope]) -> Iterator[Record]:
    """Those of groups whose invitations the user sees to, and those to the user that wait for an answer."""
    names = {scope.group.id: scope.group.name for scope in scopes if is_at_least(scope.me.role, "admin")}
    query = select(*invitations.COLUMNS).where(INVITATIONS.c.group_id.in_(list(names)))
    for row in _streamed(rows, query.order_by(INVITATIONS.c.group_id, INVITATIONS.c.id)):
        yield _invitation(InvitationRecord(*row), names[row.group_id])
    for received in received_invitations(rows, user_id=user_id, after=None, limit=MAX_GROUPS):
        yield _invitation(received.invitation, received.group_name)


def _invitation(record: InvitationRecord, group_name: str) -> InvitationItem:
    return InvitationItem(
        group_id=record.group_id,
        group_name=group_name,
        id=record.id,
        email=record.email,
        member_id=record.member_id,
        role=record.role,
        acceptable_by=record.acceptable_by,
        state=record.shown_state,
        invited_by=record.invited_by,
        created_at=record.created_at,
        sent_at=record.sent_at,
        expires_at=record.expires_at,
        answered_at=record.answered_at,
    )
