"""What must always be true of the ledgers of groups, asked of the database itself.

Each check is of one group, so that it ends in time, and one statement, so that it sees one moment. Only
`resolved` is read bit by bit.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, Select, and_, bindparam, case, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from core import clock
from core.models import (
    Expense,
    Group,
    GroupExpense,
    GroupMember,
    GroupShare,
    PairBalance,
    Posting,
    Settlement,
    table_of,
)
from core.models.expenses import MIRROR
from core.queries.group_expenses import COLUMNS, GroupExpenseRecord
from core.queries.invariants import MAX_DIFFERENCES

GROUPS = table_of(Group)
MEMBERS = table_of(GroupMember)
OWN_EXPENSES = table_of(Expense)
EXPENSES = table_of(GroupExpense)
SHARES = table_of(GroupShare)
POSTINGS = table_of(Posting)
BALANCES = table_of(PairBalance)
SETTLEMENTS = table_of(Settlement)

GROUP_BATCH = 1_000
"""Ids read at a time."""

EXPENSE_BATCH = 200
"""Expenses read at a time, each with as many shares as there are members."""

MAX_PENDING = timedelta(hours=1)
"""Workers that were away have caught up within it; what waits for longer was given up, or forgotten."""

ITS_GROUP: BindParameter[UUID] = bindparam("group_id", type_=GROUPS.c.id.type)
NOTHING = literal(0)

Check = Select[Any]
"""Answers `(subject id, member id or None, currency, expected, found)`, amounts in minor units."""


@dataclass(frozen=True, slots=True)
class LedgerDifference:
    """What is not as it must be: `check` says which rule is broken, for which entry, expense or member."""

    check: str
    group_id: UUID
    subject_id: UUID
    member_id: UUID | None
    currency: str
    expected_minor: int
    found_minor: int


def list_group_ids(session: Session) -> Iterator[UUID]:
    """Of all groups but the deleted ones, of which parts may be purged already."""
    query = select(GROUPS.c.id).where(GROUPS.c.deleted_at.is_(None)).order_by(GROUPS.c.id).limit(GROUP_BATCH)
    batch = session.scalars(query).all()
    while batch:
        yield from batch
        batch = session.scalars(query.where(GROUPS.c.id > batch[-1])).all()


def ledger_differences(session: Session, *, group_id: UUID) -> list[LedgerDifference]:
    """Where the group's ledger, its balances, expenses and settlements do not fit each other.

    Of each rule `MAX_DIFFERENCES` at most.
    """
    found = []
    parameters = {"group_id": group_id, "pending_since": clock.now() - MAX_PENDING}
    for name, check in CHECKS.items():
        rows: Iterable[Any] = session.execute(check.limit(MAX_DIFFERENCES), parameters)
        for subject_id, member_id, currency, expected, actual in rows:
            # PostgreSQL adds up 64-bit numbers as numeric, so that a sum cannot overflow.
            amounts = int(expected), int(actual)
            found.append(LedgerDifference(name, group_id, subject_id, member_id, currency, *amounts))
    return found + list(islice(_resolved_differences(session, group_id), MAX_DIFFERENCES))


def _resolved_differences(session: Session, group_id: UUID) -> Iterator[LedgerDifference]:
    """What was written down of a posted expense is what each has paid and shares; an expense that changes
    between the two readings has its turn the next time."""
    parameters: dict[str, Any] = {"group_id": group_id}
    batch = session.execute(RESOLVED, parameters).all()
    while batch:
        expenses = {row.id: GroupExpenseRecord(*row) for row in batch}
        kept: dict[tuple[UUID, int], dict[UUID, tuple[int, int]]] = defaultdict(dict)
        for expense_id, version, member_id, paid, share in session.execute(
            KEPT, {**parameters, "expense_ids": list(expenses)}
        ):
            shares = kept[expense_id, version]
            if member_id is not None:
                shares[member_id] = paid, share
        for one in expenses.values():
            if (one.id, one.version) in kept:
                yield from _resolved_otherwise(one, kept[one.id, one.version])
        batch = session.execute(RESOLVED.where(EXPENSES.c.id > batch[-1].id), parameters).all()


def _resolved_otherwise(
    expense: GroupExpenseRecord, kept: Mapping[UUID, tuple[int, int]]
) -> Iterator[LedgerDifference]:
    paid, shares = expense.paid, expense.shares
    for member_id in sorted({*paid, *shares, *kept}):
        wanted = paid.get(member_id, 0), shares.get(member_id, 0)
        for expected, found in zip(wanted, kept.get(member_id, (0, 0)), strict=True):
            if expected != found:
                yield LedgerDifference(
                    "resolved", expense.group_id, expense.id, member_id, expense.currency, expected, found
                )


def _entries() -> Check:
    """Each entry sums to zero per currency."""
    key = (POSTINGS.c.source_id, POSTINGS.c.entry, POSTINGS.c.currency)
    total = func.sum(POSTINGS.c.amount_minor)
    return (
        select(POSTINGS.c.source_id, literal(None), POSTINGS.c.currency, NOTHING, total)
        .where(POSTINGS.c.group_id == ITS_GROUP)
        .group_by(*key)
        .having(total != 0)
    )


def _pair_balances() -> Check:
    """What is kept of a pair is the sum of its postings."""
    kept = select(
        BALANCES.c.member_id,
        BALANCES.c.counterparty_id,
        BALANCES.c.currency,
        NOTHING.label("expected"),
        BALANCES.c.amount_minor.label("found"),
    ).where(BALANCES.c.group_id == ITS_GROUP)
    posted = select(
        POSTINGS.c.member_id,
        POSTINGS.c.counterparty_id,
        POSTINGS.c.currency,
        POSTINGS.c.amount_minor,
        NOTHING,
    ).where(POSTINGS.c.group_id == ITS_GROUP)
    return _compared(union_all(kept, posted))


def _pair_symmetry() -> Check:
    """What one is owed by another, the other one owes them."""
    own = select(
        BALANCES.c.member_id.label("member_id"),
        BALANCES.c.counterparty_id.label("counterparty_id"),
        BALANCES.c.currency.label("currency"),
        NOTHING.label("expected"),
        BALANCES.c.amount_minor.label("found"),
    ).where(BALANCES.c.group_id == ITS_GROUP)
    opposite = select(
        BALANCES.c.counterparty_id,
        BALANCES.c.member_id,
        BALANCES.c.currency,
        -BALANCES.c.amount_minor,
        NOTHING,
    ).where(BALANCES.c.group_id == ITS_GROUP)
    return _compared(union_all(own, opposite))


def _compared(parts: Any) -> Check:
    """Rows of two ids, a currency, `expected` and `found`, summed up, where the two differ."""
    rows = parts.subquery()
    key = list(rows.c)[:3]
    expected, found = func.sum(rows.c.expected), func.sum(rows.c.found)
    return select(*key, expected, found).group_by(*key).having(expected != found)


def _shares(column: str) -> Check:
    """The parts of an expense that is posted sum to its amount."""
    total = func.coalesce(func.sum(SHARES.c[column]), 0)
    return (
        select(EXPENSES.c.id, literal(None), EXPENSES.c.currency, EXPENSES.c.amount_minor, total)
        .outerjoin(
            SHARES, (SHARES.c.group_id == EXPENSES.c.group_id) & (SHARES.c.expense_id == EXPENSES.c.id)
        )
        .where(
            EXPENSES.c.group_id == ITS_GROUP,
            EXPENSES.c.posted_version == EXPENSES.c.version,
            EXPENSES.c.deleted_at.is_(None),
        )
        .group_by(EXPENSES.c.id, EXPENSES.c.currency, EXPENSES.c.amount_minor)
        .having(total != EXPENSES.c.amount_minor)
    )


def _expenses() -> Check:
    """What the ledger has of a posted expense is what each has paid less their share; of a deleted one none.

    One that is being split anew must not be in the way, so it has its turn the next time.
    """
    is_posted = EXPENSES.c.posted_version == EXPENSES.c.version
    expected = select(
        SHARES.c.expense_id.label("id"),
        SHARES.c.member_id.label("member_id"),
        EXPENSES.c.currency.label("currency"),
        (SHARES.c.paid_minor - SHARES.c.share_minor).label("expected"),
        NOTHING.label("found"),
    ).join(EXPENSES, (EXPENSES.c.group_id == SHARES.c.group_id) & (EXPENSES.c.id == SHARES.c.expense_id))
    posted = (
        select(
            POSTINGS.c.source_id, POSTINGS.c.member_id, POSTINGS.c.currency, NOTHING, POSTINGS.c.amount_minor
        )
        .outerjoin(
            EXPENSES, (EXPENSES.c.group_id == POSTINGS.c.group_id) & (EXPENSES.c.id == POSTINGS.c.source_id)
        )
        .where(
            POSTINGS.c.group_id == ITS_GROUP,
            POSTINGS.c.source_kind == "expense",
            or_(is_posted, EXPENSES.c.id.is_(None)),
        )
    )
    wanted = expected.where(SHARES.c.group_id == ITS_GROUP, is_posted, EXPENSES.c.deleted_at.is_(None))
    return _compared(union_all(wanted, posted))


def _settlements() -> Check:
    """A confirmed settlement is in the ledger with its amount, and no other one is.

    The payer is owed what they paid. Of the receiver nothing is asked, as each entry sums to zero.
    """
    counted = case((SETTLEMENTS.c.state == "confirmed", SETTLEMENTS.c.amount_minor), else_=0)
    expected = select(
        SETTLEMENTS.c.id.label("id"),
        SETTLEMENTS.c.from_member_id.label("member_id"),
        SETTLEMENTS.c.currency.label("currency"),
        counted.label("expected"),
        NOTHING.label("found"),
    ).where(SETTLEMENTS.c.group_id == ITS_GROUP)
    is_receiver = and_(
        SETTLEMENTS.c.group_id == POSTINGS.c.group_id,
        SETTLEMENTS.c.id == POSTINGS.c.source_id,
        SETTLEMENTS.c.to_member_id == POSTINGS.c.member_id,
        SETTLEMENTS.c.from_member_id == POSTINGS.c.counterparty_id,
    )
    posted = (
        select(
            POSTINGS.c.source_id, POSTINGS.c.member_id, POSTINGS.c.currency, NOTHING, POSTINGS.c.amount_minor
        )
        .outerjoin(SETTLEMENTS, is_receiver)
        .where(
            POSTINGS.c.group_id == ITS_GROUP,
            POSTINGS.c.source_kind == "settlement",
            SETTLEMENTS.c.id.is_(None),
        )
    )
    return _compared(union_all(expected, posted))


def _pending() -> Check:
    """No expense waits for long to be posted: the request for it must not get lost."""
    return select(EXPENSES.c.id, literal(None), EXPENSES.c.currency, EXPENSES.c.amount_minor, NOTHING).where(
        EXPENSES.c.group_id == ITS_GROUP,
        EXPENSES.c.posted_version < EXPENSES.c.version,
        EXPENSES.c.updated_at < bindparam("pending_since", type_=EXPENSES.c.updated_at.type),
    )


def _versions() -> Check:
    """No expense is posted in a version that there is not: no other check would look at it. Versions stand
    in place of the amounts."""
    return select(
        EXPENSES.c.id, literal(None), EXPENSES.c.currency, EXPENSES.c.version, EXPENSES.c.posted_version
    ).where(EXPENSES.c.group_id == ITS_GROUP, EXPENSES.c.posted_version > EXPENSES.c.version)


def _mirrors() -> Check:
    """A member's own expense has the amount and the currency of the share that it mirrors.

    Not of those who have left, whose mirrors no longer follow, nor of an expense that is being split anew.
    """
    mirror = OWN_EXPENSES.c
    return (
        select(
            SHARES.c.expense_id,
            SHARES.c.member_id,
            mirror.currency,
            SHARES.c.share_minor,
            mirror.amount_minor,
        )
        .join(EXPENSES, (EXPENSES.c.group_id == SHARES.c.group_id) & (EXPENSES.c.id == SHARES.c.expense_id))
        .join(MEMBERS, (MEMBERS.c.group_id == SHARES.c.group_id) & (MEMBERS.c.id == SHARES.c.member_id))
        .join(
            OWN_EXPENSES,
            (mirror.user_id == SHARES.c.mirror_user_id) & (mirror.id == SHARES.c.mirror_expense_id),
        )
        .where(
            SHARES.c.group_id == ITS_GROUP,
            EXPENSES.c.posted_version == EXPENSES.c.version,
            MEMBERS.c.left_at.is_(None),
            mirror.deleted_at.is_(None),
            mirror.source == MIRROR,
            or_(mirror.amount_minor != SHARES.c.share_minor, mirror.currency != EXPENSES.c.currency),
        )
    )


def _departures() -> Check:
    """Who leaves passes debts on, so that nobody's balance changes."""
    key = (POSTINGS.c.source_id, POSTINGS.c.member_id, POSTINGS.c.currency)
    total = func.sum(POSTINGS.c.amount_minor)
    return (
        select(*key, NOTHING, total)
        .where(POSTINGS.c.group_id == ITS_GROUP, POSTINGS.c.source_kind == "departure")
        .group_by(*key)
        .having(total != 0)
    )


CHECKS: dict[str, Check] = {
    "entry": _entries(),
    "pair_balance": _pair_balances(),
    "pair_symmetry": _pair_symmetry(),
    "paid": _shares("paid_minor"),
    "shares": _shares("share_minor"),
    "expense": _expenses(),
    "settlement": _settlements(),
    "departure": _departures(),
    "pending": _pending(),
    "version": _versions(),
    "mirror": _mirrors(),
}
"""By name: the rows that break a rule."""

IS_POSTED = and_(
    EXPENSES.c.group_id == ITS_GROUP,
    EXPENSES.c.posted_version == EXPENSES.c.version,
    EXPENSES.c.deleted_at.is_(None),
)
RESOLVED = select(*COLUMNS).where(IS_POSTED).order_by(EXPENSES.c.id).limit(EXPENSE_BATCH)
KEPT = (
    select(EXPENSES.c.id, EXPENSES.c.version, SHARES.c.member_id, SHARES.c.paid_minor, SHARES.c.share_minor)
    .outerjoin(SHARES, (SHARES.c.group_id == EXPENSES.c.group_id) & (SHARES.c.expense_id == EXPENSES.c.id))
    .where(IS_POSTED, EXPENSES.c.id.in_(bindparam("expense_ids", expanding=True)))
)
