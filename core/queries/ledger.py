"""Reading the ledgers of groups: balances by pair and by member."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy import bindparam, select

from core.database import Reader
from core.models import PairBalance, table_of

BALANCES = table_of(PairBalance)
OF_GROUPS = select(
    BALANCES.c.group_id,
    BALANCES.c.currency,
    BALANCES.c.member_id,
    BALANCES.c.counterparty_id,
    BALANCES.c.amount_minor,
).where(BALANCES.c.group_id.in_(bindparam("group_ids", expanding=True)), BALANCES.c.amount_minor != 0)

Pairs = Mapping[tuple[UUID, UUID], int]
"""What a member is owed by another one (negative: owes), by `(member id, counterparty id)`."""


def pair_balances(session: Reader, group_ids: Collection[UUID]) -> dict[tuple[UUID, str], Pairs]:
    """The balances of groups by `(group id, currency)`; pairs that are even are missing."""
    found: dict[tuple[UUID, str], dict[tuple[UUID, UUID], int]] = defaultdict(dict)
    for group_id, currency, member_id, counterparty_id, amount in session.execute(
        OF_GROUPS, {"group_ids": list(group_ids)}
    ):
        found[group_id, currency][member_id, counterparty_id] = amount
    return dict(found)


def member_balances(pairs: Pairs) -> dict[UUID, int]:
    """Each member's balance in minor units (positive: is owed); those that are even are missing."""
    sums: dict[UUID, int] = defaultdict(int)
    for (member_id, _counterparty_id), amount in pairs.items():
        sums[member_id] += amount
    return {member_id: amount for member_id, amount in sorted(sums.items()) if amount}
