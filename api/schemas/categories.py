"""Categories as clients write and read them."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.schemas.common import PLAIN, AnyCursor, Id, Instant, NextCursor
from core.models import Category
from core.services.categories import MAX_CATEGORIES, NewCategory

MAX_CURSOR_CHARACTERS = 2_000
"""The cursor holds a name of 200 folded characters, each of four bytes at most, in base64."""

Name = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=PLAIN,
        description="Unique among its siblings whatever the case; blanks around it are cut off.",
        examples=["Gardening"],
    ),
]
ParentId = Annotated[Id, Meta(description="A top-level category; there are two levels.")]
Color = Annotated[str, Meta(pattern=r"^#[0-9A-Fa-f]{6}$(?!\n)", examples=["#558b2f"])]
Icon = Annotated[
    str,
    Meta(
        max_length=40,
        pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$(?!\n)",
        description="A name that clients map to a picture.",
        examples=["flower"],
    ),
]


class CategoryIn(msgspec.Struct, forbid_unknown_fields=True):
    """A category to create, below another one or on the top level."""

    name: Name
    parent_id: ParentId | None = None
    color: Color | None = None
    icon: Icon | None = None

    def to_new_category(self) -> NewCategory:
        return NewCategory(name=self.name, parent_id=self.parent_id, color=_lower(self.color), icon=self.icon)


class CategoryPatch(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to change; null empties those that may be empty, and puts the category on the top level."""

    name: Name | UnsetType = UNSET
    parent_id: ParentId | UnsetType | None = UNSET
    color: Color | UnsetType | None = UNSET
    icon: Icon | UnsetType | None = UNSET

    def to_changes(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        changes = {name: value for name, value in fields.items() if value is not UNSET}
        return {**changes, "color": _lower(changes["color"])} if "color" in changes else changes


class CategoryOut(msgspec.Struct):
    HAS_ETAG: ClassVar = True

    id: Id
    name: Name
    parent_id: Annotated[ParentId | None, Meta(description="null on the top level.", examples=[None])]
    color: Color | None
    icon: Icon | None
    created_at: Instant
    updated_at: Instant

    @classmethod
    def of(cls, category: Category) -> "CategoryOut":
        return cls(
            category.id,
            category.name,
            category.parent_id,
            category.color,
            category.icon,
            category.created_at,
            category.updated_at,
        )


class CategoryPage(msgspec.Struct):
    items: list[CategoryOut]
    next_cursor: NextCursor


class CategoryQuery(msgspec.Struct, forbid_unknown_fields=True):
    parent_id: Annotated[Id, Meta(description="Only the sub-categories of this one.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAX_CATEGORIES, description="Items a page.")] = MAX_CATEGORIES
    cursor: Annotated[AnyCursor, Meta(max_length=MAX_CURSOR_CHARACTERS)] | None = None


class CategoryDeletion(msgspec.Struct, forbid_unknown_fields=True):
    move_to: (
        Annotated[
            Id,
            Meta(description="Where its expenses, budgets and sub-categories go, if any."),
        ]
        | None
    ) = None


def _lower(color: str | None) -> str | None:
    return None if color is None else color.lower()
