"""The postings behind debts, with what each comes from."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, get_args
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select

from core.database import Reader
from core.models import GroupExpense, GroupMember, GroupShare, Posting, Settlement, table_of
from core.queries.debts import Debt
from core.queries.ledger import SourceKind

POSTINGS = table_of(Posting)
EXPENSES = table_of(GroupExpense)
SHARES = table_of(GroupShare)
SETTLEMENTS = table_of(Settlement)
MEMBERS = table_of(GroupMember)

MAX_EXPLAINED = 1_000
"""Postings one by one of a debt, the newest ones; those before are summed up."""

MAX_EXPLAINED_IN_ALL = 2_000
"""Of one answer: with more than two debts each gets its part of these. Each may take a millisecond."""

MAX_EXPLAINED_DEBTS = 1_000
"""Each takes two queries."""

Key = tuple[UUID, str, UUID | None]
"""Whose postings in which currency, against one member or against all."""


@dataclass(frozen=True, slots=True)
class ExpensePart:
    """What the ledger has of a member's part in an expense, in minor units; `split` divides the amount."""

    amount_minor: int
    currency: str
    paid_minor: int
    share_minor: int
    split: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ExplainedPosting:
    """`part` is there for what stands in the ledger, not for what was taken back or is being split anew."""

    source: SourceKind
    source_id: UUID
    description: str | None
    on: date
    counterparty_id: UUID
    amount_minor: int
    is_reversal: bool
    created_at: datetime
    part: ExpensePart | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The newest postings, and how many there are before them, with their sum."""

    postings: Sequence[ExplainedPosting]
    earlier_count: int = 0
    earlier_minor: int = 0


@dataclass(frozen=True, slots=True)
class _Sources:
    expenses: Mapping[UUID, Row[Any]]
    settlements: Mapping[UUID, Row[Any]]
    departed: Mapping[UUID, str]
    shares: Mapping[tuple[UUID, UUID], tuple[int, int]]


def explain_debts(
    session: Reader, *, group_id: UUID, debts: Sequence[Debt], is_simplified: bool
) -> list[Explanation]:
    """For each of the group's debts (`MAX_EXPLAINED_DEBTS` at most) the postings that it comes from.

    Of a simplified one these are all of the debtor's in the currency, otherwise those against the creditor.
    On a snapshot they sum to the balance that the debt, or all simplified ones of the debtor, would clear.
    """
    if not debts:
        return []
    limit = min(MAX_EXPLAINED, MAX_EXPLAINED_IN_ALL // len(debts))
    keys = [_key(debt, is_simplified=is_simplified) for debt in debts]
    rows = {key: _newest(session, group_id, key, limit) for key in keys}
    sources = _sources(session, group_id, [row for found in rows.values() for row in found])
    found = {}
    for key, newest in rows.items():
        postings = [_explained(row, sources) for row in newest]
        is_whole = len(newest) < limit
        count, amount = (0, 0) if is_whole else _earlier(session, group_id, key, postings)
        found[key] = Explanation(postings, count, amount)
    return [found[key] for key in keys]


def _key(debt: Debt, *, is_simplified: bool) -> Key:
    return debt.from_id, debt.currency, None if is_simplified else debt.to_id


def _is_of(group_id: UUID, key: Key) -> list[ColumnElement[bool]]:
    member_id, currency, counterparty_id = key
    conditions = [
        POSTINGS.c.group_id == group_id,
        POSTINGS.c.member_id == member_id,
        POSTINGS.c.currency == currency,
    ]
    if counterparty_id is not None:
        conditions.append(POSTINGS.c.counterparty_id == counterparty_id)
    return conditions


def _newest(session: Reader, group_id: UUID, key: Key, limit: int) -> Sequence[Row[Any]]:
    order = [POSTINGS.c[name].desc() for name in ("created_at", "source_id", "entry", "position")]
    query = select(POSTINGS).where(*_is_of(group_id, key)).order_by(*order).limit(limit)
    return session.execute(query).all()


def _earlier(
    session: Reader, group_id: UUID, key: Key, shown: Collection[ExplainedPosting]
) -> tuple[int, int]:
    """Number and sum of the postings before those that are shown."""
    query = select(func.count(), func.sum(POSTINGS.c.amount_minor)).where(*_is_of(group_id, key))
    count, amount = session.execute(query).one()
    # PostgreSQL adds up 64-bit numbers as numeric, so that a sum cannot overflow.
    return count - len(shown), int(amount) - sum(one.amount_minor for one in shown)


def _sources(session: Reader, group_id: UUID, postings: Iterable[Row[Any]]) -> _Sources:
    """The expenses, settlements and departed members of the postings, and in the expenses the shares of those
    who have them."""
    ids: dict[str, set[UUID]] = {kind: set() for kind in get_args(SourceKind)}
    member_ids = set()
    for row in postings:
        ids[row.source_kind].add(row.source_id)
        member_ids.add(row.member_id)
    expenses = select(EXPENSES).where(EXPENSES.c.group_id == group_id, EXPENSES.c.id.in_(ids["expense"]))
    settlements = select(SETTLEMENTS).where(
        SETTLEMENTS.c.group_id == group_id, SETTLEMENTS.c.id.in_(ids["settlement"])
    )
    departed = select(MEMBERS.c.id, MEMBERS.c.display_name).where(
        MEMBERS.c.group_id == group_id, MEMBERS.c.id.in_(ids["departure"])
    )
    shares = select(SHARES).where(
        SHARES.c.group_id == group_id,
        SHARES.c.expense_id.in_(ids["expense"]),
        SHARES.c.member_id.in_(member_ids),
    )
    return _Sources(
        {row.id: row for row in session.execute(expenses)},
        {row.id: row for row in session.execute(settlements)},
        {row.id: row.display_name for row in session.execute(departed)},
        {
            (row.expense_id, row.member_id): (row.paid_minor, row.share_minor)
            for row in session.execute(shares)
        },
    )


def _explained(posting: Row[Any], sources: _Sources) -> ExplainedPosting:
    part = None
    if posting.source_kind == "expense":
        expense = sources.expenses[posting.source_id]
        description, on, part = expense.description, expense.spent_on, _part(posting, expense, sources)
    elif posting.source_kind == "departure":
        description, on = f"{sources.departed[posting.source_id]} left", posting.created_at.date()
    else:
        payment = sources.settlements[posting.source_id]
        texts = [text for text in (payment.method, payment.note) if text]
        description, on = ": ".join(texts) or None, payment.paid_on
    return ExplainedPosting(
        source=posting.source_kind,
        source_id=posting.source_id,
        description=description,
        on=on,
        counterparty_id=posting.counterparty_id,
        amount_minor=posting.amount_minor,
        is_reversal=posting.is_reversal,
        created_at=posting.created_at,
        part=part,
    )


def _part(posting: Row[Any], expense: Row[Any], sources: _Sources) -> ExpensePart | None:
    """What is wanted is what stands only once it is posted, and then only for the last entry."""
    is_posted = expense.posted_version == expense.version and expense.deleted_at is None
    share = sources.shares.get((expense.id, posting.member_id))
    if not is_posted or posting.entry != expense.entry_count or posting.is_reversal or share is None:
        return None
    return ExpensePart(expense.amount_minor, expense.currency, *share, expense.split)
