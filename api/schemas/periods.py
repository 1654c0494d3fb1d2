"""The periods of budgets as clients write and read them."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import Day
from core.rules.periods import MAX_EVERY, PeriodKind
from core.services.budgets import PeriodInput

Kind = Annotated[
    PeriodKind,
    Meta(description="The unit; `once` is a single period from `anchor` to `ends_on`.", examples=["monthly"]),
]
Every = Annotated[
    int, Meta(ge=1, le=MAX_EVERY, description="Units a period: 2 weekly is a fortnight.", examples=[1])
]
Anchor = Annotated[
    Day,
    Meta(
        description="First day of any period; they repeat to both sides of it.",
        examples=["2026-05-01"],
    ),
]
EndsOn = Annotated[Day, Meta(description="Last day, inclusive.", examples=["2026-12-31"])]


class PeriodIn(msgspec.Struct, forbid_unknown_fields=True):
    """How the budget's time is cut up: each `every` units from the anchor, to both sides of it."""

    kind: Kind = "monthly"
    every: Every = 1
    anchor: (
        Annotated[Anchor, Meta(description="First day of any period. Default: the calendar's.")] | None
    ) = None
    ends_on: Annotated[EndsOn, Meta(description="Last day; required for `once`.")] | None = None

    def to_input(self) -> PeriodInput:
        return PeriodInput(kind=self.kind, every=self.every, anchor=self.anchor, ends_on=self.ends_on)


class PeriodPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change; another kind begins with its defaults, whatever was set for the old one."""

    kind: Kind | UnsetType = UNSET
    every: Every | UnsetType = UNSET
    anchor: Annotated[Anchor, Meta(description="null: the calendar's.")] | UnsetType | None = UNSET
    ends_on: Annotated[EndsOn, Meta(description="null: no end.")] | UnsetType | None = UNSET

    def to_changes(self) -> dict[str, Any]:
        return {name: value for name, value in msgspec.structs.asdict(self).items() if value is not UNSET}


class PeriodOut(msgspec.Struct):
    kind: Kind
    every: Every
    anchor: Anchor
    ends_on: EndsOn | None
