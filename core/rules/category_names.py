"""Names of categories as other programs write them: with their parents, and in any case."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from core.rules.texts import loose_key

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
    """For each name the category that is meant, whatever case and accents; names of none are left out.

    A name is the whole name of a category, on the top level first, or one with its parent's.
    """
    categories = list(categories)
    parents = {one.id: one.name for one in categories}
    by_name: dict[str, UUID] = {}
    by_path: dict[tuple[str, str], UUID] = {}
    # The top level comes last and so wins.
    for one in sorted(categories, key=lambda one: (one.parent_id is None, one.id.int)):
        by_name[loose_key(one.name)] = one.id
        if one.parent_id is not None and one.parent_id in parents:
            by_path[loose_key(parents[one.parent_id]), loose_key(one.name)] = one.id
    found: dict[str, UUID] = {}
    for name in names:
        parent, own = split_name(name)
        category_id = by_name.get(loose_key(name.strip()))
        if category_id is None and parent is not None:
            category_id = by_path.get((loose_key(parent), loose_key(own)))
        if category_id is not None:
            found[name] = category_id
    return found
