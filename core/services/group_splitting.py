"""The job `split_group_expense`: what was written down of a group's expenses goes into the ledger.

Each expense is taken from what the ledger has of it to what is wanted, in one transaction: its shares, its
postings, the members' own expenses that mirror it, and what the members are told. However often it was
changed in between, and whoever is killed when, that happens once for the newest version.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.orm import Session

from core import clock
from core.database import pipelined
from core.models import GroupShare, table_of
from core.queries.group_expenses import EXPENSES
from core.queries.groups import GroupLock, lock_groups
from core.queries.ledger import pair_balances
from core.services.group_changes import ExpenseChange, pending_changes
from core.services.group_news import news_of
from core.services.ledger import Entry, post_entries
from core.services.locks import lock_users
from core.services.mirrors import Mirror, Mirrors
from core.services.notifications import notify
from core.services.report_upkeep import mark_stale

SHARES = table_of(GroupShare)
FORGET_SHARES = delete(SHARES).where(
    SHARES.c.group_id == bindparam("its_group"), SHARES.c.expense_id == bindparam("its_id")
)
KEEP_SHARES = insert(SHARES)
SETTLE = (
    update(EXPENSES)
    .where(EXPENSES.c.group_id == bindparam("its_group"), EXPENSES.c.id == bindparam("its_id"))
    .values(
        posted_version=bindparam("posted"),
        posted_category=bindparam("category_then"),
        entry_count=bindparam("entries"),
    )
)


def split_group_expenses(session: Session, keys: Sequence[tuple[UUID, UUID]]) -> None:
    """Bring what the ledger has of expenses `(group id, expense id)` to what is wanted, and tell of it."""
    group_ids = {group_id for group_id, _expense_id in keys}
    lock_groups(session, group_ids, lock=GroupLock.LEDGER)
    changes = pending_changes(session, keys)
    if not changes:
        return
    entries = {change.expense.id: change.entries() for change in changes}
    users = lock_users(session, {user_id for change in changes for user_id in _users(change)})
    mirrors = Mirrors(
        session,
        shares=[share for change in changes for share in change.shares_to_mirror()],
        lost=[mirror for change in changes for mirror in change.lost_mirrors()],
        now=clock.now(),
    )
    news = news_of(changes, entries, pair_balances(session, group_ids), users.keys())
    with pipelined(session):
        mirrors.write(session)
        _keep_shares(session, changes, mirrors.by_share)
        post_entries(session, [entry for change in changes for entry in entries[change.expense.id]])
        session.execute(SETTLE, [_settled(change, entries[change.expense.id]) for change in changes])
        notify(session, news, users=users)
    mark_stale(session, _involved(changes))


def _involved(changes: Sequence[ExpenseChange]) -> dict[UUID, date | None]:
    """Whose balance a change moves, and the first day to which that belongs."""
    days: dict[UUID, date | None] = {}
    for change in sorted(changes, key=lambda one: one.expense.spent_on, reverse=True):
        for member_id in change.posted.keys() | change.paid.keys() | change.shares.keys():
            if (user_id := change.members[member_id].user_id) is not None:
                days[user_id] = change.expense.spent_on
    return days


def _users(change: ExpenseChange) -> set[UUID]:
    """All who may have an expense of their own changed, or be told."""
    mirroring = {posted.mirror_user_id for posted in change.posted.values()}
    present = {member.user_id for member in change.members.values() if member.left_at is None}
    return {user_id for user_id in mirroring | present if user_id is not None}


def _keep_shares(
    session: Session, changes: Sequence[ExpenseChange], mirrors: Mapping[tuple[UUID, UUID], Mirror]
) -> None:
    known = [change for change in changes if change.posted]
    if known:
        session.execute(
            FORGET_SHARES,
            [{"its_group": change.group.id, "its_id": change.expense.id} for change in known],
        )
    rows = [row for change in changes for row in _share_rows(change, mirrors)]
    if rows:
        session.execute(KEEP_SHARES, rows)


def _share_rows(change: ExpenseChange, mirrors: Mapping[tuple[UUID, UUID], Mirror]) -> list[dict[str, Any]]:
    paid, shares = change.paid, change.shares
    rows = []
    for member_id in sorted(paid.keys() | shares.keys()):
        mirror = mirrors.get((change.expense.id, member_id))
        rows.append(
            {
                "group_id": change.group.id,
                "expense_id": change.expense.id,
                "member_id": member_id,
                "paid_minor": paid.get(member_id, 0),
                "share_minor": shares.get(member_id, 0),
                "mirror_user_id": None if mirror is None else mirror.user_id,
                "mirror_expense_id": None if mirror is None else mirror.expense_id,
            }
        )
    return rows


def _settled(change: ExpenseChange, entries: Sequence[Entry]) -> dict[str, Any]:
    expense = change.expense
    return {
        "its_group": expense.group_id,
        "its_id": expense.id,
        "posted": expense.version,
        "category_then": expense.category,
        "entries": expense.entry_count + len(entries),
    }
