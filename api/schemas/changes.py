"""Changes as clients read them, each with what is there now, in the shape that its own call has."""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.schemas.budgets import BudgetOut
from api.schemas.categories import CategoryOut
from api.schemas.common import TEXT, Id
from api.schemas.expenses import ExpenseOut
from api.schemas.recurring_expenses import RecurringOut

MAX_CHANGES = 1_000
"""A page: half a megabyte. A first copy takes as few trips as possible; nobody looks at it in between."""

MAX_TOKEN_CHARACTERS = 200

TOKEN_EXAMPLE = "WyIwMTk4ZjNhNS02YzFlLTdkNDItOWIwNy01ZTJmOGE0MWMzZDYiLDQyLDBd"  # noqa: S105 - a place in a list

Token = Annotated[
    str,
    Meta(
        max_length=MAX_TOKEN_CHARACTERS,
        pattern=TEXT,
        description="`next` of the answer before. Without it everything there is comes, in pages.",
        examples=[TOKEN_EXAMPLE],
    ),
]
Deleted = Annotated[
    bool, Meta(description="Remove it from the copy, if it is there; `data` is null.", examples=[False])
]


class CategoryChange(msgspec.Struct, tag_field="type", tag="category"):
    id: Id
    deleted: Deleted
    data: CategoryOut | None


class BudgetChange(msgspec.Struct, tag_field="type", tag="budget"):
    """`current` in it is of the moment of the answer: new spending is a change of expenses only."""

    id: Id
    deleted: Deleted
    data: BudgetOut | None


class RecurringChange(msgspec.Struct, tag_field="type", tag="recurring_expense"):
    id: Id
    deleted: Deleted
    data: RecurringOut | None


class ExpenseChange(msgspec.Struct, tag_field="type", tag="expense"):
    """One in the trash is deleted; brought back, it comes again."""

    id: Id
    deleted: Deleted
    data: ExpenseOut | None


Change = CategoryChange | BudgetChange | RecurringChange | ExpenseChange


class ChangeList(msgspec.Struct):
    """Changes in the order in which they are to be applied; the same thing may come again."""

    items: list[Change]
    next: Annotated[str, Meta(description="`since` of the next call.", examples=[TOKEN_EXAMPLE])]
    has_more: Annotated[bool, Meta(description="Ask again at once: there is more.", examples=[False])]


class ChangesQuery(msgspec.Struct, forbid_unknown_fields=True):
    since: Token | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_CHANGES, description="Items a page.")] = 500
