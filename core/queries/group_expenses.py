"""Reading the expenses of a group: one, or a page of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, select, tuple_

from core.database import Reader
from core.errors import NotFound
from core.models import GroupExpense, table_of

EXPENSES = table_of(GroupExpense)


class GroupExpenseRecord(msgspec.Struct, frozen=True):
    """An expense of a group. `resolved` holds `paid` and `shares`: minor units by member id, as text."""

    group_id: UUID
    id: UUID
    amount_minor: int
    currency: str
    description: str
    category: str | None
    note: str | None
    spent_on: date
    split: dict[str, Any]
    resolved: dict[str, Any]
    created_by: UUID
    updated_by: UUID
    version: int
    posted_version: int
    posted_category: str | None
    entry_count: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    is_quiet: bool = False

    @property
    def state(self) -> Literal["pending", "split"]:
        return "pending" if self.posted_version < self.version else "split"

    @property
    def paid(self) -> dict[UUID, int]:
        return _by_member(self.resolved["paid"])

    @property
    def shares(self) -> dict[UUID, int]:
        return _by_member(self.resolved["shares"])


COLUMNS = tuple(EXPENSES.c[name] for name in GroupExpenseRecord.__struct_fields__)
OF_GROUP = select(*COLUMNS).where(
    EXPENSES.c.group_id == bindparam("its_group"), EXPENSES.c.deleted_at.is_(None)
)
ONE = OF_GROUP.where(EXPENSES.c.id == bindparam("its_id"))
ONE_FOR_UPDATE = ONE.with_for_update()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupExpenseFilter:
    """What a list is narrowed to; dates are inclusive."""

    from_day: date | None = None
    to_day: date | None = None
    currency: str | None = None
    category: str | None = None


def nets_of(paid: Mapping[UUID, int], shares: Mapping[UUID, int]) -> dict[UUID, int]:
    """What each member has paid more than their share, in minor units; together zero."""
    nets = {member_id: paid.get(member_id, 0) - shares.get(member_id, 0) for member_id in (*paid, *shares)}
    return {member_id: net for member_id, net in nets.items() if net}


def load_group_expense(
    session: Reader, *, group_id: UUID, expense_id: UUID, for_update: bool = False
) -> GroupExpenseRecord:
    """The group's expense; the caller has opened the group.

    Raises:
        NotFound
    """
    query = ONE_FOR_UPDATE if for_update else ONE
    row = session.execute(query, {"its_group": group_id, "its_id": expense_id}).first()
    if row is None:
        raise NotFound("no such expense")
    return GroupExpenseRecord(*row)


def list_group_expenses(
    session: Reader,
    *,
    group_id: UUID,
    filters: GroupExpenseFilter,
    before: tuple[date, UUID] | None,
    limit: int,
) -> list[GroupExpenseRecord]:
    """A page, the newest first, beginning behind the `(spent_on, id)` of `before`."""
    query = OF_GROUP
    if filters.from_day is not None:
        query = query.where(EXPENSES.c.spent_on >= filters.from_day)
    if filters.to_day is not None:
        query = query.where(EXPENSES.c.spent_on <= filters.to_day)
    if filters.currency is not None:
        query = query.where(EXPENSES.c.currency == filters.currency)
    if filters.category is not None:
        query = query.where(EXPENSES.c.category == filters.category)
    if before is not None:
        query = query.where(tuple_(EXPENSES.c.spent_on, EXPENSES.c.id) < before)
    query = query.order_by(EXPENSES.c.spent_on.desc(), EXPENSES.c.id.desc()).limit(limit)
    return [GroupExpenseRecord(*row) for row in session.execute(query, {"its_group": group_id})]


def _by_member(amounts: Mapping[str, int]) -> dict[UUID, int]:
    return {UUID(member_id): amount for member_id, amount in amounts.items()}
