"""Reading what a group's expenses are to be, and what the ledger has of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import BindParameter, bindparam, select

from core.database import Reader
from core.models import GroupShare, Posting, table_of
from core.queries.group_expenses import COLUMNS, EXPENSES, GroupExpenseRecord
from core.rules.debts import Transfer

SHARES = table_of(GroupShare)
POSTINGS = table_of(Posting)


@dataclass(frozen=True, slots=True)
class PostedShare:
    """What the ledger has of a member's part in an expense, in minor units, with its mirror."""

    paid_minor: int
    share_minor: int
    mirror_user_id: UUID | None
    mirror_expense_id: UUID | None


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """The entry of an expense that has not been taken back."""

    currency: str
    debts: tuple[Transfer, ...]


_IN_GROUPS: BindParameter[UUID] = bindparam("group_ids", expanding=True)
_IN_EXPENSES: BindParameter[UUID] = bindparam("expense_ids", expanding=True)

PENDING = (
    select(*COLUMNS)
    .where(
        EXPENSES.c.group_id.in_(_IN_GROUPS),
        EXPENSES.c.id.in_(_IN_EXPENSES),
        EXPENSES.c.posted_version < EXPENSES.c.version,
    )
    # In key order, so that two transactions never wait for each other in a circle.
    .order_by(EXPENSES.c.group_id, EXPENSES.c.id)
    .with_for_update()
)
POSTED_SHARES = select(
    SHARES.c.expense_id,
    SHARES.c.member_id,
    SHARES.c.paid_minor,
    SHARES.c.share_minor,
    SHARES.c.mirror_user_id,
    SHARES.c.mirror_expense_id,
).where(SHARES.c.group_id.in_(_IN_GROUPS), SHARES.c.expense_id.in_(_IN_EXPENSES))
STANDING = (
    select(
        POSTINGS.c.source_id,
        POSTINGS.c.currency,
        POSTINGS.c.counterparty_id,
        POSTINGS.c.member_id,
        POSTINGS.c.amount_minor,
    )
    .join(
        EXPENSES,
        (EXPENSES.c.group_id == POSTINGS.c.group_id)
        & (EXPENSES.c.id == POSTINGS.c.source_id)
        & (EXPENSES.c.entry_count == POSTINGS.c.entry),
    )
    .where(
        POSTINGS.c.group_id.in_(_IN_GROUPS),
        POSTINGS.c.source_id.in_(_IN_EXPENSES),
        POSTINGS.c.amount_minor > 0,
        POSTINGS.c.is_reversal.is_(False),
    )
    .order_by(POSTINGS.c.source_id, POSTINGS.c.position)
)
"""Of each pair of postings the one of the member who is owed."""


def pending_expenses(session: Reader, keys: Sequence[tuple[UUID, UUID]]) -> list[GroupExpenseRecord]:
    """Those of the expenses `(group id, expense id)` that the ledger has otherwise than they are wanted.

    Locked, in the order in which they were written; deleted ones too.
    """
    wanted = set(keys)
    rows = session.execute(PENDING, _parameters(keys))
    found = [GroupExpenseRecord(*row) for row in rows if (row.group_id, row.id) in wanted]
    return sorted(found, key=lambda expense: (expense.updated_at, expense.id))


def posted_shares(session: Reader, keys: Sequence[tuple[UUID, UUID]]) -> dict[UUID, dict[UUID, PostedShare]]:
    """What the ledger has of the expenses, by expense and member."""
    found: dict[UUID, dict[UUID, PostedShare]] = defaultdict(dict)
    for expense_id, member_id, *share in session.execute(POSTED_SHARES, _parameters(keys)):
        found[expense_id][member_id] = PostedShare(*share)
    return found


def standing_entries(session: Reader, keys: Sequence[tuple[UUID, UUID]]) -> dict[UUID, PostedEntry]:
    """The entries of the expenses that have not been taken back, by expense; one without debts has none."""
    debts: dict[UUID, list[Transfer]] = defaultdict(list)
    currencies: dict[UUID, str] = {}
    for source_id, currency, debtor_id, creditor_id, amount in session.execute(STANDING, _parameters(keys)):
        currencies[source_id] = currency
        debts[source_id].append(Transfer(debtor_id, creditor_id, amount))
    return {
        source_id: PostedEntry(currency, tuple(debts[source_id]))
        for source_id, currency in currencies.items()
    }


def _parameters(keys: Sequence[tuple[UUID, UUID]]) -> dict[str, list[UUID]]:
    return {"group_ids": list({one[0] for one in keys}), "expense_ids": list({one[1] for one in keys})}
