"""Conditions of rules as clients write and read them; what they mean is in `core/rules/conditions.py`."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, AmountInput, Currency, amount_text
from core.errors import invalid
from core.rules.conditions import MAX_CONDITIONS, MAX_NOTE_CHARACTERS

ONE_NAME = {"minProperties": 1, "maxProperties": 1}

Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=PLAIN,
        description="Compared whatever the case and the accents.",
        examples=["bakery"],
    ),
]


class TextIn(msgspec.Struct, forbid_unknown_fields=True):
    """One way to compare a text. Where there is none, nothing holds."""

    equals: Text | UnsetType = UNSET
    contains: Text | UnsetType = UNSET
    starts_with: Text | UnsetType = UNSET


class AmountIn(msgspec.Struct, forbid_unknown_fields=True):
    """`equals`, or else bounds, which are inclusive; in whatever currency. Refunds are negative."""

    equals: AmountInput | UnsetType = UNSET
    at_least: AmountInput | UnsetType = UNSET
    at_most: AmountInput | UnsetType = UNSET


class CurrencyTestIn(msgspec.Struct, forbid_unknown_fields=True):
    equals: Currency


class SourceTestIn(msgspec.Struct, forbid_unknown_fields=True):
    equals: Annotated[
        str, Meta(min_length=1, max_length=20, pattern=PLAIN, description="As written.", examples=["manual"])
    ]


class ConditionIn(
    msgspec.Struct, forbid_unknown_fields=True, rename={"all_": "all", "any_": "any", "not_": "not"}
):
    __doc__ = f"A condition with one name; up to {MAX_CONDITIONS} are joined by `all`, `any` and `not`."

    all_: "Conditions | UnsetType" = UNSET
    any_: "Conditions | UnsetType" = UNSET
    not_: "Condition | UnsetType" = UNSET
    payee: Annotated[TextIn, Meta(extra_json_schema=ONE_NAME)] | UnsetType = UNSET
    note: (
        Annotated[
            TextIn,
            Meta(
                description=f"Its first {MAX_NOTE_CHARACTERS} characters.",
                extra_json_schema=ONE_NAME,
            ),
        ]
        | UnsetType
    ) = UNSET
    amount: Annotated[AmountIn, Meta(extra_json_schema={"minProperties": 1})] | UnsetType = UNSET
    currency: CurrencyTestIn | UnsetType = UNSET
    source: SourceTestIn | UnsetType = UNSET


Condition = Annotated[ConditionIn, Meta(extra_json_schema=ONE_NAME)]
Conditions = Annotated[list[Condition], Meta(min_length=1, max_length=MAX_CONDITIONS)]

When = Annotated[
    ConditionIn,
    Meta(
        description="On which expenses.",
        examples=[{"all": [{"payee": {"contains": "bakery"}}, {"not": {"amount": {"at_least": "20.00"}}}]}],
        extra_json_schema=ONE_NAME,
    ),
]


def condition_document(condition: ConditionIn) -> dict[str, Any]:
    """The condition as `core.rules.conditions` reads it and the database keeps it: numbers as written."""
    try:
        document: dict[str, Any] = msgspec.to_builtins(condition, enc_hook=amount_text)
    except RecursionError as error:
        raise invalid("/when", "nested too deeply") from error
    return document
