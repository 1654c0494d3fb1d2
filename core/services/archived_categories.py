"""Categories of an archive among those that are there: the same id is the same category, else the same name
below the same parent is. Others are made, under their own ids."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.archive.fields import NOTHING
from core.archive.reading import BadEntry, Entry
from core.archive.records import CategoryItem
from core.errors import InvalidInput, invalid
from core.queries.categories import CATEGORIES
from core.services.categories import MAX_CATEGORIES, named
from core.services.changes import forget_deleted

Place = tuple[UUID | None, str]
"""Below which category, and the form of the name in which it is unique there."""


@dataclass(slots=True)
class CategoryIntake:
    """What becomes of an archive's categories. `ids` leads from theirs to the user's; `rows` are new."""

    ids: dict[UUID, UUID] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    known: int = 0
    problems: list[BadEntry] = field(default_factory=list)


def draft_categories(session: Session, *, user_id: UUID, entries: Iterable[Entry]) -> CategoryIntake:
    """Find or make a place for each; nothing is stored. The caller holds the user's lock if it is to be."""
    columns = (CATEGORIES.c.id, CATEGORIES.c.parent_id, CATEGORIES.c.name_key)
    there = session.execute(select(*columns).where(CATEGORIES.c.user_id == user_id)).all()
    shelves = _Shelves(user_id, {row.id: (row.parent_id, row.name_key) for row in there})
    intake = CategoryIntake()
    items = [(entry, entry.record) for entry in entries if isinstance(entry.record, CategoryItem)]
    # Those of the top level first, in whatever order they came.
    for entry, item in sorted(items, key=lambda one: one[1].parent_id is not None):
        try:
            shelves.put(item, intake)
        except InvalidInput as error:
            wrong = error.below(f"/{entry.section}/{entry.position}").fields[0]
            intake.problems.append(BadEntry(entry.section, entry.position, wrong))
    return intake


class _Shelves:
    """The user's categories, those to be made included."""

    def __init__(self, user_id: UUID, places: Mapping[UUID, Place]) -> None:
        self._user_id = user_id
        self._places = dict(places)
        self._ids = {place: category_id for category_id, place in places.items()}

    def put(self, item: CategoryItem, intake: CategoryIntake) -> None:
        """Raises: InvalidInput."""
        if item.id == NOTHING or item.id in intake.ids:
            raise invalid("/id", "is no id of its own")
        if item.id in self._places:
            intake.ids[item.id] = item.id
            intake.known += 1
            return
        name, key = named(item.name)
        place = (self._parent(item, intake), key)
        if place in self._ids:
            intake.ids[item.id] = self._ids[place]
            intake.known += 1
            return
        if len(self._places) >= MAX_CATEGORIES:
            raise invalid("", f"there are {MAX_CATEGORIES} categories already, which is the most")
        self._places[item.id] = place
        self._ids[place] = intake.ids[item.id] = item.id
        intake.rows.append(
            {
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
        )

    def _parent(self, item: CategoryItem, intake: CategoryIntake) -> UUID | None:
        if item.parent_id is None:
            return None
        parent = intake.ids.get(item.parent_id)
        if parent is None:
            raise invalid("/parent_id", "no such category")
        # There are two levels: what the user has put below another one by now gets a sister.
        above = self._places[parent][0]
        return parent if above is None else above


def store_categories(session: Session, *, user_id: UUID, intake: CategoryIntake) -> None:
    """Make what is new."""
    if not intake.rows:
        return
    forget_deleted(session, user_id=user_id, ids=[row["id"] for row in intake.rows])
    # Parents first, as their children refer to them.
    for is_below in (False, True):
        rows = [row for row in intake.rows if (row["parent_id"] is not None) == is_below]
        if rows:
            session.execute(insert(CATEGORIES), rows)
