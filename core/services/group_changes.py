"""What has to happen so that the ledger has an expense of a group as it is wanted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.orm import Session

from core.queries.group_expenses import GroupExpenseRecord, nets_of
from core.queries.groups import GroupRecord, MemberRecord, groups_with_members
from core.queries.mirrors import category_key
from core.queries.posted_expenses import (
    PostedEntry,
    PostedShare,
    pending_expenses,
    posted_shares,
    standing_entries,
)
from core.rules.debts import pair_up
from core.services.ledger import Entry
from core.services.mirrors import Share


@dataclass(frozen=True, slots=True)
class ExpenseChange:
    """An expense as it is wanted, beside what the ledger has of it."""

    group: GroupRecord
    members: Mapping[UUID, MemberRecord]
    expense: GroupExpenseRecord
    posted: Mapping[UUID, PostedShare]
    standing: PostedEntry | None

    @property
    def paid(self) -> dict[UUID, int]:
        return {} if self.expense.deleted_at else self.expense.paid

    @property
    def shares(self) -> dict[UUID, int]:
        return {} if self.expense.deleted_at else self.expense.shares

    def entries(self) -> list[Entry]:
        """What is to be posted: the standing entry taken back and the new one; nothing if they are equal."""
        standing = self.standing
        debts = tuple(pair_up(nets_of(self.paid, self.shares)))
        if standing == (PostedEntry(self.expense.currency, debts) if debts else None):
            return []
        number = self.expense.entry_count
        entries = []
        if standing is not None:
            entries.append(self._entry(number, standing).reversed(number + 1))
        if debts:
            entries.append(self._entry(number + len(entries) + 1, PostedEntry(self.expense.currency, debts)))
        return entries

    def _entry(self, number: int, posted: PostedEntry) -> Entry:
        return Entry(
            group_id=self.group.id,
            source_kind="expense",
            source_id=self.expense.id,
            number=number,
            currency=posted.currency,
            debts=posted.debts,
        )

    def shares_to_mirror(self) -> list[Share]:
        """The shares that have a mirror, and the new ones of members who want it and have an account."""
        found = []
        for member_id, amount in self.shares.items():
            member, posted = self.members[member_id], self.posted.get(member_id)
            if not amount or member.user_id is None:
                continue
            if posted is not None and posted.mirror_user_id == member.user_id:
                found.append(self._share(member, member.user_id, posted.mirror_expense_id, amount))
            elif member.mirrors_expenses and not (posted is not None and posted.share_minor):
                found.append(self._share(member, member.user_id, None, amount))
        return found

    def _share(self, member: MemberRecord, user_id: UUID, mirror_id: UUID | None, amount: int) -> Share:
        expense = self.expense
        return Share(
            key=(expense.id, member.id),
            user_id=user_id,
            mirror_id=mirror_id,
            amount_minor=amount,
            currency=expense.currency,
            spent_on=expense.spent_on,
            description=expense.description,
            category=expense.category,
            default_category=self.group.default_category,
            is_category_new=category_key(expense.category) != category_key(expense.posted_category),
            # Whoever has left has done with the group's expenses.
            is_followed=member.left_at is None,
        )

    def lost_mirrors(self) -> list[tuple[UUID, UUID]]:
        """Mirrors `(user id, expense id)` of shares that are no longer there."""
        kept = {share.mirror_id for share in self.shares_to_mirror()}
        return [
            (posted.mirror_user_id, posted.mirror_expense_id)
            for posted in self.posted.values()
            if posted.mirror_user_id is not None and posted.mirror_expense_id is not None
            if posted.mirror_expense_id not in kept
        ]


def pending_changes(session: Session, keys: Sequence[tuple[UUID, UUID]]) -> list[ExpenseChange]:
    """What is to be done for those of the expenses `(group id, expense id)` that are pending.

    In the order in which they were written; their rows stay locked.
    """
    expenses = pending_expenses(session, keys)
    if not expenses:
        return []
    found = [(expense.group_id, expense.id) for expense in expenses]
    groups = groups_with_members(session, {group_id for group_id, _expense_id in found})
    posted = posted_shares(session, found)
    standing = standing_entries(session, found)
    return [
        ExpenseChange(
            *groups[expense.group_id], expense, posted.get(expense.id, {}), standing.get(expense.id)
        )
        for expense in expenses
        if expense.group_id in groups
    ]
