"""What members are told of an expense of their group."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from core.queries.ledger import Pairs, member_balances
from core.rules.money import format_amount
from core.services.group_changes import ExpenseChange
from core.services.ledger import Entry
from core.services.notifications import NewNotification

Balances = dict[tuple[UUID, str], dict[UUID, int]]
"""By group and currency, and by member."""


def news_of(
    changes: Sequence[ExpenseChange],
    entries: Mapping[UUID, Sequence[Entry]],
    before: Mapping[tuple[UUID, str], Pairs],
    reachable: Collection[UUID],
) -> list[NewNotification]:
    """For every member but the author: what happened, their part in it, and what they owe or are owed now.

    What another one has changed before anybody was told of it is news to its author too. `before` holds the
    balances without the entries, which come by expense; `reachable` are the users who are still there.
    """
    balances = {key: member_balances(pairs) for key, pairs in before.items()}
    news = []
    for change in changes:
        _add(balances, entries[change.expense.id])
        if change.expense.is_quiet:
            continue  # who came or went with a file is not told of one by one
        if change.expense.deleted_at and not change.expense.posted_version:
            continue  # gone before anybody has heard of it
        news += _news_of_one(change, balances, reachable)
    return news


def _add(balances: Balances, entries: Sequence[Entry]) -> None:
    for entry in entries:
        of_group = balances.setdefault((entry.group_id, entry.currency), {})
        for debt in entry.debts:
            of_group[debt.from_id] = of_group.get(debt.from_id, 0) - debt.amount
            of_group[debt.to_id] = of_group.get(debt.to_id, 0) + debt.amount


def _news_of_one(
    change: ExpenseChange, balances: Balances, reachable: Collection[UUID]
) -> list[NewNotification]:
    expense = change.expense
    of_group = balances.get((expense.group_id, expense.currency), {})
    common = _common(change)
    news = []
    for member in change.members.values():
        user_id = member.user_id
        kind, author_id = _told(change, member.id)
        if member.left_at or member.id == author_id or user_id is None or user_id not in reachable:
            continue
        amounts = {
            "paid": expense.paid.get(member.id, 0),
            "share": expense.shares.get(member.id, 0),
            "balance": of_group.get(member.id, 0),
        }
        formatted = {name: format_amount(minor, expense.currency) for name, minor in amounts.items()}
        if change.standing is not None and change.standing.currency != expense.currency:
            formatted |= _earlier(change.standing.currency, member.id, balances, expense.group_id)
        by = change.members[author_id].display_name
        news.append(NewNotification(user_id, kind, {**common, "by": by, **formatted}))
    return news


def _earlier(currency: str, member_id: UUID, balances: Balances, group_id: UUID) -> dict[str, str]:
    """What an expense that has got another currency leaves in the old one."""
    balance = balances.get((group_id, currency), {}).get(member_id, 0)
    return {"earlier_currency": currency, "earlier_balance": format_amount(balance, currency)}


def _told(change: ExpenseChange, member_id: UUID) -> tuple[str, UUID]:
    """As what a member is told of it, and whose doing it is."""
    expense = change.expense
    if expense.deleted_at:
        return "group.expense_deleted", expense.updated_by
    if expense.posted_version or (member_id == expense.created_by != expense.updated_by):
        return "group.expense_changed", expense.updated_by
    return "group.expense_added", expense.created_by


def _common(change: ExpenseChange) -> dict[str, Any]:
    expense = change.expense
    return {
        "group_id": str(change.group.id),
        "group_name": change.group.name,
        "expense_id": str(expense.id),
        "description": expense.description,
        "category": expense.category,
        "spent_on": expense.spent_on.isoformat(),
        "amount": format_amount(expense.amount_minor, expense.currency),
        "currency": expense.currency,
    }
