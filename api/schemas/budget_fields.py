"""Fields that budgets, their figures and alerts share."""

from typing import Annotated

from msgspec import Meta

from api.schemas.common import PLAIN, Amount, AmountInput, Day, Id
from core.queries.alerts import AlertState
from core.rules.thresholds import (
    DEFAULT_THRESHOLDS,
    MAX_THRESHOLD,
    MAX_THRESHOLDS,
    MIN_THRESHOLD,
    BudgetStatus,
    RolloverMode,
)

MAX_BUDGET_CATEGORIES = 100

Name = Annotated[str, Meta(min_length=1, max_length=100, pattern=PLAIN, examples=["Groceries"])]
Threshold = Annotated[
    int,
    Meta(ge=MIN_THRESHOLD, le=MAX_THRESHOLD, description="Per cent of the limit.", examples=[80]),
]
Thresholds = Annotated[
    list[Threshold],
    Meta(
        max_length=MAX_THRESHOLDS,
        description="At which per cents of the limit to alert.",
        examples=[list(DEFAULT_THRESHOLDS)],
    ),
]
CategoryIds = Annotated[
    list[Id],
    Meta(
        max_length=MAX_BUDGET_CATEGORIES,
        description="What counts, sub-categories included. Empty: all spending.",
    ),
]
Rollover = Annotated[
    RolloverMode,
    Meta(
        description="What a period passes on to the next one's limit: nothing, what was left (`surplus`), or "
        "also what was overspent (`both`).",
        examples=["surplus"],
    ),
]
PaceAlert = Annotated[
    bool,
    Meta(description="Notify once a period that spending goes on too fast for the limit.", examples=[True]),
]
AmountOf = Annotated[AmountInput, Meta(examples=["400.00"])]
Limited = Annotated[Amount, Meta(examples=["400.00"])]
Spent = Annotated[Amount, Meta(examples=["324.10"])]
Start = Annotated[Day, Meta(examples=["2026-05-01"])]
State = Annotated[
    AlertState,
    Meta(
        description="`resolved` once spending is below the threshold again or the budget no longer has it.",
        examples=["open"],
    ),
]
End = Annotated[Day, Meta(description="The day after the last one.", examples=["2026-06-01"])]
Status = Annotated[
    BudgetStatus,
    Meta(
        description="`warning` from the lowest threshold on, `exceeded` above the limit.",
        examples=["warning"],
    ),
]
