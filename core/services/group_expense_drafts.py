"""From what a client says of a group's expense to what is stored of it: amounts read, the split resolved."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from msgspec import structs

from core import clock
from core.errors import FieldError, InvalidInput, invalid
from core.queries.group_expenses import GroupExpenseRecord
from core.queries.groups import GroupScope
from core.rules.money import AmountError, format_amount, is_currency, parse_amount
from core.rules.periods import MAX_DAY, MIN_DAY, is_supported
from core.services.group_splits import resolve, with_everybody

MAX_SHARED_MINOR = 10**13
"""A tenth of the largest amount of one's own: what others write must not fill up a member's totals of a day,
which hold a thousand of these."""


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


def new_expense(
    scope: GroupScope,
    expense: GroupExpenseInput,
    *,
    expense_id: UUID,
    spent_on: date,
    is_quiet: bool = False,
) -> GroupExpenseRecord:
    """The caller's expense with its resolved split, yet to be stored; `is_quiet` as in `GroupExpense`.

    Raises:
        InvalidInput: what is wrong; a bad split says by how much it misses.
    """
    now = clock.now()
    draft = GroupExpenseRecord(
        group_id=scope.group.id,
        id=expense_id,
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
        is_quiet=is_quiet,
    )
    payers = expense.paid_by or caller_pays(scope, expense.amount)
    return resolved(draft, scope, expense.amount, payers, expense.split or scope.group.default_split)


def resolved(
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


def caller_pays(scope: GroupScope, amount: str) -> Sequence[PaymentInput]:
    return [PaymentInput(scope.me.id, amount)]


def _amount(text: str, currency: str, pointer: str) -> int:
    try:
        return parse_amount(text, currency)
    except AmountError as error:
        raise invalid(pointer, str(error)) from error


def _by_text(amounts: Mapping[UUID, int]) -> dict[str, int]:
    return {str(member_id): amount for member_id, amount in sorted(amounts.items())}
