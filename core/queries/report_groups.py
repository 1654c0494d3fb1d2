"""How a user stood in their groups at the beginning and at the end of some days, and what moved it.

Days are those that expenses and payments are dated with, not those on which they were written down. The
balance at the end is the present one less what is dated later, so it is as exact as the ledger. That others
leave the group moves nobody's balance: whose debts they pass on is even.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, func, literal_column, select

from core.database import Reader
from core.models import Group, GroupExpense, GroupMember, GroupShare, Settlement, table_of
from core.queries.ledger import balances_of_members
from core.rules.periods import Period

GROUPS = table_of(Group)
MEMBERS = table_of(GroupMember)
EXPENSES = table_of(GroupExpense)
SHARES = table_of(GroupShare)
SETTLEMENTS = table_of(Settlement)

_MINE = MEMBERS.join(GROUPS, (GROUPS.c.id == MEMBERS.c.group_id) & GROUPS.c.deleted_at.is_(None))
_IS_ME = (MEMBERS.c.user_id == bindparam("user_id"), MEMBERS.c.left_at.is_(None))
MY_GROUPS = select(MEMBERS.c.group_id, MEMBERS.c.id, GROUPS.c.name).select_from(_MINE).where(*_IS_ME)

_IS_LATER = EXPENSES.c.spent_on >= bindparam("end")
MY_SHARES = (
    select(
        MEMBERS.c.group_id,
        EXPENSES.c.currency,
        _IS_LATER.label("is_later"),
        func.sum(SHARES.c.paid_minor).label("paid_minor"),
        func.sum(SHARES.c.share_minor).label("share_minor"),
        func.count().label("expenses"),
    )
    .select_from(
        _MINE.join(EXPENSES, EXPENSES.c.group_id == MEMBERS.c.group_id).join(
            SHARES,
            (SHARES.c.group_id == EXPENSES.c.group_id)
            & (SHARES.c.expense_id == EXPENSES.c.id)
            & (SHARES.c.member_id == MEMBERS.c.id),
        )
    )
    .where(*_IS_ME, EXPENSES.c.deleted_at.is_(None), EXPENSES.c.spent_on >= bindparam("start"))
    .group_by(MEMBERS.c.group_id, EXPENSES.c.currency, _IS_LATER)
)

_IS_PAID_LATER = SETTLEMENTS.c.paid_on >= bindparam("end")
_IS_PAYER = SETTLEMENTS.c.from_member_id == MEMBERS.c.id
_IS_RECEIVER = SETTLEMENTS.c.to_member_id == MEMBERS.c.id
MY_PAYMENTS = (
    select(
        MEMBERS.c.group_id,
        SETTLEMENTS.c.currency,
        _IS_PAID_LATER.label("is_later"),
        func.sum(case((_IS_PAYER, SETTLEMENTS.c.amount_minor), else_=0)).label("sent_minor"),
        func.sum(case((_IS_RECEIVER, SETTLEMENTS.c.amount_minor), else_=0)).label("received_minor"),
    )
    .select_from(_MINE.join(SETTLEMENTS, SETTLEMENTS.c.group_id == MEMBERS.c.group_id))
    .where(
        *_IS_ME,
        _IS_PAYER | _IS_RECEIVER,
        SETTLEMENTS.c.state == literal_column("'confirmed'"),
        SETTLEMENTS.c.paid_on >= bindparam("start"),
    )
    .group_by(MEMBERS.c.group_id, SETTLEMENTS.c.currency, _IS_PAID_LATER)
)


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """A user in a group, in one currency and in minor units; a balance is positive for who is owed.

    `paid_minor` is what they laid out for the group's expenses and `share_minor` what of them is theirs;
    `sent_minor` and `received_minor` are confirmed payments between members. These make the balance before
    the one after.
    """

    group_id: UUID
    name: str
    currency: str
    expenses: int
    paid_minor: int
    share_minor: int
    sent_minor: int
    received_minor: int
    before_minor: int
    after_minor: int


@dataclass(slots=True)
class _Movements:
    """What moves a balance."""

    expenses: int = 0
    paid_minor: int = 0
    share_minor: int = 0
    sent_minor: int = 0
    received_minor: int = 0

    @property
    def net(self) -> int:
        return self.paid_minor - self.share_minor + self.sent_minor - self.received_minor


_Key = tuple[UUID, str]
"""Group and currency."""


def group_standings(session: Reader, *, user_id: UUID, period: Period) -> list[GroupStanding]:
    """In each group that the user is in, by name and currency, where anything was or moved."""
    groups = {row.group_id: row for row in session.execute(MY_GROUPS, {"user_id": user_id})}
    if not groups:
        return []
    parameters = {"user_id": user_id, "start": period.start, "end": period.end}
    within, later = _movements(session, parameters)
    balances = balances_of_members(
        session, group_ids=groups.keys(), member_ids=[row.id for row in groups.values()]
    )
    now = {(group_id, currency): minor for (group_id, currency, _member), minor in balances.items()}
    found = []
    for group_id, currency in sorted({*now, *within, *later}, key=lambda key: (groups[key[0]].name, key)):
        moved = within[group_id, currency]
        after = now.get((group_id, currency), 0) - later[group_id, currency].net
        standing = GroupStanding(
            group_id=group_id,
            name=groups[group_id].name,
            currency=currency,
            expenses=moved.expenses,
            paid_minor=moved.paid_minor,
            share_minor=moved.share_minor,
            sent_minor=moved.sent_minor,
            received_minor=moved.received_minor,
            before_minor=after - moved.net,
            after_minor=after,
        )
        if after or moved != _Movements():
            found.append(standing)
    return found


def _movements(
    session: Reader, parameters: dict[str, Any]
) -> tuple[defaultdict[_Key, _Movements], defaultdict[_Key, _Movements]]:
    """Within the period, and after it."""
    within, later = (defaultdict[_Key, _Movements](_Movements) for _ in range(2))
    for (group_id, currency, is_later), sums in _sums(session, parameters):
        moved = (later if is_later else within)[group_id, currency]
        for name, value in sums.items():
            setattr(moved, name, getattr(moved, name) + int(value))  # PostgreSQL sums bigints into a numeric
    return within, later


def _sums(
    session: Reader, parameters: dict[str, Any]
) -> Iterator[tuple[tuple[UUID, str, bool], dict[str, Any]]]:
    for query in (MY_SHARES, MY_PAYMENTS):
        for row in session.execute(query, parameters).mappings():
            names = dict(row)
            key = (names.pop("group_id"), names.pop("currency"), names.pop("is_later"))
            yield key, names
