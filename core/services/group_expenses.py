"""Recording, revising and deleting the expenses of a group.

Here an expense is only written down as it is wanted, with its resolved split. The job `split_group_expense`
(`core/services/group_splitting.py`) posts it to the ledger.
"""

from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import structs
from sqlalchemy import insert, update
from sqlalchemy.orm import Session

from core import clock
from core.database import pipelined
from core.errors import Conflict, FieldError, InvalidInput, invalid
from core.ids import new_id
from core.job_names import SPLIT_GROUP_EXPENSE
from core.models import GroupExpense, table_of
from core.queries.group_expenses import GroupExpenseRecord, load_group_expense
from core.queries.groups import GroupLock, GroupScope, open_group
from core.queries.users import local_today
from core.rules.money import AmountError, format_amount, is_currency, parse_amount
from core.rules.periods import MAX_DAY, MIN_DAY, is_supported
from core.services.group_activity import note_activity
from core.services.group_splits import resolve, with_everybody
from core.services.outbox import Job, stage_jobs
from core.services.report_upkeep import mark_stale
from core.services.versions import check_version

EXPENSES = table_of(GroupExpense)
INSERT = insert(EXPENSES)

MAX_SHARED_MINOR = 10**13
"""A tenth of the largest amount of one's own: what others write must not fill up a member's totals of a day,
which hold a thousand of these."""

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


@dataclass(frozen=True, slots=True)
class PaymentInput:
    member_id: UUID
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupExpenseInput:
    """An expense as a client gives it: amounts as written; None for what is left to the defaults.

    Without payers the caller has paid all; without a split the group's default holds.
    """

    amount: str
    description: str
    currency: str | None = None
    category: str | None = None
    note: str | None = None
    spent_on: date | None = None
    paid_by: tuple[PaymentInput, ...] = ()
    split: Mapping[str, Any] | None = field(default=None)


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
    now = clock.now()
    draft = GroupExpenseRecord(
        group_id=group_id,
        id=new_id(),
        amount_minor=0,
        currency=expense.currency or scope.group.currency,
        description=expense.description,
        category=expense.category,
        note=expense.note,
        spent_on=spent_on,
        split={},
        resolved={},
        created_by=scope.me.id,
        updated_by=scope.me.id,
        version=1,
        posted_version=0,
        posted_category=None,
        entry_count=0,
        created_at=now,
        updated_at=now,
    )
    payers = expense.paid_by or _caller_pays(scope, expense.amount)
    record = _resolved(draft, scope, expense.amount, payers, expense.split or scope.group.default_split)
    with pipelined(session):
        session.execute(INSERT, structs.asdict(record))
        _note(session, scope, "expense.added", record)
        _ask_for_split(session, record)
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
        payers = changes["paid_by"] or _caller_pays(scope, amount)
    revised = _resolved(
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


def _resolved(
    draft: GroupExpenseRecord,
    scope: GroupScope,
    amount: str,
    payers: Sequence[PaymentInput],
    split: Mapping[str, Any],
    *,
    earlier: Collection[UUID] = (),
) -> GroupExpenseRecord:
    """The draft with its amount, who paid it, and whose it is.

    `earlier` are members who had a part in it before: those who have left since may keep it.
    """
    if not is_currency(draft.currency):
        raise invalid("/currency", "not an active ISO 4217 currency code")
    if not is_supported(draft.spent_on):
        raise invalid("/spent_on", f"must be between {MIN_DAY} and {MAX_DAY}")
    amount_minor = _amount(amount, draft.currency, "/amount")
    if not amount_minor:
        raise invalid("/amount", "must not be zero")
    if abs(amount_minor) > MAX_SHARED_MINOR:
        largest = format_amount(MAX_SHARED_MINOR, draft.currency)
        raise invalid("/amount", f"an expense of a group is at most {largest} {draft.currency}")
    present = scope.present_members()
    allowed = {*(member.id for member in present), *earlier}
    paid = _paid(payers, amount_minor, draft.currency, allowed)
    # Viewers look on; an expense may name them all the same.
    everybody = [member.id for member in present if member.role != "viewer"]
    try:
        document = with_everybody(split, everybody)
        shares = resolve(
            document,
            expense_id=draft.id,
            amount_minor=amount_minor,
            currency=draft.currency,
            allowed=allowed,
        )
    except InvalidInput as error:
        raise error.below("/split") from error
    return structs.replace(
        draft,
        amount_minor=amount_minor,
        split=document,
        resolved={"paid": _by_text(paid), "shares": _by_text(shares)},
    )


def _paid(
    payers: Sequence[PaymentInput], amount_minor: int, currency: str, allowed: Collection[UUID]
) -> dict[UUID, int]:
    paid: dict[UUID, int] = {}
    errors: list[FieldError] = []
    for position, payer in enumerate(payers):
        pointer = f"/paid_by/{position}"
        if payer.member_id not in allowed:
            errors.append(FieldError(f"{pointer}/member_id", "no such member"))
        elif payer.member_id in paid:
            errors.append(FieldError(f"{pointer}/member_id", "is there twice"))
        paid[payer.member_id] = _amount(payer.amount, currency, f"{pointer}/amount")
        if paid[payer.member_id] * amount_minor < 0:
            errors.append(FieldError(f"{pointer}/amount", "must have the sign of the whole amount"))
    missing = amount_minor - sum(paid.values())
    if missing and not errors:
        reason = f"the payments miss the amount by {format_amount(abs(missing), currency)} {currency}"
        errors.append(FieldError("/paid_by", reason))
    if errors:
        raise InvalidInput(*errors)
    return paid


def _caller_pays(scope: GroupScope, amount: str) -> Sequence[PaymentInput]:
    return [PaymentInput(scope.me.id, amount)]


def _same_payers(old: GroupExpenseRecord, amount: str) -> Sequence[PaymentInput]:
    """Who alone has paid pays the new amount as well; of several nobody can tell."""
    paid = old.paid
    if len(paid) == 1:
        return [PaymentInput(member_id, amount) for member_id in paid]
    return [PaymentInput(one, format_amount(minor, old.currency)) for one, minor in paid.items()]


def _amount(text: str, currency: str, pointer: str) -> int:
    try:
        return parse_amount(text, currency)
    except AmountError as error:
        raise invalid(pointer, str(error)) from error


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
        .values(**values, version=record.version, updated_by=record.updated_by, updated_at=record.updated_at)
    )
    _ask_for_split(session, record)


def _ask_for_split(session: Session, record: GroupExpenseRecord) -> None:
    stage_jobs(session, [Job(SPLIT_GROUP_EXPENSE, f"{record.group_id}:{record.id}", {})])


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


def _by_text(amounts: Mapping[UUID, int]) -> dict[str, int]:
    return {str(member_id): amount for member_id, amount in sorted(amounts.items())}
