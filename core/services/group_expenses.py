"""Recording, revising and deleting the expenses of a group.

Here an expense is only written down as it is wanted, with its resolved split. The job `split_group_expense`
(`core/services/group_splitting.py`) posts it to the ledger.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from core import clock
from core.database import pipelined
from core.errors import Conflict
from core.ids import new_id
from core.job_names import SPLIT_GROUP_EXPENSE
from core.models import GroupExpense, table_of
from core.queries.group_expenses import GroupExpenseRecord, load_group_expense
from core.queries.groups import GroupLock, GroupScope, open_group
from core.queries.users import local_today
from core.rules.money import format_amount
from core.services.group_activity import note_activity
from core.services.group_expense_drafts import (
    GroupExpenseInput,
    PaymentInput,
    caller_pays,
    new_expense,
    resolved,
)
from core.services.outbox import Job, stage_jobs
from core.services.report_upkeep import mark_stale
from core.services.versions import check_version

EXPENSES = table_of(GroupExpense)
INSERT = insert(EXPENSES)

OF_CLIENTS = (
    "description",
    "category",
    "note",
    "spent_on",
    "amount_minor",
    "currency",
    "split",
    "resolved",
)
"""What a client may change, or changes by it."""

SHOWN_CHANGES = ("description", "category", "note", "spent_on", "amount", "currency")
"""Fields whose change the group's activity tells, with what they were before."""


def record_group_expense(
    session: Session, *, user_id: UUID, group_id: UUID, expense: GroupExpenseInput
) -> GroupExpenseRecord:
    """Write an expense of the group down and have it split.

    Raises:
        NotFound, Forbidden
        InvalidInput: what is wrong; a bad split says by how much it misses.
    """
    scope = open_group(session, user_id=user_id, group_id=group_id, least="member", lock=GroupLock.EXPENSES)
    spent_on = expense.spent_on or local_today(session, user_id=user_id)
    record = new_expense(scope, expense, expense_id=new_id(), spent_on=spent_on)
    with pipelined(session):
        session.execute(INSERT, structs.asdict(record))
        _note(session, scope, "expense.added", record)
        ask_for_splits(session, [(group_id, record.id)])
    return record


def revise_group_expense(
    session: Session,
    *,
    user_id: UUID,
    group_id: UUID,
    expense_id: UUID,
    changes: Mapping[str, Any],
    expected_versions: Set[int] | None = None,
) -> GroupExpenseRecord:
    """Change fields of `GroupExpenseInput`; a new amount alone is paid and divided as the old one was.

    Nothing new leaves the version as it is.

    Raises:
        NotFound, Forbidden, StaleVersion
        InvalidInput: the expense would not be right any more.
        Conflict: it would change the balance of somebody who has left.
    """
    scope, old = _open_expense(session, user_id, group_id, expense_id, expected_versions)
    plain = {
        name: changes[name] for name in ("description", "category", "note", "spent_on") if name in changes
    }
    draft = structs.replace(
        old,
        **plain,
        currency=changes.get("currency", old.currency),
        updated_by=scope.me.id,
        updated_at=clock.now(),
        version=old.version + 1,
    )
    amount = changes.get("amount", format_amount(old.amount_minor, old.currency))
    payers = _same_payers(old, amount)
    if "paid_by" in changes:
        payers = changes["paid_by"] or caller_pays(scope, amount)
    revised = resolved(
        draft, scope, amount, payers, changes.get("split", old.split), earlier={*old.paid, *old.shares}
    )
    values = {name: getattr(revised, name) for name in OF_CLIENTS}
    if all(value == getattr(old, name) for name, value in values.items()):
        return old
    _check_former_members(scope, old, revised)
    _update(session, revised, **values)
    _note(session, scope, "expense.changed", revised, before=_differences(old, revised))
    if revised.spent_on > old.spent_on:
        # The job will know the later day only.
        mark_stale(session, dict.fromkeys(_users(scope, {*old.paid, *old.shares}), old.spent_on))
    return revised


def delete_group_expense(
    session: Session,
    *,
    user_id: UUID,
    group_id: UUID,
    expense_id: UUID,
    expected_versions: Set[int] | None = None,
) -> None:
    """Delete an expense; the job takes it back in the ledger and in the members' own expenses.

    Raises:
        NotFound, Forbidden, StaleVersion
        Conflict: it would change the balance of somebody who has left.
    """
    scope, old = _open_expense(session, user_id, group_id, expense_id, expected_versions)
    _check_former_members(scope, old, None)
    now = clock.now()
    gone = structs.replace(
        old, updated_by=scope.me.id, updated_at=now, version=old.version + 1, deleted_at=now
    )
    _update(session, gone, deleted_at=now)
    _note(session, scope, "expense.deleted", gone)


def _open_expense(
    session: Session, user_id: UUID, group_id: UUID, expense_id: UUID, expected_versions: Set[int] | None
) -> tuple[GroupScope, GroupExpenseRecord]:
    scope = open_group(session, user_id=user_id, group_id=group_id, least="member", lock=GroupLock.EXPENSES)
    record = load_group_expense(session, group_id=group_id, expense_id=expense_id, for_update=True)
    check_version(record.version, expected_versions)
    return scope, record


def _users(scope: GroupScope, member_ids: Collection[UUID]) -> list[UUID]:
    found = (scope.members[member_id].user_id for member_id in member_ids)
    return [user_id for user_id in found if user_id is not None]


def _same_payers(old: GroupExpenseRecord, amount: str) -> Sequence[PaymentInput]:
    """Who alone has paid pays the new amount as well; of several nobody can tell."""
    paid = old.paid
    if len(paid) == 1:
        return [PaymentInput(member_id, amount) for member_id in paid]
    return [PaymentInput(one, format_amount(minor, old.currency)) for one, minor in paid.items()]


def _check_former_members(scope: GroupScope, old: GroupExpenseRecord, new: GroupExpenseRecord | None) -> None:
    """Whoever left was even then, and has no say any more: nothing that they paid or used may change."""
    for member in scope.members.values():
        if member.left_at is not None and _part_of(old, member.id) != _part_of(new, member.id):
            raise Conflict(f"{member.display_name} has left the group, and this would change their part")


def _part_of(expense: GroupExpenseRecord | None, member_id: UUID) -> tuple[str, int, int] | None:
    """What the member paid and what is theirs; nothing if they have no part in it."""
    if expense is None:
        return None
    paid, share = expense.paid.get(member_id, 0), expense.shares.get(member_id, 0)
    return (expense.currency, paid, share) if paid or share else None


def _update(session: Session, record: GroupExpenseRecord, **values: Any) -> None:
    session.execute(
        update(EXPENSES)
        .where(EXPENSES.c.group_id == record.group_id, EXPENSES.c.id == record.id)
        .values(
            **values,
            version=record.version,
            updated_by=record.updated_by,
            updated_at=record.updated_at,
            is_quiet=False,
        )
    )
    ask_for_splits(session, [(record.group_id, record.id)])


def ask_for_splits(session: Session, keys: Iterable[tuple[UUID, UUID]]) -> None:
    """Have expenses `(group id, expense id)` posted as they are wanted now."""
    stage_jobs(session, [Job(SPLIT_GROUP_EXPENSE, f"{group_id}:{one}", {}) for group_id, one in keys])


def _note(session: Session, scope: GroupScope, kind: str, record: GroupExpenseRecord, **more: Any) -> None:
    note_activity(
        session,
        group_id=record.group_id,
        actor_id=scope.me.id,
        kind=kind,
        subject_id=record.id,
        data={**_shown(record), **more},
    )


def _shown(record: GroupExpenseRecord) -> dict[str, Any]:
    return {
        "description": record.description,
        "amount": format_amount(record.amount_minor, record.currency),
        "currency": record.currency,
        "category": record.category,
        "note": record.note,
        "spent_on": record.spent_on.isoformat(),
    }


def _differences(old: GroupExpenseRecord, new: GroupExpenseRecord) -> dict[str, Any]:
    """What was otherwise before."""
    before, after = _shown(old), _shown(new)
    changed = {name: before[name] for name in SHOWN_CHANGES if before[name] != after[name]}
    for name in ("paid", "shares"):
        if old.resolved[name] != new.resolved[name]:
            changed[name] = {
                member_id: format_amount(minor, old.currency)
                for member_id, minor in old.resolved[name].items()
            }
    return changed
