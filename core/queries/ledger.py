"""Reading the ledgers of groups: balances by pair and by member."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy import bindparam, func, literal_column, select

from core.database import Reader
from core.models import GroupExpense, PairBalance, Posting, Settlement, table_of

BALANCES = table_of(PairBalance)
OF_GROUPS = select(
    BALANCES.c.group_id,
    BALANCES.c.currency,
    BALANCES.c.member_id,
    BALANCES.c.counterparty_id,
    BALANCES.c.amount_minor,
).where(BALANCES.c.group_id.in_(bindparam("group_ids", expanding=True)), BALANCES.c.amount_minor != 0)
OF_MEMBERS = (
    select(
        BALANCES.c.group_id,
        BALANCES.c.currency,
        BALANCES.c.member_id,
        func.sum(BALANCES.c.amount_minor).label("amount_minor"),
    )
    .where(
        BALANCES.c.group_id.in_(bindparam("group_ids", expanding=True)),
        BALANCES.c.member_id.in_(bindparam("member_ids", expanding=True)),
    )
    .group_by(BALANCES.c.group_id, BALANCES.c.currency, BALANCES.c.member_id)
)

POSTINGS = table_of(Posting)
LAST_ENTRY = select(func.max(POSTINGS.c.entry)).where(
    POSTINGS.c.group_id == bindparam("group_id"), POSTINGS.c.source_id == bindparam("source_id")
)

EXPENSES = table_of(GroupExpense)
SETTLEMENTS = table_of(Settlement)
WAITING = select(
    select(func.count())
    .where(EXPENSES.c.group_id == bindparam("group_id"), EXPENSES.c.posted_version < EXPENSES.c.version)
    .scalar_subquery(),
    select(func.count())
    .where(
        SETTLEMENTS.c.group_id == bindparam("group_id"), SETTLEMENTS.c.state == literal_column("'pending'")
    )
    .scalar_subquery(),
)
"""The state stands in the statement, not beside it: so a prepared one finds the index of the pending ones."""

SourceKind = Literal["expense", "settlement", "departure"]
"""What postings come from; of a departure, the source is the member who went."""

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


def group_balances(session: Reader, *, group_id: UUID) -> dict[str, dict[UUID, int]]:
    """By currency the balances of a group that are not zero, in minor units, from the largest down."""
    found = {}
    for (_group_id, currency), pairs in sorted(pair_balances(session, [group_id]).items()):
        balances = member_balances(pairs).items()
        if balances:
            found[currency] = dict(sorted(balances, key=lambda one: (-one[1], one[0])))
    return found


def balances_of_members(
    session: Reader, *, group_ids: Collection[UUID], member_ids: Collection[UUID]
) -> dict[tuple[UUID, str, UUID], int]:
    """The balances of some members in minor units by `(group id, currency, member id)`.

    Those that never had one in a currency are missing.
    """
    parameters = {"group_ids": list(group_ids), "member_ids": list(member_ids)}
    return {
        # PostgreSQL adds up 64-bit numbers as numeric, so that a sum cannot overflow.
        (row.group_id, row.currency, row.member_id): int(row.amount_minor)
        for row in session.execute(OF_MEMBERS, parameters)
    }


def last_entry(session: Reader, *, group_id: UUID, source_id: UUID) -> int:
    """The highest number of an entry of the source; 0 if it has none."""
    return session.scalar(LAST_ENTRY, {"group_id": group_id, "source_id": source_id}) or 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the balances of a group do not hold yet: expenses to be split, settlements to be confirmed."""

    expenses: int
    settlements: int


def count_waiting(session: Reader, *, group_id: UUID) -> Waiting:
    return Waiting(*session.execute(WAITING, {"group_id": group_id}).one())
