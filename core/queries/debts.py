"""Who owes whom: pair by pair as it came about, or simplified to the fewest payments."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from uuid import UUID

from sqlalchemy import bindparam, select

from core.database import Reader
from core.models import GroupMember, table_of
from core.queries.groups import GroupRecord, MemberRecord, groups_with_members
from core.queries.ledger import Pairs, member_balances, pair_balances
from core.rules.debts import Plan, plan_transfers

MEMBERS = table_of(GroupMember)
MY_GROUPS = select(MEMBERS.c.group_id).where(
    MEMBERS.c.user_id == bindparam("user_id"), MEMBERS.c.left_at.is_(None)
)
IN_GROUPS = (
    select(MEMBERS.c.user_id)
    .where(MEMBERS.c.user_id.in_(bindparam("user_ids", expanding=True)), MEMBERS.c.left_at.is_(None))
    .distinct()
)

MAX_KEPT_PLANS = 1_000
"""A plan takes up to some ten milliseconds, is asked for often, and depends on nothing but the balances."""


@dataclass(frozen=True, slots=True, order=True)
class Debt:
    """`amount_minor` is above zero."""

    currency: str
    from_id: UUID
    to_id: UUID
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MyDebt:
    """What I owe another member of a group, or what they owe me."""

    group: GroupRecord
    other: MemberRecord
    currency: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class MyDebts:
    owed_by_me: list[MyDebt]
    owed_to_me: list[MyDebt]


def users_in_groups(session: Reader, *, user_ids: Collection[UUID]) -> set[UUID]:
    """Those of them who are in a group: nobody else has debts."""
    return set(session.execute(IN_GROUPS, {"user_ids": list(user_ids)}).scalars())


def group_debts(session: Reader, *, group_id: UUID, is_simplified: bool) -> list[Debt]:
    """The group's debts, by currency, then debtor, then creditor."""
    found: list[Debt] = []
    for (_group_id, currency), pairs in pair_balances(session, [group_id]).items():
        found += debts_of(pairs, currency, is_simplified=is_simplified)
    return sorted(found)


def group_plans(session: Reader, *, group_id: UUID) -> dict[str, Plan]:
    """By currency, in its order, the payments that clear all balances of the group."""
    kept = sorted(pair_balances(session, [group_id]).items())
    return {currency: plan_of(pairs) for (_group_id, currency), pairs in kept}


def debts_of(pairs: Pairs, currency: str, *, is_simplified: bool) -> list[Debt]:
    if is_simplified:
        return [Debt(currency, one.from_id, one.to_id, one.amount) for one in plan_of(pairs).transfers]
    return [
        Debt(currency, member_id, other_id, -amount)
        for (member_id, other_id), amount in pairs.items()
        if amount < 0
    ]


def plan_of(pairs: Pairs) -> Plan:
    return _plan(tuple(member_balances(pairs).items()))


@lru_cache(MAX_KEPT_PLANS)
def _plan(balances: tuple[tuple[UUID, int], ...]) -> Plan:
    return plan_transfers(dict(balances))


def debts_of_user(session: Reader, *, user_id: UUID) -> MyDebts:
    """What the user owes and is owed in all their groups, each by its own setting; three queries."""
    group_ids = [row.group_id for row in session.execute(MY_GROUPS, {"user_id": user_id})]
    groups = groups_with_members(session, group_ids)
    balances: defaultdict[UUID, dict[str, Pairs]] = defaultdict(dict)
    for (group_id, currency), pairs in pair_balances(session, groups.keys()).items():
        balances[group_id][currency] = pairs
    mine = MyDebts([], [])
    for group, members in sorted(groups.values(), key=lambda one: (one[0].name, one[0].id)):
        _add_mine(mine, user_id, group, members, balances[group.id])
    return mine


def _add_mine(
    mine: MyDebts,
    user_id: UUID,
    group: GroupRecord,
    members: Mapping[UUID, MemberRecord],
    balances: Mapping[str, Pairs],
) -> None:
    me = next((one.id for one in members.values() if one.user_id == user_id), None)
    for debt in sorted(_all_debts(group, balances)):
        if debt.from_id == me:
            mine.owed_by_me.append(MyDebt(group, members[debt.to_id], debt.currency, debt.amount_minor))
        elif debt.to_id == me:
            mine.owed_to_me.append(MyDebt(group, members[debt.from_id], debt.currency, debt.amount_minor))


def _all_debts(group: GroupRecord, balances: Mapping[str, Pairs]) -> Iterable[Debt]:
    for currency, pairs in balances.items():
        yield from debts_of(pairs, currency, is_simplified=group.simplify_debts)
