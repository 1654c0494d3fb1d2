"""Settlements as clients write and read them."""

from collections.abc import Mapping
from typing import Annotated, ClassVar
from uuid import UUID

import msgspec
from msgspec import Meta

from api.schemas.common import (
    PLAIN,
    TEXT,
    Amount,
    AmountInput,
    Currency,
    Cursor,
    Day,
    Id,
    Instant,
    Limit,
    NextCursor,
    amount_text,
)
from core.queries.groups import MemberRecord
from core.queries.settlements import SettlementRecord, SettlementState
from core.rules.money import format_amount
from core.services.settlements import NewSettlement

Method = Annotated[
    str, Meta(min_length=1, max_length=40, pattern=PLAIN, description="How.", examples=["cash"])
]
Note = Annotated[str, Meta(max_length=2_000, pattern=TEXT, examples=["For May"])]
Name = Annotated[str, Meta(examples=["Grace"])]
State = Annotated[
    SettlementState,
    Meta(
        description="Only `confirmed` ones count. `pending` until the receiver confirms, `disputed` if it is "
        "denied, `reversed` for good.",
        examples=["pending"],
    ),
]


class SettlementIn(msgspec.Struct, forbid_unknown_fields=True):
    """A repayment between two members. Who records it need be neither of them."""

    to_member_id: Annotated[Id, Meta(description="Who received it.")]
    amount: AmountInput
    from_member_id: Annotated[Id, Meta(description="Who paid. Default: oneself.")] | None = None
    currency: Annotated[Currency, Meta(description="Default: the group's.")] | None = None
    method: Method | None = None
    note: Note | None = None
    paid_on: Annotated[Day, Meta(description="Default: today in one's own time zone.")] | None = None

    def to_new_settlement(self) -> NewSettlement:
        return NewSettlement(
            to_member_id=self.to_member_id,
            amount=amount_text(self.amount),
            from_member_id=self.from_member_id,
            currency=self.currency,
            method=self.method,
            note=self.note,
            paid_on=self.paid_on,
        )


class SettlementOut(msgspec.Struct):
    """A repayment between two members."""

    HAS_ETAG: ClassVar = True

    id: Id
    group_id: Id
    from_member_id: Id
    from_name: Name
    to_member_id: Id
    to_name: Name
    amount: Amount
    currency: Currency
    overpaid: Annotated[
        Amount,
        Meta(description="How far it went beyond all that the payer owed when it was recorded."),
    ]
    method: Method | None
    note: Note | None
    paid_on: Day
    state: State
    recorded_by: Annotated[Id, Meta(description="The member who recorded it.")]
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, record: SettlementRecord, members: Mapping[UUID, MemberRecord]) -> "SettlementOut":
        return cls(
            id=record.id,
            group_id=record.group_id,
            from_member_id=record.from_member_id,
            from_name=members[record.from_member_id].display_name,
            to_member_id=record.to_member_id,
            to_name=members[record.to_member_id].display_name,
            amount=format_amount(record.amount_minor, record.currency),
            currency=record.currency,
            overpaid=format_amount(record.overpaid_minor, record.currency),
            method=record.method,
            note=record.note,
            paid_on=record.paid_on,
            state=record.state,
            recorded_by=record.recorded_by,
            created_at=record.created_at,
            updated_at=record.updated_at,
        )


class SettlementPage(msgspec.Struct):
    items: list[SettlementOut]
    next_cursor: NextCursor


class SettlementQuery(msgspec.Struct, forbid_unknown_fields=True):
    state: State | None = None
    member_id: Annotated[Id, Meta(description="What this member paid or received.")] | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
