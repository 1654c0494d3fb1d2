"""How an expense is divided, as clients write and read it."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.schemas.common import AMOUNT_PATTERN, PLAIN, AmountInput, Id, amount_text
from core.queries.groups import MAX_MEMBERS
from core.rules.splits import MAX_ITEMS, MAX_VALUE_DECIMALS

Value = Annotated[
    msgspec.Raw,
    Meta(
        description="A decimal string or number: of shares, of a hundred percent, or an amount.",
        examples=["1"],
        extra_json_schema={
            "anyOf": [{"type": "string", "pattern": AMOUNT_PATTERN, "maxLength": 30}, {"type": "number"}]
        },
    ),
]
NOTHING = msgspec.Raw(b"null")

# Not `AmountInput | None`: in a union msgspec does not take JSON as it is written.
OptionalAmount = Annotated[
    msgspec.Raw,
    Meta(
        description="As other amounts; null is none.",
        examples=["1.00"],
        extra_json_schema={
            "anyOf": [
                {"type": "string", "pattern": AMOUNT_PATTERN, "maxLength": 30},
                {"type": "number"},
                {"type": "null"},
            ]
        },
    ),
]
MemberIds = Annotated[
    list[Id], Meta(max_length=MAX_MEMBERS, description="Empty: everybody in the group.", examples=[[]])
]
Description = Annotated[str, Meta(max_length=200, pattern=PLAIN, examples=["Dinner"])]


class MemberValue(msgspec.Struct, forbid_unknown_fields=True):
    member_id: Id
    value: Value


Values = Annotated[list[MemberValue], Meta(min_length=1, max_length=MAX_MEMBERS)]


class ItemIn(msgspec.Struct, forbid_unknown_fields=True):
    """A line of a receipt, equally over its members; a negative one is a discount."""

    amount: AmountInput
    member_ids: MemberIds = []
    description: Description = ""


class EqualSplit(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="equal"):
    """The same for each of the members."""

    member_ids: MemberIds = []


class SharesSplit(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="shares"):
    __doc__ = f"In proportion to the values, which have up to {MAX_VALUE_DECIMALS} decimals."

    shares: Values


class PercentSplit(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="percent"):
    """Percentages, which must be 100 together, exactly."""

    shares: Values


class ExactSplit(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="exact"):
    """Amounts, which must be the expense's together."""

    shares: Values


class AdjustmentSplit(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="adjustment"):
    """Equally, after each one's plus or minus."""

    shares: Values


class ItemisedSplit(msgspec.Struct, forbid_unknown_fields=True, tag_field="kind", tag="itemised"):
    """A receipt: items over their members, tax and tip in proportion to what each one's items come to."""

    items: Annotated[list[ItemIn], Meta(min_length=1, max_length=MAX_ITEMS)]
    tax: OptionalAmount = msgspec.field(default_factory=lambda: NOTHING)
    tip: OptionalAmount = msgspec.field(default_factory=lambda: NOTHING)


SplitIn = EqualSplit | SharesSplit | PercentSplit | ExactSplit | AdjustmentSplit | ItemisedSplit


def split_document(split: SplitIn) -> dict[str, Any]:
    """The split as `core.services.group_splits` reads it and the database keeps it: numbers as written."""
    document: dict[str, Any] = msgspec.to_builtins(split, enc_hook=amount_text)
    if isinstance(split, ItemisedSplit):
        document |= {name: None for name in ("tax", "tip") if bytes(getattr(split, name)) == bytes(NOTHING)}
    return document
