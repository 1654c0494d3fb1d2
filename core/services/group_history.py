"""What members bring into a group that they have shared elsewhere before, by the hundred, and taking it back.

Expenses are written down as others are, to be posted by their job. Repayments are history: they count at once
wherever their receiver need not be asked. Nobody is told of each.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from msgspec import structs
from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.orm import Session

from core import clock
from core.errors import Conflict
from core.models import GroupExpense, Settlement, table_of
from core.queries.group_expenses import COLUMNS as EXPENSE_COLUMNS
from core.queries.group_expenses import GroupExpenseRecord
from core.queries.groups import GroupScope, MemberRecord
from core.queries.settlements import COLUMNS as SETTLEMENT_COLUMNS
from core.queries.settlements import SettlementRecord
from core.rules.money import format_amount
from core.services.group_expense_drafts import GroupExpenseInput, PaymentInput, new_expense
from core.services.group_expenses import ask_for_splits
from core.services.group_splitting import split_group_expenses
from core.services.ledger import post_entries, refusing_large_balances
from core.services.settlements import payment_entry

EXPENSES = table_of(GroupExpense)
SETTLEMENTS = table_of(Settlement)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastEntry:
    """An expense or a repayment of the past. What was paid and the shares both sum to the amount."""

    id: UUID
    day: date
    amount_minor: int
    currency: str
    description: str
    category: str | None
    note: str | None
    paid: Mapping[UUID, int]
    shares: Mapping[UUID, int]
    is_repayment: bool
    """By the one who has paid to the one whose share it is."""


def waits_for(scope: GroupScope, receiver: MemberRecord) -> bool:
    """Whether a repayment counts only once its receiver has confirmed it, as nobody else can say it for them.

    Who has no account cannot be asked; who claims the name later can dispute it.
    """
    return receiver.user_id is not None and receiver.id != scope.me.id


def record_history(session: Session, scope: GroupScope, entries: Sequence[PastEntry]) -> None:
    """Write the entries down in the caller's name. The group is locked with LEDGER.

    Raises:
        InvalidInput: one of them is not right.
        Conflict: the balance between two members would be larger than can be kept.
    """
    expenses = [_expense(scope, one) for one in entries if not one.is_repayment]
    settlements = [_settlement(scope, one) for one in entries if one.is_repayment]
    if expenses:
        session.execute(insert(EXPENSES), [structs.asdict(one) for one in expenses])
        ask_for_splits(session, [(one.group_id, one.id) for one in expenses])
    if settlements:
        session.execute(insert(SETTLEMENTS), [structs.asdict(one) for one in settlements])
        with refusing_large_balances():
            post_entries(session, [payment_entry(one) for one in settlements if one.entry_count])


def _expense(scope: GroupScope, entry: PastEntry) -> GroupExpenseRecord:
    def text(minor: int) -> str:
        return format_amount(minor, entry.currency)

    shares = [{"member_id": str(one), "value": text(minor)} for one, minor in entry.shares.items()]
    given = GroupExpenseInput(
        amount=text(entry.amount_minor),
        description=entry.description,
        currency=entry.currency,
        category=entry.category,
        note=entry.note,
        paid_by=tuple(PaymentInput(one, text(minor)) for one, minor in entry.paid.items()),
        split={"kind": "exact", "shares": shares},
    )
    return new_expense(scope, given, expense_id=entry.id, spent_on=entry.day, is_quiet=True)


def _settlement(scope: GroupScope, entry: PastEntry) -> SettlementRecord:
    (payer,), (receiver,) = entry.paid, entry.shares
    is_pending = waits_for(scope, scope.members[receiver])
    now = clock.now()
    return SettlementRecord(
        group_id=scope.group.id,
        id=entry.id,
        from_member_id=payer,
        to_member_id=receiver,
        amount_minor=entry.amount_minor,
        currency=entry.currency,
        # What was owed then is not known: the expenses before it are yet to be posted.
        overpaid_minor=0,
        method=None,
        note="\n".join(filter(None, (entry.description, entry.note))),
        paid_on=entry.day,
        state="pending" if is_pending else "confirmed",
        recorded_by=scope.me.id,
        entry_count=0 if is_pending else 1,
        version=1,
        created_at=now,
        updated_at=now,
    )


def take_back_history(session: Session, scope: GroupScope, ids: Collection[UUID]) -> None:
    """Delete the expenses and reverse the settlements of these ids that are there still, also in the ledger.

    The group is locked with LEDGER, and then the users of all its members.

    Raises:
        Conflict: somebody who has left has a part in one of them.
    """
    _delete_expenses(session, scope, ids)
    _reverse_settlements(session, scope, ids)


def _delete_expenses(session: Session, scope: GroupScope, ids: Collection[UUID]) -> None:
    query = select(*EXPENSE_COLUMNS).where(
        EXPENSES.c.group_id == scope.group.id, EXPENSES.c.id.in_(ids), EXPENSES.c.deleted_at.is_(None)
    )
    # In key order, so that two transactions never wait for each other in a circle.
    rows = session.execute(query.order_by(EXPENSES.c.id).with_for_update())
    found = [GroupExpenseRecord(*row) for row in rows]
    if not found:
        return
    for one in found:
        _check_present(scope, {*one.paid, *one.shares})
    now = clock.now()
    session.execute(
        update(EXPENSES)
        .where(EXPENSES.c.group_id == scope.group.id, EXPENSES.c.id.in_([one.id for one in found]))
        .values(
            deleted_at=now,
            updated_at=now,
            updated_by=scope.me.id,
            version=EXPENSES.c.version + 1,
            is_quiet=True,
        )
    )
    # At once: who was made a member for them can be removed only when nothing is left of them.
    split_group_expenses(session, [(one.group_id, one.id) for one in found])


def _reverse_settlements(session: Session, scope: GroupScope, ids: Collection[UUID]) -> None:
    query = select(*SETTLEMENT_COLUMNS).where(
        SETTLEMENTS.c.group_id == scope.group.id,
        SETTLEMENTS.c.id.in_(ids),
        SETTLEMENTS.c.state != "reversed",
    )
    rows = session.execute(query.order_by(SETTLEMENTS.c.id).with_for_update())
    found = [SettlementRecord(*row) for row in rows]
    if not found:
        return
    counted = [one for one in found if one.state == "confirmed"]
    for one in counted:
        _check_present(scope, one.parties)
    changes = [{"its_id": one.id, "entries": one.entry_count + (one.state == "confirmed")} for one in found]
    session.execute(
        update(SETTLEMENTS)
        .where(SETTLEMENTS.c.group_id == scope.group.id, SETTLEMENTS.c.id == bindparam("its_id"))
        .values(
            state="reversed",
            entry_count=bindparam("entries"),
            version=SETTLEMENTS.c.version + 1,
            updated_at=clock.now(),
        ),
        changes,
    )
    with refusing_large_balances():
        post_entries(session, [payment_entry(one).reversed(one.entry_count + 1) for one in counted])


def _check_present(scope: GroupScope, member_ids: Collection[UUID]) -> None:
    for member_id in member_ids:
        if scope.present(member_id) is None:
            name = scope.members[member_id].display_name
            raise Conflict(f"{name} has left the group, and this would change their part")
