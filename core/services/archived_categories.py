"""Categories of an archive among those that are there: the same id is the same category, else the same name
below the same parent is. Others are made, under their own ids."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.archive.fields import NOTHING
from core.archive.reading import Entry
from core.archive.records import CategoryItem
from core.errors import invalid
from core.queries.categories import CATEGORIES
from core.services.archived_drafts import Drafts, draft_each, items_of
from core.services.categories import MAX_CATEGORIES, named
from core.services.changes import forget_deleted

Row = dict[str, Any]

Place = tuple[UUID | None, str]
"""Below which category, and the form of the name in which it is unique there."""


def draft_categories(
    session: Session, *, user_id: UUID, entries: Iterable[Entry]
) -> tuple[Drafts[Row], Mapping[UUID, UUID]]:
    """The rows to be made, and which of the user's categories each of the archive's is.

    The caller holds the user's lock if they are to be stored.
    """
    columns = (CATEGORIES.c.id, CATEGORIES.c.parent_id, CATEGORIES.c.name_key)
    there = session.execute(select(*columns).where(CATEGORIES.c.user_id == user_id)).all()
    shelves = _Shelves(user_id, {row.id: (row.parent_id, row.name_key) for row in there})
    # Those of the top level first, in whatever order they came.
    items = sorted(items_of(entries, CategoryItem), key=lambda one: one[1].parent_id is not None)
    return draft_each(items, shelves.put), shelves.ids


class _Shelves:
    """The user's categories, those to be made included; `ids` leads to them from the archive's."""

    def __init__(self, user_id: UUID, places: Mapping[UUID, Place]) -> None:
        self.ids: dict[UUID, UUID] = {}
        self._user_id = user_id
        self._places = dict(places)
        self._by_place = {place: category_id for category_id, place in places.items()}

    def put(self, item: CategoryItem) -> Row | None:
        """Raises: InvalidInput."""
        if item.id == NOTHING or item.id in self.ids:
            raise invalid("/id", "is no id of its own")
        if item.id in self._places:
            self.ids[item.id] = item.id
            return None
        name, key = named(item.name)
        place = (self._parent(item), key)
        if place in self._by_place:
            self.ids[item.id] = self._by_place[place]
            return None
        if len(self._places) >= MAX_CATEGORIES:
            raise invalid("", f"there are {MAX_CATEGORIES} categories already, which is the most")
        self._places[item.id] = place
        self._by_place[place] = self.ids[item.id] = item.id
        return {
            "user_id": self._user_id,
            "id": item.id,
            "parent_id": place[0],
            "name": name,
            "name_key": key,
            "color": item.color,
            "icon": item.icon,
            "version": item.version,
            "created_at": item.created_at,
            "updated_at": item.updated_at,
        }

    def _parent(self, item: CategoryItem) -> UUID | None:
        if item.parent_id is None:
            return None
        parent = self.ids.get(item.parent_id)
        if parent is None:
            raise invalid("/parent_id", "no such category")
        # There are two levels: what the user has put below another one by now gets a sister.
        above = self._places[parent][0]
        return parent if above is None else above


def store_categories(session: Session, *, user_id: UUID, rows: Sequence[Row]) -> None:
    if not rows:
        return
    forget_deleted(session, user_id=user_id, ids=[row["id"] for row in rows])
    # Parents first, as their children refer to them.
    for is_below in (False, True):
        level = [row for row in rows if (row["parent_id"] is not None) == is_below]
        if level:
            session.execute(insert(CATEGORIES), level)
