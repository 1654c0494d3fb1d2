"""Reading settlements: one, or a page of a group's."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec
from sqlalchemy import bindparam, or_, select

from core.database import Reader
from core.errors import NotFound
from core.models import Settlement, table_of

SETTLEMENTS = table_of(Settlement)

SettlementState = Literal["pending", "confirmed", "disputed", "reversed"]


class SettlementRecord(msgspec.Struct, frozen=True):
    group_id: UUID
    id: UUID
    from_member_id: UUID
    to_member_id: UUID
    amount_minor: int
    currency: str
    overpaid_minor: int
    method: str | None
    note: str | None
    paid_on: date
    state: SettlementState
    recorded_by: UUID
    entry_count: int
    version: int
    created_at: datetime
    updated_at: datetime
    nudged_at: datetime | None = None

    @property
    def parties(self) -> tuple[UUID, UUID]:
        """Payer and receiver."""
        return self.from_member_id, self.to_member_id


COLUMNS = tuple(SETTLEMENTS.c[name] for name in SettlementRecord.__struct_fields__)
ONE = select(*COLUMNS).where(
    SETTLEMENTS.c.group_id == bindparam("group_id"), SETTLEMENTS.c.id == bindparam("settlement_id")
)
ONE_FOR_UPDATE = ONE.with_for_update()


def load_settlement(
    session: Reader, *, group_id: UUID, settlement_id: UUID, for_update: bool = False
) -> SettlementRecord:
    """The group's settlement, for whoever has opened the group.

    Raises:
        NotFound
    """
    query = ONE_FOR_UPDATE if for_update else ONE
    row = session.execute(query, {"group_id": group_id, "settlement_id": settlement_id}).first()
    if row is None:
        raise NotFound("no such settlement")
    return SettlementRecord(*row)


def list_settlements(
    session: Reader,
    *,
    group_id: UUID,
    state: SettlementState | None = None,
    member_id: UUID | None = None,
    before: UUID | None = None,
    limit: int,
) -> Sequence[SettlementRecord]:
    """The group's settlements, the newest first, behind the one with the id `before`.

    With `member_id` those that this member paid or received.
    """
    query = select(*COLUMNS).where(SETTLEMENTS.c.group_id == group_id)
    if state is not None:
        query = query.where(SETTLEMENTS.c.state == state)
    if member_id is not None:
        query = query.where(
            or_(SETTLEMENTS.c.from_member_id == member_id, SETTLEMENTS.c.to_member_id == member_id)
        )
    if before is not None:
        query = query.where(SETTLEMENTS.c.id < before)
    rows = session.execute(query.order_by(SETTLEMENTS.c.id.desc()).limit(limit))
    return [SettlementRecord(*row) for row in rows]
