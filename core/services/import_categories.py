"""Under which of the user's categories the names in a file are filed."""

from collections.abc import Iterable, Mapping
from uuid import UUID

from sqlalchemy.orm import Session

from core.errors import Conflict, InvalidInput, NotFound
from core.queries.imports import category_names
from core.rules.category_names import CategoryName, match_names, split_name
from core.rules.texts import search_key
from core.services.categories import NewCategory, create_category, delete_category

CREATE = "create"
"""Instead of a category's id: one that is to be made."""


class _Maker:
    """Makes categories, each once, and remembers which."""

    def __init__(self, session: Session, user_id: UUID, categories: Iterable[CategoryName]) -> None:
        self._session = session
        self._user_id = user_id
        self._there = {(one.parent_id, search_key(one.name)): one.id for one in categories}
        self.made: list[UUID] = []

    def find_or_make(self, name: str, parent_id: UUID | None) -> UUID | None:
        """None where there is no room for another one, or none can have this name."""
        key = (parent_id, search_key(name))
        if key not in self._there:
            try:
                category = create_category(
                    self._session,
                    user_id=self._user_id,
                    category=NewCategory(name=name, parent_id=parent_id),
                )
            except (Conflict, InvalidInput):
                return None
            self._there[key] = category.id
            self.made.append(category.id)
        return self._there[key]


def settle_categories(
    session: Session, *, user_id: UUID, names: Iterable[str], wanted: Mapping[str, str | None]
) -> tuple[dict[str, UUID | None], list[UUID]]:
    """The category of each name, and those that were made for it.

    It is what the user wants, else the category that the name means, else a new one.
    """
    categories = category_names(session, user_id=user_id)
    names = list(names)
    matched = match_names(names, categories)
    maker = _Maker(session, user_id, categories)
    found: dict[str, UUID | None] = {}
    for name in names:
        choice = wanted[name] if name in wanted else str(matched.get(name, CREATE))
        if choice != CREATE:
            found[name] = None if choice is None else UUID(choice)
            continue
        parent, own = split_name(name)
        parent_id = None if parent is None else maker.find_or_make(parent, None)
        is_possible = parent is None or parent_id is not None
        found[name] = maker.find_or_make(own, parent_id) if is_possible else None
    return found, maker.made


def remove_unused(session: Session, *, user_id: UUID, category_ids: Iterable[UUID]) -> None:
    """Delete those of the categories that nothing uses."""
    # The last made first: what is below another one was made after it.
    for category_id in reversed(list(category_ids)):
        try:
            delete_category(session, user_id=user_id, category_id=category_id)
        except (Conflict, NotFound):
            continue
