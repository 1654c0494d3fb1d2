"""Names of categories as other programs write them: with their parents, and in any case."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from core.rules.texts import loose_key, search_key

_SEPARATOR = re.compile(r"\s*[:>]\s*")


@dataclass(frozen=True, slots=True)
class CategoryName:
    """A category that is there."""

    id: UUID
    name: str
    parent_id: UUID | None


def split_name(name: str) -> tuple[str | None, str]:
    """The parent's name, if there is one, and the category's own: "Food: Groceries", "Food > Groceries".

    There are two levels, so what is deeper keeps its own name and that of the topmost.
    """
    parts = [part for part in _SEPARATOR.split(name.strip()) if part]
    if len(parts) < 2:
        return None, name.strip()
    return parts[0], parts[-1]


def match_names(names: Iterable[str], categories: Iterable[CategoryName]) -> Mapping[str, UUID]:
    """For each name the category that is meant; names of none are left out.

    It is the whole name of a category, on the top level first, or one with its parent's: as it is written,
    but for the case, or failing that whatever the accents.
    """
    categories = list(categories)
    close, loose = _Names(categories, search_key), _Names(categories, loose_key)
    found: dict[str, UUID] = {}
    for name in names:
        category_id = close.find(name) or loose.find(name)
        if category_id is not None:
            found[name] = category_id
    return found


class _Names:
    """Categories by their names, of which `key` tells those that are the same."""

    def __init__(self, categories: Iterable[CategoryName], key: Callable[[str], str]) -> None:
        self._key = key
        self._by_name: dict[str, UUID] = {}
        self._by_path: dict[tuple[str, str], UUID] = {}
        categories = list(categories)
        parents = {one.id: one.name for one in categories}
        # The top level comes last and so wins.
        for one in sorted(categories, key=lambda one: (one.parent_id is None, one.id.int)):
            self._by_name[key(one.name)] = one.id
            if one.parent_id is not None and one.parent_id in parents:
                self._by_path[key(parents[one.parent_id]), key(one.name)] = one.id

    def find(self, name: str) -> UUID | None:
        whole = self._by_name.get(self._key(name.strip()))
        if whole is not None:
            return whole
        parent, own = split_name(name)
        return None if parent is None else self._by_path.get((self._key(parent), self._key(own)))
